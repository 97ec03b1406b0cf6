"""The steps of cleaning that judge a record by itself: rules, reserved texts, personal data."""

from collections import Counter
from collections.abc import Sequence
from typing import Any

import polars as pl

from modelmill.cleaning.c4 import c4
from modelmill.cleaning.language import why_foreign
from modelmill.cleaning.privacy import mask_records
from modelmill.cleaning.rejects import REJECT, Sorted, sort_out
from modelmill.cleaning.rules import why_broken
from modelmill.cleaning.text import why_rejected
from modelmill.specs.cleaning import CleaningSpec, NearDuplicatesSpec, PrivacySpec
from modelmill.text import Finder, duplicate_key, normalise


class Rules:
    """Normalise the texts; a record that a rule takes out keeps its original text in the rejects.

    The sets of `spec.rules` judge lines, so they are given the text before its lines become one; C4, which takes lines
    out, comes first. Of several reasons the first in this order counts: length and spam, rules, language.
    """

    name = "rules"

    def __init__(self, spec: CleaningSpec) -> None:
        self._spec = spec

    def __call__(self, records: pl.DataFrame) -> Sorted:
        """Normalised records, and those that break a rule."""
        spec = self._spec
        found: list[Sequence[str | None]] = []
        source = records["text"]
        if "c4" in spec.rules:
            judged = [c4(text) for text in source]
            source = pl.Series([text for text, _ in judged], dtype=pl.String)
            found.append([why for _, why in judged])
        if measured := [name for name in spec.rules if name != "c4"]:
            found.append(why_broken(source, measured).to_list())
        texts = pl.Series("text", [normalise(text) for text in source], dtype=pl.String)
        found.insert(0, why_rejected(texts, spec).to_list())
        if spec.languages:
            found.append(why_foreign(texts.to_list(), spec.languages))
        first = (next(filter(None, reasons), None) for reasons in zip(*found, strict=True))
        reasons = {row: reason for row, reason in enumerate(first) if reason}
        kept, rejects = sort_out(records.with_columns(texts.alias("normalised")), self.name, reasons)
        return Sorted(kept.with_columns(text="normalised").drop("normalised"), rejects)

    def close(self) -> dict[str, Any]:
        """Nothing beside the numbers."""
        return {}


class Reserved:
    """Take out records that are, hold or nearly repeat a text on which nothing may be trained.

    Args:
        name: of the step.
        reason: said of each record.
        reserved: columns id and text, texts normalised.
        near: what counts as nearly the same.
    """

    def __init__(self, name: str, reason: str, reserved: pl.DataFrame, near: NearDuplicatesSpec) -> None:
        from modelmill.cleaning.near_duplicates import Known

        self.name, self._reason = name, reason
        self._ids = reserved["id"].to_list()
        self._id_of = {duplicate_key(text): identity for identity, text in reserved.select("id", "text").iter_rows()}
        self._finder = Finder(reserved["text"])
        self._known = Known(reserved["text"], near)

    def __call__(self, records: pl.DataFrame) -> Sorted:
        """The records, and those that give a reserved text away."""
        if not self._ids:
            return sort_out(records, self.name, {})
        details = {
            row: f"nearly repeats {self._ids[of]}, similarity {similarity:.2f}"
            for row, of, similarity in self._known.near(records["text"]).iter_rows()
        }
        for row, text in enumerate(records["text"]):
            if keys := self._finder.within(text):
                details[row] = f"is or holds {self._id_of[min(keys)]}"
        return sort_out(records, self.name, dict.fromkeys(details, self._reason), details)

    def close(self) -> dict[str, Any]:
        """Nothing beside the numbers."""
        return {}


class Privacy:
    """Personal data becomes pseudonyms; no record is taken out."""

    name = "privacy"

    def __init__(self, spec: PrivacySpec) -> None:
        self._spec = spec
        self._masked: Counter[str] = Counter()
        self._records = 0

    def __call__(self, records: pl.DataFrame) -> Sorted:
        """The records, masked."""
        masked, report = mask_records(records, self._spec)
        self._masked.update(report["masked"])
        self._records += report["records"]
        return Sorted(masked, pl.DataFrame(schema=REJECT))

    def close(self) -> dict[str, Any]:
        """How much of each kind was masked, and in how many records."""
        return {"masked": dict(sorted(self._masked.items())), "records": self._records}
