"""Contracts checked without a run: `kedro product validate`."""

import json
import shutil
from pathlib import Path

import polars as pl
import pytest
from kedro.validation.exceptions import DataValidationError

from modelmill.datasets.contracts import KeptRecords
from tests.conftest import TINY_PRODUCT, Project


@pytest.fixture
def copied(trained: Project, tmp_path: Path) -> Project:
    """The trained project, to be spoilt."""
    return Project(Path(shutil.copytree(trained.root, tmp_path / "project")))


def statuses(project: Project, *arguments: str) -> dict[str, str]:
    """Table: status."""
    done = project.kedro("product", "validate", "--json", *arguments, check=False)
    return {row["table"]: row["status"] for row in json.loads(done.stdout[done.stdout.index("[") :])}


def test_tables_of_a_run_keep_their_contract(trained: Project) -> None:
    """All five are there and pass."""
    tables = ("raw", "clean", "train", "validation", "test")
    assert statuses(trained) == {f"mood.{table}": "passed" for table in tables}


def test_what_was_not_made_is_said(project: Project) -> None:
    """Nothing has run; that is no failure."""
    done = project.kedro("product", "validate", "mood")
    assert done.stdout.count("not there yet") == 5


def test_a_spoilt_table_fails_with_its_check(copied: Project) -> None:
    """By its message, with exit code 1; a run that loads the table stops too."""
    path = copied.root / "data/03_primary/mood/test.parquet"
    table = pl.read_parquet(path)
    table.with_columns(label=pl.lit("neither")).write_parquet(path)
    copied.declare("products", {"mood": {**TINY_PRODUCT["mood"], "contract": {"labels": ["neg", "pos"]}}})
    done = copied.kedro("product", "validate", check=False)
    assert done.returncode == 1
    assert "label is none of neg, pos" in done.stdout
    stopped = copied.kedro("run", "--namespaces", "mood.evaluation", check=False)
    assert stopped.returncode != 0
    assert "label is none of neg, pos" in stopped.stdout + stopped.stderr


def test_raw_records_may_break_the_contract_within_its_share(copied: Project) -> None:
    """Two in a hundred are rejects of cleaning; the whole table fails above `max_reject`."""
    path = copied.root / "data/01_raw/mood/records.parquet"
    table = pl.read_parquet(path)
    for share, status in ((50, "passed"), (5, "failed")):
        spoilt = pl.when(pl.int_range(pl.len()) % share == 0).then(None).otherwise("text")
        table.with_columns(text=spoilt).write_parquet(path)
        assert statuses(copied, "mood")["mood.raw"] == status


def test_a_product_that_is_not_declared(project: Project) -> None:
    """One message, with the name that was meant."""
    done = project.kedro("product", "validate", "moood", check=False)
    assert done.returncode == 2
    assert "no product is called 'moood'; expected one of mood; did you mean 'mood'?" in done.stdout + done.stderr


def test_an_id_that_repeats_far_apart_fails() -> None:
    """In a table of more rows than a batch has."""
    ids = [*map(str, range(10_000)), "0"]
    table = pl.DataFrame({"id": ids, "text": ["x"] * 10_001, "label": ["y"] * 10_001})
    with pytest.raises(DataValidationError, match="id occurs before"):
        KeptRecords().validate(table)
