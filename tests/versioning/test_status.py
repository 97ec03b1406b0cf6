"""What `kedro dvc status` says of each stage."""

import json
from pathlib import Path
from types import SimpleNamespace

import yaml

from modelmill.versioning.status import Status, by_owner
from tests.versioning.conftest import Versioned


def test_fresh_stale_waiting_and_never_run(committed: Versioned, tmp_path: Path) -> None:
    """Stale for what changed of its own; waiting for a stage that is; never run when DVC has not seen it run."""
    project = committed.copy(tmp_path / "project")
    product = project.yaml("conf/base/products/mood.yml")
    product["mood"]["augmentation"] = {"kind": "swap"}
    project.declare("products", product)
    lock = project.yaml("dvc.lock")
    del lock["stages"]["mood-registration"]
    (project.root / "dvc.lock").write_text(yaml.safe_dump(lock), encoding="utf-8")
    rows = {row["stage"]: row for row in json.loads(project.kedro("dvc", "status", "--json").stdout)["stages"]}
    assert {name: row["status"] for name, row in rows.items()} == {
        "tiny-data_cleaning": "fresh", "tiny-tokenization": "fresh", "tiny-pretraining": "fresh",
        "mood-data_cleaning": "fresh", "mood-augmentation": "stale", "mood-tokenization": "waiting",
        "mood-fine_tuning": "waiting", "mood-evaluation": "stale", "mood-registration": "never run",
    }  # fmt: skip
    assert rows["mood-tokenization"]["waits_for"] == ["mood-augmentation"]
    assert rows["mood-augmentation"]["changes"][0] | {"new": None} == {
        "kind": "parameter", "what": "mood.augmentation", "old": [], "new": None,
    }  # fmt: skip


def test_a_product_is_what_its_worst_stage_is() -> None:
    """One that has to run makes a product stale; what never ran, or has no data, is said first."""
    names = ("a-one", "a-two", "b-one", "c-one", "c-two")
    stages = {name: SimpleNamespace(namespace=name.replace("-", ".")) for name in names}
    statuses = ("fresh", "waiting", "fresh", "never run", "stale")
    rows = [Status(name, status) for name, status in zip(names, statuses, strict=True)]
    assert by_owner(rows, stages) == {"a": "stale", "b": "fresh", "c": "never run"}
    assert by_owner([*rows, Status("b-one", "data missing")], stages)["b"] == "data missing"


def test_names_are_checked(committed: Versioned) -> None:
    """A name that is not there is told apart, with the one that was meant."""
    done = committed.kedro("dvc", "status", "mod", check=False)
    assert done.returncode == 2
    assert "mood" in done.stderr


def test_a_product_without_data_is_said_and_left_out_of_what_can_run(committed: Versioned, tmp_path: Path) -> None:
    """Its stages, and those of others not; DVC, which would stop at it, is told the names of the others."""
    project = committed.copy(tmp_path / "x")
    away = project.yaml("conf/base/products/mood.yml")["mood"] | {"source": {"files": "data/01_raw/away/{label}.txt"}}
    away["source"]["download"] = {"from": "elsewhere", "members": "*.txt"}
    away["backbone"] = "other"
    project.declare("products", {"away": away})
    project.declare("backbones", {"other": {"model": "elsewhere", "licence": "MIT"}})
    project.kedro("dvc", "sync")
    rows = {row["stage"]: row for row in json.loads(project.kedro("dvc", "status", "--json").stdout)["stages"]}
    assert {row["status"] for name, row in rows.items() if name.startswith("away-")} == {"data missing"}
    assert rows["away-evaluation"]["missing"] == "data missing: `kedro product fetch away`"
    assert {row["missing"] for name, row in rows.items() if name.startswith(("mood-", "tiny-"))} == {None}
    runnable = project.kedro("dvc", "status", "--runnable").stdout.split()
    assert runnable == ["mood-registration"]
    assert project.dvc("repro", "--dry", check=False).returncode
    project.dvc("repro", "--dry", *runnable)
