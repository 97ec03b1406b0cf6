"""A tiny project under Git and DVC, with the package's source in it, as a clone has it."""

import compileall
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import ROOT, Project, made_once, make_project

QUICK: dict[str, Any] = {"max_epochs": 2, "learning_rate": 0.003, "batch_tokens": 512, "precision": "32-true"}
"""Of the product's training: enough to be right about six words."""


@dataclass(frozen=True)
class Versioned(Project):
    """A project whose commands see its own source; `kedro` and `dvc` are those of this environment."""

    @property
    def environment(self) -> dict[str, str]:
        """Of the processes."""
        path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
        own = {"PYTHONPATH": str(self.root / "src"), "PATH": path, "DO_NOT_TRACK": "1", "COLUMNS": "200"}
        return {**os.environ, **own, "OMP_NUM_THREADS": "1", "PYTHONWARNINGS": "default"}

    def run(self, *command: str, check: bool = True, **environment: str) -> subprocess.CompletedProcess[str]:
        """Run a command in the project's folder."""
        done = subprocess.run(
            command, cwd=self.root, capture_output=True, text=True, check=False,
            env={**self.environment, **environment},
        )  # fmt: skip
        assert not check or done.returncode == 0, done.stdout[-4000:] + done.stderr[-4000:]
        return done

    def kedro(self, *arguments: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        """Run a kedro command, as a user does."""
        return self.run(sys.executable, "-m", "kedro", *arguments, check=check)

    def dvc(self, *arguments: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        """Run a dvc command, as a user does."""
        return self.run(sys.executable, "-m", "dvc", *arguments, check=check)

    def git(self, *arguments: str) -> str:
        """Run git; what it printed."""
        return self.run("git", *arguments).stdout

    def commit(self, message: str = "as it is") -> None:
        """Commit everything that Git does not ignore."""
        self.git("add", "--all")
        self.git("commit", "--quiet", "--allow-empty", "--message", message)

    def copy(self, to: Path) -> "Versioned":
        """The project with all that lies in it, in another folder."""
        shutil.copytree(self.root, to, symlinks=True)
        return Versioned(to)


def ran(done: subprocess.CompletedProcess[str]) -> tuple[set[str], set[str]]:
    """Stages that a `kedro run` ran, and those that it skipped."""
    lines = [line.split("INFO", 1)[1].split() for line in (done.stdout + done.stderr).splitlines() if " INFO " in line]
    told = {line[0].rstrip(":"): line[1] for line in lines if len(line) > 1 and line[0].endswith(":")}
    return {name for name, what in told.items() if what == "runs:"}, {
        n for n, what in told.items() if what == "unchanged,"
    }


def make_versioned(root: Path) -> Versioned:
    """A tiny project that nothing has run in, committed."""
    make_project(root)
    shutil.rmtree(root / "src")
    shutil.copytree(ROOT / "src", root / "src", ignore=shutil.ignore_patterns("__pycache__", "*.egg-info"))
    compileall.compile_dir(root / "src", quiet=1)
    (root / "conf/local/.gitkeep").touch()
    (root / ".dvc").mkdir()
    for name in (".gitignore", ".dvcignore", ".dvc/config", ".dvc/.gitignore", "requirements.lock"):
        shutil.copy(ROOT / name, root / name)
    shutil.copytree(ROOT / ".dvc/plots", root / ".dvc/plots")
    project = Versioned(root)
    product = project.yaml("conf/base/products/mood.yml")
    product["mood"]["training"] = QUICK
    project.declare("products", product)
    backbone = project.yaml("conf/base/backbones/tiny.yml")
    backbone["tiny"]["pretraining"]["training"]["precision"] = "32-true"
    project.declare("backbones", backbone)
    project.git("init", "--quiet", "--initial-branch=main")
    project.git("config", "user.email", "ann@example.com")
    project.git("config", "user.name", "Ann")
    project.git("config", "maintenance.auto", "false")
    project.dvc("add", "--quiet", "data/01_raw/reviews")
    project.commit("declared")
    return project


@pytest.fixture(scope="session")
def committed(tmp_path_factory: pytest.TempPathFactory) -> Versioned:
    """A versioned project after `kedro run` and a commit; tests only read it, or copy it."""

    def run(root: Path) -> None:
        project = make_versioned(root)
        project.kedro("run")
        project.commit("ran")

    return Versioned(made_once(tmp_path_factory, "versioned", run))
