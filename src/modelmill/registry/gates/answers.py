"""What a version and the incumbent answer to the same test records."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import polars as pl

from modelmill.errors import DataError
from modelmill.evaluation.metrics import Outcome
from modelmill.records import table_digest
from modelmill.registry.clean_process import Answers, predict_in_clean_process
from modelmill.registry.evidence import PREDICTIONS
from modelmill.registry.gates.base import Case, Finding
from modelmill.registry.version_files import Subject

FIRST = "a first version: nothing to be compared with"


@dataclass(frozen=True)
class Pair:
    """Predictions of both for the same records in the same order: id, label, predicted, p_<label>; and of where."""

    version: pl.DataFrame
    incumbent: pl.DataFrame
    source: str

    def outcomes(self) -> tuple[Outcome, Outcome]:
        """Both over all labels that either knows or that are true; a label that one does not know has no chance."""
        tables = (self.version, self.incumbent)
        known = {name.removeprefix("p_") for table in tables for name in table.columns if name.startswith("p_")}
        labels = sorted(known | set(self.version["label"]))
        missing = [[pl.lit(0.0).alias(f"p_{one}") for one in labels if f"p_{one}" not in t.columns] for t in tables]
        ours, theirs = (Outcome.of(t.with_columns(more), labels) for t, more in zip(tables, missing, strict=True))
        return ours, theirs


def ask(model: Path, texts: Sequence[str], *, singly: bool = False) -> Answers:
    """Let a version answer texts, in a process of its own; a second for each text at most."""
    return predict_in_clean_process(model, texts, singly=singly, timeout=max(600, len(texts)))


def records_of(case: Case) -> pl.DataFrame | Finding:
    """The test records that the version was judged by, with texts; 'skip' where they are not on this disk."""
    wanted = case.subject.test_split
    if not case.test.is_file():
        return Finding(
            "skip", f"the test records are not on this disk ({case.test}); `kedro run` or `dvc pull` brings them"
        )
    records = pl.read_parquet(case.test)
    if (found := table_digest(records)) != wanted:
        return Finding(
            "skip",
            f"the test records on this disk ({found[:12]}) are not those that version {case.subject.version} was "
            f"judged by ({wanted[:12]}); check out its commit and its data, or evaluate and register again",
        )
    return records


def both_answers(case: Case) -> Pair | Finding:
    """Predictions of the version and of the incumbent for the same records.

    Those that were kept, when both were judged by the same test records, else both predict those of the version.
    """
    assert case.incumbent, "there is an incumbent to compare with"
    subjects = (case.subject, case.incumbent)
    kept = [subject.evidence / PREDICTIONS for subject in subjects]
    if case.subject.test_split == case.incumbent.test_split and all(path.is_file() for path in kept):
        ours, theirs = (pl.read_parquet(path) for path in kept)
        return _same_items(ours, theirs, "kept with the versions")
    records = records_of(case)
    if isinstance(records, Finding):
        return records
    return _predicted(*subjects, case.test, case.subject.test_split)


@lru_cache(1)  # three gates ask for the same pair
def _predicted(version: Subject, incumbent: Subject, test: Path, digest: str) -> Pair:
    records = pl.read_parquet(test)
    assert table_digest(records) == digest, "records_of looked"
    texts = records["text"].to_list()
    ours, theirs = (_predictions(records, ask(subject.model, texts).table) for subject in (version, incumbent))
    return _same_items(ours, theirs, "predicted now, for both")


def _predictions(records: pl.DataFrame, answers: pl.DataFrame) -> pl.DataFrame:
    chances = answers.select("^p_.*$")
    return records.select("id", "label").with_columns(answers["label"].alias("predicted"), *chances.iter_columns())


def _same_items(version: pl.DataFrame, incumbent: pl.DataFrame, source: str) -> Pair:
    if not version.select("id", "label").equals(incumbent.select("id", "label")):
        raise DataError(
            f"the predictions in {PREDICTIONS} of the two versions are of other records, though their lineage names "
            "the same test split: the evidence was changed"
        )
    return Pair(version, incumbent, source)
