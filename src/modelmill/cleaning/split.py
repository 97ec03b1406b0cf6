"""Training, validation and test splits that share no text, and move no record when others come."""

import hashlib
import re
from bisect import bisect_right
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from datetime import UTC, datetime

import numpy as np
import polars as pl

from modelmill.cleaning.rejects import REJECT, Sorted, sort_out
from modelmill.cleaning.sequences import histories
from modelmill.errors import DataError
from modelmill.records import labels_of
from modelmill.sources.read import PART
from modelmill.specs.cleaning import NearDuplicatesSpec
from modelmill.specs.source import ContractSpec, Sources
from modelmill.specs.split import SplitSpec
from modelmill.tables import AnyTable, batches_of

PARTS = ("train", "validation", "test")


EVERY_DRAWN = Sources([])


def split_records(
    cleaned: AnyTable, split: SplitSpec, contract: ContractSpec, sources: Sources = EVERY_DRAWN
) -> tuple[pl.DataFrame, pl.DataFrame, pl.DataFrame, pl.DataFrame]:
    """Split as declared, in memory; training records that nearly repeat a held-out one are taken out.

    Args:
        cleaned: records, where sources have a `part` with the column of that name.
        split: how records are drawn.
        contract: what labels there are.
        sources: the declaration, by which it is known which parts are not drawn even when cleaning left nothing of
            them.

    Returns:
        train, validation and test records, in their order, and the rejects (columns `REJECT`).

    Raises:
        DataError: when a label has too few records, or is missing from a split.
    """
    clean = pl.concat(batches_of(cleaned))
    if contract.target == "next":
        return _split_sequences(clean, split, contract)
    classes = contract.target in ("class", "classes", None)
    if classes:
        _check_labels(clean, contract)
    placed, undated = assign(clean, split, sources.parts)
    _check_times(undated, clean, contract)
    parts = {name: placed.filter(split=name).drop("split", PART, strict=False) for name in PARTS}
    rejects = [undated]
    if split.near_duplicates:
        held_out = pl.concat([parts["validation"], parts["test"]])
        parts["train"], leaks = reject_leaks(parts["train"], held_out, split.near_duplicates)
        rejects.append(leaks)
    remedies = {name: GIVEN_REMEDY if name in sources.parts else REMEDIES[split.by] for name in PARTS}
    _check_parts(
        parts, {name: {*_labels(part, contract)} if classes else set() for name, part in parts.items()}, remedies
    )
    return parts["train"], parts["validation"], parts["test"], pl.concat(rejects)


def _split_sequences(
    clean: pl.DataFrame, split: SplitSpec, contract: ContractSpec
) -> tuple[pl.DataFrame, pl.DataFrame, pl.DataFrame, pl.DataFrame]:
    placed, undated = assign(clean, split)
    _check_times(undated, clean, contract)
    parts, rejects = histories(placed.with_columns(moment=moments(placed["time"])), split.next_items)
    _check_parts(parts, {name: set() for name in parts}, dict.fromkeys(parts, REMEDIES["time"]))
    return parts["train"], parts["validation"], parts["test"], pl.concat([undated, rejects])


def assign(clean: pl.DataFrame, split: SplitSpec, given: Collection[str] = ()) -> Sorted:
    """The records with their split in the column `split`, and those that have none: by time, those without a time.

    Records of sources whose split is `given` stay in it; the others are drawn into the rest, by their shares among
    themselves.
    """
    if split.by == "time":
        return _by_time(clean, split)
    if not given:
        return Sorted(clean.with_columns(_drawn(clean, split, PARTS)), pl.DataFrame(schema=REJECT))
    others = clean.filter(pl.col(PART).is_null())
    rows = clean[PART].is_null().arg_true()
    drawn = _drawn(others, split, [name for name in PARTS if name not in given])
    placed = clean.with_columns(clean[PART].scatter(rows, drawn).alias("split"))
    return Sorted(placed, pl.DataFrame(schema=REJECT))


def _drawn(clean: pl.DataFrame, split: SplitSpec, parts: Sequence[str]) -> pl.Series:
    """For each record one of the parts, those that are held out from 0 on: training takes what a new seed leaves."""
    named = clean["group"].fill_null(clean["id"]) if split.by == "group" else clean["id"]
    places = pl.Series("place", [_place(name, split.seed) for name in named], dtype=pl.Float64)
    if split.by == "stratified":
        ranked = clean.select("label", places).select(
            (pl.col("place").rank() - 0.5).over("label") / pl.len().over("label")
        )
        places = ranked.to_series()
    ordered = [name for name in ("test", "validation", "train") if name in parts]
    shares = [getattr(split, name) for name in ordered]
    at = np.searchsorted(np.cumsum(shares), places.to_numpy() * sum(shares), side="right")
    return pl.Series("split", [ordered[i] for i in at], dtype=pl.String)


def _by_time(clean: pl.DataFrame, split: SplitSpec) -> Sorted:
    """Training records lie before both dates; what is not a time cannot be placed."""
    assert split.validation_from is not None
    assert split.test_from is not None
    cuts = [_moment(split.validation_from), _moment(split.test_from)]
    found = moments(clean["time"])
    reasons = dict.fromkeys(found.is_null().arg_true(), "time is missing or cannot be read")
    kept, rejects = sort_out(clean, "split", reasons)
    names = [PARTS[bisect_right(cuts, moment)] for moment in found.drop_nulls()]
    return Sorted(kept.with_columns(pl.Series("split", names, dtype=pl.String)), rejects)


UNIX = re.compile(r"-?\d{9,11}(\.\d+)?")
"""Seconds since 1970; dates of ISO 8601 without marks have eight digits."""


def moments(times: pl.Series) -> pl.Series:
    """Times (ISO 8601, or Unix seconds) in UTC; null for what is none."""
    return pl.Series("moment", [_read_moment(time) for time in times], dtype=pl.Datetime("us"))


def _read_moment(time: str | None) -> datetime | None:
    given = (time or "").strip()
    try:
        if UNIX.fullmatch(given):
            return _moment(datetime.fromtimestamp(float(given), UTC))
        return _moment(datetime.fromisoformat(given))
    except ValueError:
        return None


def _moment(time: datetime) -> datetime:
    """In UTC, without saying so; a time without a zone is taken as UTC."""
    return time.astimezone(UTC).replace(tzinfo=None) if time.tzinfo else time


def reject_leaks(train: pl.DataFrame, held_out: pl.DataFrame, spec: NearDuplicatesSpec) -> Sorted:
    """Take the training records out that nearly repeat a held-out one (exact repetitions are gone by now)."""
    from modelmill.cleaning.near_duplicates import Known

    ids = held_out["id"]
    details = {
        row: f"of {ids[of]}, similarity {similarity:.2f}"
        for row, of, similarity in Known(held_out["text"], spec).near(train["text"]).iter_rows()
    }
    return sort_out(train, "split", dict.fromkeys(details, "near duplicate of a held-out record"), details)


def _check_times(undated: pl.DataFrame, clean: pl.DataFrame, contract: ContractSpec) -> None:
    if undated.height > contract.max_reject * clean.height:
        raise DataError(
            f"{undated.height} of {clean.height} records have no time that can be read, more than "
            f"`contract.max_reject` {contract.max_reject:.1%} allows; the first is {undated['origin'][0]}. Times are "
            "ISO 8601, such as 2026-05-01 or 2026-05-01T08:00:00+08:00, or Unix seconds; mend the column that "
            "`source.columns.time` names."
        )


REMEDIES = {
    "random": "add records of the label, enlarge `split.{name}`, or split `by: stratified`",
    "stratified": "add records of the label or enlarge `split.{name}`",
    "group": "add groups, enlarge `split.{name}`, or draw with another `split.seed`",
    "time": "move `split.validation_from` and `split.test_from` to where records of all labels lie on each side",
}


GIVEN_REMEDY = "it is the sources' own: look among the rejects, or list in `contract.labels` the labels that all have"


def _labels(records: pl.DataFrame, contract: ContractSpec) -> list[str]:
    """All labels of all records, as often as they occur."""
    if contract.target != "classes":
        return records["label"].to_list()
    return [label for text in records["label"] for label in labels_of(text, contract.separator) or ()]


def _check_parts(
    parts: Mapping[str, pl.DataFrame], labels: Mapping[str, set[str]], remedies: Mapping[str, str]
) -> None:
    total, known = sum(part.height for part in parts.values()), set().union(*labels.values())
    for name, part in parts.items():
        if not part.height:
            remedy = remedies[name] if remedies[name] in (GIVEN_REMEDY, REMEDIES["time"]) else f"enlarge `split.{name}`"
            raise DataError(f"the {name} split has no record; {remedy}.")
        if missing := sorted(known - labels[name]):
            raise DataError(
                f"the {name} split ({part.height} of {total} records) has no record labelled "
                f"{', '.join(missing)}; {remedies[name].format(name=name)}."
            )


def _place(identity: str, seed: int) -> float:
    """A number in [0, 1) that follows from seed and id alone."""
    digest = hashlib.sha256(f"{seed}:{identity}".encode()).digest()
    return int.from_bytes(digest[:8]) / 2**64


def _check_labels(clean: pl.DataFrame, contract: ContractSpec) -> None:
    counts = dict.fromkeys(contract.labels or [], 0) | dict(sorted(Counter(_labels(clean, contract)).items()))
    if len(counts) < 2:  # the rejects are on disk by now, with the reasons
        found = f"only '{next(iter(counts))}'" if counts else "no record at all"
        raise DataError(f"a classification needs two labels or more; after cleaning there is {found}. See the rejects.")
    few = {label: count for label, count in counts.items() if count < contract.min_per_label}
    if few:
        shown = ", ".join(f"'{label}' has {count}" for label, count in few.items())
        raise DataError(
            f"too few clean records of a label: {shown}; `contract.min_per_label` is {contract.min_per_label}.\n"
            "Look what cleaning took out (the rejects, and cleaning.json among the reports), add records, or leave the "
            "label out by listing the others in `contract.labels` (its records are then rejected, within "
            "`contract.max_reject`)."
        )
