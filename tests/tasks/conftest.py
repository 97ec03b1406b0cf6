"""Tiny products of the kinds that read texts, beside the one of all tests: same backbone, one run."""

import csv
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import BAD, FILLER, GOOD, TINY_PRODUCT, Project, made_once
from tests.tasks.registered import copied

Rows = list[dict[str, Any]]


def numbers() -> Rows:
    """Texts with one to six words of praise or blame; each word of praise is worth 10 on top of 500."""
    rng = random.Random(0)
    rows = []
    for i in range(160):
        words = rng.choices([*GOOD, *BAD], k=6)
        praise = sum(word in GOOD for word in words)
        rows.append({"text": " ".join([*words, rng.choice(FILLER), f"n{i}"]), "label": 500 + 10 * praise})
    return rows


def tags() -> Rows:
    """Texts with a word of praise, one of blame, both or none: what they have are their labels."""
    rng = random.Random(1)
    rows = []
    for i in range(160):
        has = {"praise": i % 2 == 0, "blame": i % 4 < 2}
        words = [rng.choice(kind) for kind, there in zip((GOOD, BAD), has.values(), strict=True) if there]
        said = "|".join(label for label, there in has.items() if there) or "[]"
        rows.append({"text": " ".join([*rng.choices(FILLER, k=3), *words, f"t{i}"]), "label": said})
    return rows


def grades() -> Rows:
    """Texts of two words, whose number of praises is the grade."""
    rng = random.Random(2)
    rows = []
    for i in range(160):
        praise = i % 3
        words = [*rng.choices(GOOD, k=praise), *rng.choices(BAD, k=2 - praise)]
        rows.append(
            {"text": " ".join([*words, rng.choice(FILLER), f"g{i}"]), "label": ("low", "medium", "high")[praise]}
        )
    return rows


DATA: dict[str, Callable[[], Rows]] = {"stars": numbers, "tags": tags, "grades": grades}
TASKS: dict[str, dict[str, Any]] = {
    "stars": {"task": "regression"},
    "tags": {"task": {"kind": "multilabel_classification", "separator": "|"}},
    "grades": {"task": {"kind": "ordinal_classification", "labels": ["low", "medium", "high"]}},
}
TRAINING = {"max_epochs": 8, "learning_rate": 0.01, "batch_tokens": 512, "precision": "32-true"}


def declare(project: Project, name: str, **changes: Any) -> None:
    """A product of its own, and its records."""
    path = project.root / "data/01_raw" / f"{name}.csv"
    rows = DATA[name]()
    with path.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.DictWriter(stream, [*rows[0]])
        writer.writeheader()
        writer.writerows(rows)
    kept = {key: TINY_PRODUCT["mood"][key] for key in ("backbone", "tokenization", "card")}
    own = {"description": f"Tiny {name}", "source": {"files": f"data/01_raw/{name}.csv"}, "training": TRAINING}
    project.declare("products", {name: {**kept, **own, "evaluation": {"bootstrap": 100}, **TASKS[name], **changes}})


@pytest.fixture(scope="session")
def kinds(trained: Project, tmp_path_factory: pytest.TempPathFactory) -> Project:
    """A project in which a product of each kind has been made and registered; tests only read it, or copy it."""

    def make(root: Path) -> None:
        project = copied(trained, root)
        for name in DATA:
            declare(project, name)
        project.kedro("run", "--namespaces", ",".join(DATA))

    return Project(made_once(tmp_path_factory, "kinds", make))
