"""`kedro run` and `dvc repro` are two doors to the same results."""

import json
import shutil
from pathlib import Path

from tests.versioning.conftest import Versioned, ran

STAGES = {
    "mood-data_cleaning", "mood-augmentation", "mood-tokenization", "mood-fine_tuning", "mood-evaluation",
    "mood-registration", "tiny-data_cleaning", "tiny-tokenization", "tiny-pretraining",
}  # fmt: skip


def test_what_ran_is_skipped_by_both(committed: Versioned) -> None:
    """Nothing has changed: `kedro run` skips every stage, and `dvc repro` is up to date; both leave git clean."""
    assert ran(committed.kedro("run")) == (set(), STAGES)
    assert "Data and pipelines are up to date" in committed.dvc("repro").stdout
    assert committed.git("status", "--porcelain") == ""


def test_results_that_the_cache_has_lost_are_kept_anew(committed: Versioned, tmp_path: Path) -> None:
    """They lie there as recorded: fresh, skipped, and in the cache again, which brings one back that is deleted then.
    One that is lost and altered is stale.
    """
    project = committed.copy(tmp_path / "project")
    shutil.rmtree(project.root / ".dvc/cache")
    cleaned = project.root / "data/03_primary/mood/test.parquet"
    before = cleaned.read_bytes()
    cleaned.write_bytes(before + b" ")
    rows = json.loads(project.kedro("dvc", "status", "--json").stdout)["stages"]
    assert {row["stage"] for row in rows if row["status"] == "stale"} == {
        "mood-data_cleaning", "mood-evaluation", "mood-registration",
    }  # fmt: skip
    cleaned.write_bytes(before)
    done = project.kedro("run")
    assert ran(done) == (set(), STAGES)
    assert "mood-fine_tuning: unchanged, skipped; DVC's cache had lost its results" in done.stdout + done.stderr
    (project.root / "data/06_models/mood/model/config.json").unlink()
    done = project.kedro("run")
    assert "Completed node" not in done.stdout + done.stderr
    assert ran(done) == (set(), STAGES - {"mood-fine_tuning"})
    assert "Data and pipelines are up to date" in project.dvc("status", "dvc.yaml").stdout
    assert project.git("status", "--porcelain") == ""
