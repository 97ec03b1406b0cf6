"""`kedro product forget` in a trained project, as a user types it."""

import json
import shutil
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from tests.conftest import Project

TRAIN = "data/03_primary/mood/train.parquet"


def forget(project: Project, identity: str) -> dict[str, Any]:
    """The answer, by name of the holder."""
    answer = json.loads(project.kedro("product", "forget", identity, "--json", check=False).stdout)
    return {**answer, "holders": {holder["name"]: holder for holder in answer["holders"]}}


@pytest.fixture
def copied(trained: Project, tmp_path: Path) -> Project:
    """The trained project, to be changed."""
    return Project(Path(shutil.copytree(trained.root, tmp_path / "project")))


@pytest.fixture(scope="module")
def record(trained: Project) -> dict[str, Any]:
    """A training record."""
    return pl.read_parquet(trained.root / TRAIN).row(7, named=True)


def test_a_training_record_is_followed_to_the_version(trained: Project, record: dict[str, Any]) -> None:
    """From its line to every table, model and version; the answer says what to do, in order."""
    shown = trained.kedro("product", "forget", record["id"]).stdout
    assert shown.startswith(f"{record['id']} was found (looked at 19 tables, 5 folders, 1 version;")
    words = [line.split() for line in shown.splitlines() if line]
    tables = ["raw", "clean", "train", "train_augmented", "evidence", "record_ids"]
    assert [line[0] for line in words if line[0].startswith("mood.")] == [
        *(f"mood.{table}" for table in tables),
        "mood.tokens",
        "mood.model",
        "mood.random_start_model",
    ]
    assert ["mood.model", "saw", "it;", "its", "backbone", "saw", "it"] in words
    assert ["tiny.product_texts", record["origin"]] in words
    (model,) = (trained.root / "mlartifacts/models").iterdir()
    run = trained.json("data/08_reporting/mood/version.json")["run_id"]
    told = shown[shown.index("1. Remove") :].splitlines()
    assert [line.strip() for line in told if line.startswith("     ")] == [
        record["origin"],
        "kedro run --pipelines mood",
        f"mood 1 (candidate): trained on it, its backbone read it (run {run}, files models:/{model.name})",
    ]


def test_a_record_that_is_nowhere_is_said_to_be(trained: Project, project: Project) -> None:
    """With exit code 1; where nothing has run, looking makes no registry."""
    for place, count in ((trained, "19 tables, 5 folders, 1 version;"), (project, "0 tables, 0 folders, 0 versions;")):
        done = place.kedro("product", "forget", "nobody", check=False)
        assert done.returncode == 1
        assert done.stdout.startswith(
            f"nobody is in no table, and in no version that lists its records (looked at {count}"
        )
    assert "mlflow.db (not there yet)" in done.stdout
    assert not (project.root / "mlflow.db").exists()


def test_a_version_answers_for_itself_when_the_tables_have_changed(copied: Project, record: dict[str, Any]) -> None:
    """The record is gone from all of them: the model cannot tell any more, the version knows it was trained on it."""
    for path in (copied.root / "data").rglob("*.parquet"):
        table = pl.read_parquet(path)
        if "id" in table.columns:
            table.filter(~pl.col("id").str.contains(record["id"])).write_parquet(path)
    answer = forget(copied, record["id"])
    mood = answer["holders"]["mood"]
    assert (answer["found"], mood["tables"]) == (True, [])
    assert {folder["verdict"] for folder in mood["folders"]} == {"cannot tell"}
    (version,) = mood["versions"]
    assert (version["splits"], version["verdict"], version["backbone"]) == (["train"], "saw it", "cannot tell")
    assert answer["to_do"][0]["do"] == "Retire these versions:"


def test_mlflow_that_does_not_answer_is_an_error(copied: Project, record: dict[str, Any]) -> None:
    """Not a record that no version saw."""
    (copied.root / "conf/local/mlflow.yml").write_text("tracking_uri: http://127.0.0.1:9\n")
    done = copied.kedro("product", "forget", record["id"], check=False)
    assert (done.returncode, done.stdout) == (8, "")
    assert "MLflow at http://127.0.0.1:9 did not do what was asked" in done.stderr
    assert "Traceback" not in done.stderr
