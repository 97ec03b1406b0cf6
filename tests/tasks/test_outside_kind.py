"""A kind of task that another package adds."""

import os
from pathlib import Path
from typing import Any

import polars as pl
import pytest
import yaml

from tests.conftest import TINY_PRODUCT, Project
from tests.tasks.outside import distribution, install
from tests.tasks.registered import ask_candidate, copied


@pytest.fixture
def packages(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that commands look for packages in."""
    folder = tmp_path / "packages"
    folder.mkdir()
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(folder), os.environ.get("PYTHONPATH", "")]))
    return folder


def declare(project: Project, task: Any) -> None:
    """The tiny product with another task."""
    changed = {"task": task, "evaluation": {"bootstrap": 100}, "training": {**QUICK}}
    project.declare("products", {"mood": {**TINY_PRODUCT["mood"], **changed}})


QUICK = {"max_epochs": 2, "learning_rate": 0.003, "batch_tokens": 512, "precision": "32-true"}


@pytest.mark.slow
def test_a_kind_of_another_package_goes_the_whole_way(trained: Project, packages: Path) -> None:
    """From records to a registered version, which a new process with nothing of ours loads; the version is pinned to
    the package that it needs."""
    install(packages)
    project = copied(trained, packages.parent / "project")
    declare(project, {"kind": "one_label", "wanted": "pos"})
    project.kedro("run", "--namespaces", "mood")
    metrics = project.json("data/08_reporting/mood/metrics.json")
    assert metrics["metrics"]["macro_f1"]["value"] > metrics["baselines"]["never"]["metrics"]["macro_f1"]["value"]
    assert [*metrics["labels"]] == ["other", "pos"]
    predictions = pl.read_parquet(project.root / "data/07_model_output/mood/predictions.parquet")
    answers = ask_candidate(project, "mood", packages=packages)
    assert answers["label"] == predictions["predicted"].to_list()
    assert answers["p_pos"] == pytest.approx(predictions["p_pos"].to_list(), abs=1e-5)
    (pins,) = (project.root / "mlartifacts").rglob("requirements.txt")
    assert "one-label==1.0" in pins.read_text().split()


MISTAKES = {
    "unknown kind": ("one_lable", ["mood.yml:3: mood.task: 'one_lable' is not known", "did you mean 'one_label'?"]),
    "unknown option": (
        {"kind": "one_label", "wanted": "pos", "wnated": "neg"},
        ["mood.yml:6: mood.task.wnated: unknown key; expected one of kind, wanted; did you mean 'wanted'?"],
    ),
    "missing option": ({"kind": "one_label"}, ["mood.yml:3: mood.task.wanted: this key is missing; add it"]),
    "two packages of one name": (
        "twice",
        ["mood.yml:3: mood.task: a:A and b:B are both a kind of task 'twice'; remove the package of one"],
    ),
    "a kind that cannot be loaded": (
        {"kind": "broken"},
        ["mood.yml:4: mood.task.kind: the kind of task 'broken' (not_there:Spec) cannot be loaded: No module named",
         "Mend its package, or remove it"],
    ),
    "a kind that is none": ("none", ["mood.yml:3: mood.task: the kind of task 'none' (json:loads) is no subclass of"]),
    "a name that is no name": ({"kind": ["one_label"]}, ["mood.yml:4: mood.task.kind: '['one_label']' is not known"]),
}  # fmt: skip


@pytest.mark.parametrize("case", MISTAKES)
def test_one_clear_mistake(project: Project, packages: Path, case: str) -> None:
    """File, line, what was expected, and no traceback; packages that are broken are no other product's trouble."""
    install(packages)
    points = [("two-a", "twice", "a:A"), ("two-b", "twice", "b:B"), ("no-module", "broken", "not_there:Spec")]
    for name, kind, value in [*points, ("no-kind", "none", "json:loads")]:
        distribution(packages, name, (kind, value))
    task, expected = MISTAKES[case]
    assert "mood" in project.kedro("product", "list").stdout
    declare(project, task)
    done = project.kedro("product", "list", check=False)
    printed = done.stdout + done.stderr
    assert done.returncode == 2
    assert "1 mistake in the declarations" in printed
    for text in expected:
        assert text in printed
    assert "Traceback" not in printed


def test_code_that_is_not_there_is_one_message(trained: Project, packages: Path) -> None:
    """The declaration can be read, and what it names cannot: the node that asks for it says so."""
    install(packages)
    (packages / "one_label/task.py").unlink()
    project = copied(trained, packages.parent / "project")
    declare(project, {"kind": "one_label", "wanted": "pos"})
    assert yaml.safe_load(project.kedro("product", "show", "mood").stdout)["mood"]["task"]["wanted"] == "pos"
    done = project.kedro("run", "--namespaces", "mood.tokenization", check=False)
    assert "the code of the kind of task 'one_label' (one_label.task:OneLabel) cannot be loaded" in done.stderr
    assert "Traceback" not in done.stderr
