"""From a clean repository to staging: all gates that need no person."""

import subprocess
import sys
from pathlib import Path

import pytest

from modelmill.registry.desk import Desk
from modelmill.registry.gates.base import Declared
from modelmill.registry.gates.run import CHECKS
from modelmill.registry.judge import judge
from modelmill.specs.mlflow import MlflowSpec
from modelmill.specs.registry import Gates
from tests.conftest import Project
from tests.registry.conftest import BACKBONE, PRODUCT, REAL

GATES = ("commit", "data", "environment", "digest", "no_pickle", "signature", "clean_load", "floors", "overlap", "card")


def run(root: Path, *command: str) -> None:
    """Run a command in a folder."""
    subprocess.run(command, cwd=root, check=True, capture_output=True)


@pytest.mark.slow
def test_a_version_from_a_clean_repository_passes(project: Project) -> None:
    """Data in DVC, the rest in git, then `kedro run`."""
    root, git = project.root, ["git", "-c", "user.name=t", "-c", "user.email=t@t"]
    (root / "requirements.lock").write_text("polars==1.0\n")
    (root / ".gitignore").write_text("/data/*\n!/data/*/\n/data/*/*\n!/data/01_raw/*.dvc\nmlflow.db*\nmlartifacts/\n")
    run(root, *git, "init", "-q", "-b", "main")
    run(root, sys.executable, "-m", "dvc", "init", "-q")
    run(root, sys.executable, "-m", "dvc", "add", "-q", "data/01_raw/reviews")
    run(root, *git, "add", "-A")
    run(root, *git, "commit", "-qm", "first")
    project.kedro("run")
    only = {name: {} for name in GATES}
    staging = REAL.stages["staging"].model_copy(update={"gates": Gates.model_validate(only)})
    spec = REAL.model_copy(update={"stages": {**REAL.stages, "staging": staging}})
    desk, test = Desk(MlflowSpec().anchored(root), spec), root / "data/03_primary/mood/test.parquet"
    judged, report = judge(
        desk, "mood", 1, "staging", Declared(product=PRODUCT, backbone=BACKBONE, root=root, test=test)
    )
    assert {result.gate: (result.status, result.reason) for result in report.results if result.status != "pass"} == {}
    assert [result.gate for result in report.results] == list(GATES)
    assert set(GATES) <= set(CHECKS)
    assert judged.passed
