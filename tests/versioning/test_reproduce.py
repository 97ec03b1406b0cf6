"""`kedro model reproduce`: a version is built again, and the answer says whether it is the same, or what is not."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import psutil
import pytest

from tests.versioning.conftest import Versioned

REVIEWS = "data/01_raw/reviews"
MOJIBAKE = "great book that I read in a cafÃ© with its pages in the box"
"""As UTF-8 looks that was read as Latin-1: ftfy mends it."""


@pytest.fixture
def project(committed: Versioned, tmp_path: Path) -> Versioned:
    """With version 1, of the commit before the last one."""
    return committed.copy(tmp_path / "project")


def reproduce(project: Versioned, ref: str, *options: str) -> tuple[int, Any]:
    """Exit code and answer."""
    done = project.kedro("model", "reproduce", ref, "--json", *options, check=False)
    assert done.stdout.startswith("{"), done.stdout + done.stderr
    return done.returncode, json.loads(done.stdout)


def events(project: Versioned) -> list[dict[str, Any]]:
    """Of the ledger."""
    found: list[dict[str, Any]] = json.loads(project.kedro("model", "history", "mood", "--json").stdout)["events"]
    return found


def seed(project: Versioned, value: int) -> None:
    """Declare another seed, and commit nothing."""
    declared = project.yaml("conf/base/products/mood.yml")
    declared["mood"]["training"]["seed"] = value
    project.declare("products", declared)


def row(project: Versioned, text: str) -> None:
    """Change the first training row, and let DVC know; nothing is committed."""
    file = project.root / REVIEWS / "pos.txt"
    first, *others = file.read_text(encoding="utf-8").splitlines()
    assert first != text
    file.write_text("\n".join([text, *others, ""]), encoding="utf-8")
    project.dvc("add", "--quiet", REVIEWS)


def test_a_plan_says_what_would_be_built_from_what(committed: Versioned) -> None:
    """The commit, the hash of the data there, and that nothing differs here; nothing is written or left."""
    code, answer = reproduce(committed, "mood@1", "--dry-run")
    assert code == 0
    assert answer["plan"] == {
        "version": 1,
        "commit": committed.git("rev-parse", "HEAD~1").strip(),
        "dirty": "false",
        "data": {f"{REVIEWS}.dvc": committed.yaml(f"{REVIEWS}.dvc")["outs"][0]["md5"]},
        "asked": {"env": None, "params": {}},
        "packages": [],
        "machine": {},
    }
    assert [event["kind"] for event in events(committed)] == ["registered"]
    assert len(committed.git("worktree", "list").splitlines()) == 1


def test_sigterm_leaves_nothing(project: Versioned, tmp_path: Path) -> None:
    """Killed while the pipelines run in the worktree: they end, and worktree and folder go."""
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    with subprocess.Popen(
        [sys.executable, "-m", "kedro", "model", "reproduce", "mood@1"], cwd=project.root,
        env={**project.environment, "TMPDIR": str(scratch)}, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    ) as process:  # fmt: skip
        while not (running := [one for one in psutil.Process(process.pid).children() if "--force" in one.cmdline()]):
            assert process.poll() is None
            time.sleep(0.1)
        assert len(project.git("worktree", "list").splitlines()) == 2
        process.send_signal(signal.SIGTERM)
        assert process.wait(60) == 128 + signal.SIGTERM
    assert not running[0].is_running()
    assert len(project.git("worktree", "list").splitlines()) == 1
    assert [path.suffix for path in scratch.iterdir()] == [".log"]


@pytest.mark.slow
def test_a_version_is_identical_whatever_lies_here_now(project: Versioned) -> None:
    """Version 2 was asked for with `--params`. Since then a row and the seed have changed here: they do not count.

    The present tree, its data and its MLflow stay as they are; the ledger has the answer.
    """
    project.kedro("run", "--params=mood.training.seed=3")
    row(project, "a lovely row of today")
    seed(project, 4)
    before = project.git("status", "--porcelain"), (project.root / "dvc.lock").read_bytes()
    code, answer = reproduce(project, "mood@2", "--reason", "audit")
    assert (code, answer["answer"]["verdict"], answer["answer"]["differences"]) == (0, "identical", [])
    assert (project.git("status", "--porcelain"), (project.root / "dvc.lock").read_bytes()) == before
    assert len(project.git("worktree", "list").splitlines()) == 1
    *_, registered, reproduced = events(project)
    assert [registered["kind"], reproduced["kind"]] == ["registered", "reproduced"]
    assert (reproduced["version"], reproduced["verdict"], reproduced["reason"]) == (2, "identical", "audit")
    assert reproduced["digest"] == registered["digest"]
    assert "built again: identical" in project.kedro("model", "show", "mood@2").stdout
    assert "all is as it was written" in project.kedro("model", "verify", "mood").stdout


@pytest.mark.slow
@pytest.mark.parametrize("what", ["row", "seed"])
def test_what_was_not_committed_is_named(project: Versioned, what: str) -> None:
    """A version that was made from a row, or a seed, that its commit does not have: which, and the first artifact."""
    row(project, "a lovely row of today") if what == "row" else seed(project, 4)
    project.kedro("run")
    code, answer = reproduce(project, "mood@2")
    found = answer["answer"]
    assert code == {"equivalent": 9, "different": 7}[found["verdict"]]
    dirty, difference = found["differences"]
    assert dirty.startswith("files had changed since the commit")
    expected = {
        "row": (f"{REVIEWS}/pos.txt ", REVIEWS),
        "seed": ("mood.training.seed 4 -> 0", "data/06_models/mood/model"),
    }
    assert difference.startswith(expected[what][0])
    assert found["first"] == answer["event"]["first"] == expected[what][1]
    assert [event["kind"] for event in events(project)] == ["registered", "registered", "reproduced"]


@pytest.mark.slow
def test_a_dependency_that_has_changed_is_named(project: Versioned, tmp_path: Path) -> None:
    """Version 2 was made where ftfy was another one, which mends nothing: the first other result are the records."""
    row(project, MOJIBAKE)
    project.commit("a row that wants to be mended")
    old = tmp_path / "old"
    (old / "ftfy-1.0.dist-info").mkdir(parents=True)
    (old / "ftfy-1.0.dist-info/METADATA").write_text("Metadata-Version: 2.1\nName: ftfy\nVersion: 1.0\n")
    (old / "ftfy.py").write_text("def fix_encoding(text):\n    return text\n")
    path = f"{project.root / 'src'}{os.pathsep}{old}"
    made: subprocess.CompletedProcess[str] = project.run(
        sys.executable, "-m", "kedro", "run", "--force", PYTHONPATH=path
    )
    assert made.returncode == 0
    code, answer = reproduce(project, "mood@2")
    found = answer["answer"]
    assert code == {"equivalent": 9, "different": 7}[found["verdict"]]
    assert len(found["differences"]) == 1
    assert found["differences"][0].startswith("ftfy 1.0 -> ")
    assert found["first"] == "data/01_raw/mood/records.parquet"
