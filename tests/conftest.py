"""A small project in a temporary folder: the real code and catalog, tiny products."""

import json
import os
import random
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml
from filelock import FileLock
from hypothesis import settings

# No test has a deadline; where a change waits to land, the examples are the same ones each time.
settings.register_profile("calm", deadline=None, derandomize="CI" in os.environ)
settings.load_profile("calm")

ROOT = Path(__file__).parents[1]
GOOD = ["好看", "喜欢", "不错", "推荐", "great", "lovely"]
BAD = ["失望", "难看", "太差", "后悔", "awful", "broken"]
FILLER = ["这本书的内容和纸张以及送货的速度我觉得都是", "the", "book", "and", "its", "pages", "in", "the", "box"]


@dataclass(frozen=True)
class Project:
    """A Kedro project in a folder."""

    root: Path

    def declare(self, kind: str, declaration: dict[str, Any], env: str = "base") -> Path:
        """Write a declaration."""
        path = self.root / "conf" / env / kind / f"{next(iter(declaration))}.yml"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(yaml.safe_dump(declaration, allow_unicode=True, sort_keys=False), encoding="utf-8")
        return path

    def kedro(self, *arguments: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        """Run a kedro command, as a user does."""
        done = subprocess.run(
            [sys.executable, "-m", "kedro", *arguments],
            cwd=self.root, capture_output=True, text=True, check=False,
            env={**os.environ, "DO_NOT_TRACK": "1", "COLUMNS": "200", "PYTHONWARNINGS": "default"},
        )  # fmt: skip
        assert not check or done.returncode == 0, done.stdout[-4000:] + done.stderr[-4000:]
        return done

    def yaml(self, path: str) -> Any:
        """A YAML file of the project."""
        return yaml.safe_load((self.root / path).read_text(encoding="utf-8"))

    def json(self, path: str) -> Any:
        """A JSON file of the project."""
        return json.loads((self.root / path).read_text(encoding="utf-8"))


def write_reviews(folder: Path, count: int = 120) -> None:
    """Reviews that a keyword decides: `count` lines in each of pos.txt and neg.txt, all different."""
    rng = random.Random(0)
    folder.mkdir(parents=True, exist_ok=True)
    for label, words in (("pos", GOOD), ("neg", BAD)):
        lines = [" ".join([*rng.choices(FILLER, k=6), rng.choice(words), f"{label}{i}"]) for i in range(count)]
        (folder / f"{label}.txt").write_text("\n".join(lines) + "\n", encoding="utf-8")


TINY_BACKBONE: dict[str, Any] = {
    "tiny": {
        "pretraining": {
            "corpus": {"products": "mood"},
            "tokenizer": {"vocabulary": 200},
            "architecture": {"layers": 1, "hidden": 32, "heads": 2, "intermediate": 32, "max_tokens": 64},
            "training": {"max_steps": 10, "block_tokens": 32, "batch_blocks": 4, "precision": "bf16-mixed"},
        },
        "licence": "MIT",
    }
}
TINY_PRODUCT: dict[str, Any] = {
    "mood": {
        "description": "Mood of tiny reviews",
        "task": "text_classification",
        "source": {"files": "data/01_raw/reviews/{label}.txt"},
        "backbone": "tiny",
        "tokenization": {"max_tokens": 48},
        "training": {
            "max_epochs": 4,
            "learning_rate": 0.003,
            "batch_tokens": 512,
            "precision": "bf16-mixed",
        },
        "evaluation": {"bootstrap": 100, "random_start": True},
        "gates": {"staging": {"metric": "macro_f1", "at_least": 0.6}},
        "card": {"intended_use": "Tests.", "limitations": "Knows six words.", "owner": "ann@example.com"},
    }
}


def make_project(root: Path) -> Project:
    """The tiny project: catalog and settings of the real one."""
    for env in ("base", "local"):
        (root / "conf" / env).mkdir(parents=True)
    for name in ("catalog.yml", "parameters.yml", "mlflow.yml", "registry.yml"):
        shutil.copy(ROOT / "conf/base" / name, root / "conf/base" / name)
    shutil.copy(ROOT / "conf/logging.yml", root / "conf/logging.yml")
    shutil.copy(ROOT / "pyproject.toml", root / "pyproject.toml")
    shutil.copy(ROOT / ".telemetry", root / ".telemetry")
    (root / "src").mkdir()  # the package itself is installed
    (root / "data").mkdir()
    write_reviews(root / "data/01_raw/reviews")
    project = Project(root)
    project.declare("backbones", TINY_BACKBONE)
    project.declare("products", TINY_PRODUCT)
    return project


@pytest.fixture
def project(tmp_path: Path) -> Project:
    """A tiny project that nothing has run in."""
    return make_project(tmp_path / "project")


def made_once(factory: pytest.TempPathFactory, name: str, make: Callable[[Path], object]) -> Path:
    """A folder that all workers of pytest-xdist share; the first one that asks for it makes it."""
    base = factory.getbasetemp()
    home = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / name
    home.mkdir(exist_ok=True)
    with FileLock(home / "lock"):
        if not (home / "made").exists():
            make(home / "project")
            (home / "made").touch()
    return home / "project"


@pytest.fixture(scope="session")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """A tiny project after `kedro run`; tests only read it."""
    return Project(made_once(tmp_path_factory, "trained", lambda root: make_project(root).kedro("run")))


GIVEN = {name for name in os.environ if name.startswith("MLFLOW_")}


@pytest.fixture(autouse=True)
def mlflow_is_forgotten() -> Iterator[None]:
    """MLflow leaves its addresses in the environment, where the processes of later tests would find them.

    Fixtures of a whole session come before this one, so it looks before a test, too.
    """
    _forget_mlflow()
    yield
    _forget_mlflow()


def _forget_mlflow() -> None:
    for name in [name for name in os.environ if name.startswith("MLFLOW_") and name not in GIVEN]:
        del os.environ[name]
