"""What `kedro dvc status` says of each stage."""

import json
from pathlib import Path

import yaml

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


def test_names_are_checked(committed: Versioned) -> None:
    """A name that is not there is told apart, with the one that was meant."""
    done = committed.kedro("dvc", "status", "mod", check=False)
    assert done.returncode == 2
    assert "mood" in done.stderr
