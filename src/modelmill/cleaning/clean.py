"""The steps of cleaning in their order, and the report of what happened to every record."""

from collections import defaultdict
from collections.abc import Sequence
from typing import Any

import polars as pl

from modelmill.cleaning.c4 import c4
from modelmill.cleaning.contract import apply_contract
from modelmill.cleaning.language import why_foreign
from modelmill.cleaning.privacy import mask_records
from modelmill.cleaning.rejects import REJECT, Sorted, sort_out
from modelmill.cleaning.rules import why_broken
from modelmill.cleaning.text import why_rejected
from modelmill.records import concat_records
from modelmill.specs.cleaning import CleaningSpec, NearDuplicatesSpec
from modelmill.specs.source import ContractSpec
from modelmill.text import duplicate_key, normalise, texts_within


def clean_product(
    raw: pl.DataFrame, contract: ContractSpec, cleaning: CleaningSpec
) -> tuple[pl.DataFrame, pl.DataFrame, dict[str, Any]]:
    """Clean labelled records: contract, normalisation, rules, contradictory labels, exact and near duplicates.

    Returns:
        clean records, rejects, and the report (records in and out of every step).

    Raises:
        DataError: when the contract is broken as a whole.
    """
    books = Books(raw)
    books.enter("contract", apply_contract(books.kept, contract, labelled=True))
    books.enter("rules", apply_rules(books.kept, cleaning))
    if cleaning.privacy:
        books.change("privacy", *mask_records(books.kept, cleaning.privacy))
    books.enter("contradictions", reject_contradictions(books.kept))
    books.enter("duplicates", reject_duplicates(books.kept))
    if cleaning.near_duplicates:
        books.enter("near_duplicates", reject_near_duplicates(books.kept, cleaning.near_duplicates))
    return books.close()


def clean_corpus(
    raw: pl.DataFrame, product_texts: pl.DataFrame, held_out: pl.DataFrame, spec: CleaningSpec
) -> tuple[pl.DataFrame, pl.DataFrame, dict[str, Any]]:
    """Clean the text for pretraining; texts that a product holds out for validation or test are rejected.

    Args:
        raw: records of the corpus' own sources.
        product_texts: training records of products, clean already.
        held_out: validation and test records of all products that use the backbone.
        spec: the rules.

    Returns:
        clean records, rejects and report, as `clean_product`.
    """
    # Ids are unique within one source; in a corpus of many they mean nothing, so each gets its place in front.
    records = concat_records(product_texts, raw).with_row_index("place")
    books = Books(records.with_columns(pl.format("{}:{}", "place", "id").alias("id")).drop("place"))
    books.enter("contract", apply_contract(books.kept, ContractSpec(max_reject=1), labelled=False))
    books.enter("rules", apply_rules(books.kept, spec))
    books.enter("held_out", reject_held_out(books.kept, held_out))
    if spec.privacy:
        books.change("privacy", *mask_records(books.kept, spec.privacy))
    books.enter("duplicates", reject_duplicates(books.kept))
    if spec.near_duplicates:
        books.enter("near_duplicates", reject_near_duplicates(books.kept, spec.near_duplicates))
    return books.close()


class Books:
    """Keeps the account of records through the steps."""

    def __init__(self, raw: pl.DataFrame) -> None:
        self.raw = raw
        self.kept = raw
        self.rejects = [pl.DataFrame(schema=REJECT)]
        self.steps: list[dict[str, Any]] = []

    def enter(self, step: str, result: Sorted) -> None:
        """Book a step."""
        reasons = dict(result.rejects.group_by("reason").len().sort("reason").iter_rows())
        self.steps.append({"step": step, "in": self.kept.height, "out": result.kept.height, "rejected": reasons})
        self.kept = result.kept
        self.rejects.append(result.rejects)

    def change(self, step: str, records: pl.DataFrame, report: dict[str, Any]) -> None:
        """Book a step that changes records and takes none out."""
        assert records["id"].equals(self.kept["id"])
        self.steps.append({"step": step, "in": self.kept.height, "out": records.height, "rejected": {}, **report})
        self.kept = records

    def close(self) -> tuple[pl.DataFrame, pl.DataFrame, dict[str, Any]]:
        """The kept records, all rejects, and the report."""
        rejects = pl.concat(self.rejects)
        assert self.raw.height == self.kept.height + rejects.height
        report = {
            "in": self.raw.height,
            "out": self.kept.height,
            "rejected": rejects.height,
            "steps": self.steps,
        }
        return self.kept, rejects, report


def apply_rules(records: pl.DataFrame, spec: CleaningSpec) -> Sorted:
    """Normalise the texts; a record that a rule takes out keeps its original text in the rejects.

    The sets of `spec.rules` judge lines, so they are given the text before its lines become one; C4, which takes lines
    out, comes first. Of several reasons the first in this order counts: length and spam, rules, language.
    """
    found: list[Sequence[str | None]] = []
    source = records["text"]
    if "c4" in spec.rules:
        judged = [c4(text) for text in source]
        source = pl.Series([text for text, _ in judged], dtype=pl.String)
        found.append([why for _, why in judged])
    if measured := [name for name in spec.rules if name != "c4"]:
        found.append(why_broken(source, measured).to_list())
    texts = [normalise(text) for text in source]
    found.insert(0, [why_rejected(text, spec) for text in texts])
    if spec.languages:
        found.append(why_foreign(texts, spec.languages))
    first = (next(filter(None, reasons), None) for reasons in zip(*found, strict=True))
    reasons = {row: reason for row, reason in enumerate(first) if reason}
    kept, rejects = sort_out(records, "rules", reasons)
    kept_texts = [text for row, text in enumerate(texts) if row not in reasons]
    return Sorted(kept.with_columns(pl.Series("text", kept_texts, dtype=pl.String)), rejects)


def reject_contradictions(records: pl.DataFrame) -> Sorted:
    """Take out all records whose text stands under more than one label: none of them can be trusted."""
    labels: dict[str, set[str]] = defaultdict(set)
    keys = [duplicate_key(text) for text in records["text"]]
    for key, label in zip(keys, records["label"], strict=True):
        labels[key].add(label)
    reasons = {
        row: f"the same text has the labels {', '.join(sorted(labels[key]))}"
        for row, key in enumerate(keys)
        if len(labels[key]) > 1
    }
    return sort_out(records, "contradictions", reasons)


def reject_duplicates(records: pl.DataFrame) -> Sorted:
    """Keep the first record of each text."""
    first: dict[str, str] = {}
    originals = {}
    for row, (identity, text) in enumerate(records.select("id", "text").iter_rows()):
        original = first.setdefault(duplicate_key(text), identity)
        if original != identity:
            originals[row] = f"of {original}"
    return sort_out(records, "duplicates", dict.fromkeys(originals, "duplicate"), originals)


def reject_near_duplicates(records: pl.DataFrame, spec: NearDuplicatesSpec) -> Sorted:
    """Keep the first of records that are nearly the same; one of another label stays: a mark may tell them apart."""
    from modelmill.cleaning.near_duplicates import near_duplicates, signatures

    found = near_duplicates(signatures(records["text"], spec), spec.threshold)
    ids, labels = records["id"], records["label"].to_list()
    details = {
        row: f"of {ids[of]}, similarity {similarity:.2f}"
        for row, of, similarity in found.iter_rows()
        if labels[row] == labels[of]
    }
    return sort_out(records, "near_duplicates", dict.fromkeys(details, "near duplicate"), details)


def reject_held_out(records: pl.DataFrame, held_out: pl.DataFrame) -> Sorted:
    """Take out texts that are, or hold, a text that a product keeps for validation or test."""
    found = texts_within(held_out["text"], records["text"])
    return sort_out(records, "held_out", {row: "held out by a product" for row, keys in enumerate(found) if keys})
