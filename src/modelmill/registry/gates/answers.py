"""What a version and the incumbent answer to the same test records."""

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import polars as pl

from modelmill.errors import DataError
from modelmill.records import table_digest
from modelmill.registry.clean_process import Answers, predict_in_clean_process
from modelmill.registry.evidence import PREDICTIONS
from modelmill.registry.gates.base import Case, Finding
from modelmill.registry.version_files import Subject
from modelmill.specs.task import TaskSpec
from modelmill.tasks.outcome import Outcome
from modelmill.tasks.task import task_of

FIRST = "a first version: nothing to be compared with"


@dataclass(frozen=True)
class Pair:
    """Predictions of both for the same records in the same order, see `Task.predictions`; and of where."""

    task: TaskSpec
    version: pl.DataFrame
    incumbent: pl.DataFrame
    source: str

    def outcomes(self) -> tuple[Outcome, Outcome]:
        """What they come to."""
        ours, theirs = task_of(self.task).outcomes(self.version, self.incumbent)
        return ours, theirs


def ask(task: TaskSpec, model: Path, records: pl.DataFrame, *, singly: bool = False) -> Answers:
    """Let a version answer records, in a process of its own; a second for each at most."""
    read = records.select(name for name, _ in task_of(task).inputs)
    return predict_in_clean_process(model, read, singly=singly, timeout=max(600, records.height))


def records_of(case: Case) -> pl.DataFrame | Finding:
    """The test records that the version was judged by, with what it reads; 'skip' where they are not on this disk."""
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
        return _same_items(case.product.task, ours, theirs, "kept with the versions")
    if not task_of(case.product.task).judged_by_answers:
        return Finding(
            "skip", f"the two were judged by other records, and {case.product.task.kind} cannot be by answers"
        )
    records = records_of(case)
    if isinstance(records, Finding):
        return records
    return _predicted(case.product.task, *subjects, case.test, case.subject.test_split)


@lru_cache(1)  # three gates ask for the same pair
def _predicted(task: TaskSpec, version: Subject, incumbent: Subject, test: Path, digest: str) -> Pair:
    records = pl.read_parquet(test)
    assert table_digest(records) == digest, "records_of looked"
    answers = (ask(task, subject.model, records).table for subject in (version, incumbent))
    ours, theirs = (task_of(task).predictions(records, one) for one in answers)
    return _same_items(task, ours, theirs, "predicted now, for both")


def _same_items(task: TaskSpec, version: pl.DataFrame, incumbent: pl.DataFrame, source: str) -> Pair:
    if not version.select("id", "label").equals(incumbent.select("id", "label")):
        raise DataError(
            f"the predictions in {PREDICTIONS} of the two versions are of other records, though their lineage names "
            "the same test split: the evidence was changed"
        )
    return Pair(task, version, incumbent, source)
