"""Where a version comes from."""

import subprocess
from pathlib import Path

import pytest

from modelmill.registry.lineage import code_lineage
from tests.conftest import Project


def test_lineage_of_the_code(tmp_path: Path) -> None:
    """Commit and dirty flag of a real repository; 'none' outside of one."""
    assert code_lineage(tmp_path)["git_commit"] == "none"
    git = ["git", "-C", str(tmp_path), "-c", "user.name=t", "-c", "user.email=t@t"]
    subprocess.run([*git, "init", "-q"], check=True)
    subprocess.run([*git, "commit", "-q", "--allow-empty", "-m", "first"], check=True)
    clean = code_lineage(tmp_path)
    (tmp_path / "requirements.lock").write_text("a==1\n")
    dirty = code_lineage(tmp_path)
    assert len(clean["git_commit"]) == 40
    assert (clean["git_dirty"], dirty["git_dirty"]) == ("false", "true")
    assert clean["environment_lock_sha256"] == "none" != dirty["environment_lock_sha256"]


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """A project in Git with a file of every kind that runs or people write."""
    for name in (
        "conf/base/products/mood.yml", "data/01_raw/reviews.dvc", "dvc.lock", "dvc.yaml", "params/mood/evaluation.yaml",
        "data/08_reporting/mood/metrics.json", "src/a.py",
    ):  # fmt: skip
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("1\n")
    git = ["git", "-C", str(tmp_path), "-c", "user.name=t", "-c", "user.email=t@t"]
    for command in (["init", "-q"], ["add", "--all"], ["commit", "-q", "-m", "first"]):
        subprocess.run([*git, *command], check=True)
    return tmp_path


@pytest.mark.parametrize(
    ("path", "dirty"),
    [
        ("dvc.lock", "false"),
        ("dvc.yaml", "false"),
        ("params/mood/evaluation.yaml", "false"),
        ("data/08_reporting/mood/metrics.json", "false"),
        ("data/01_raw/reviews.dvc", "true"),
        ("conf/base/products/mood.yml", "true"),
        ("src/a.py", "true"),
    ],
)
def test_what_runs_write_makes_no_tree_dirty(repository: Path, path: str, dirty: str) -> None:
    """A run must not call itself dirty; what it follows from does: data under DVC, declarations, code."""
    (repository / path).write_text("2\n")
    assert code_lineage(repository)["git_dirty"] == dirty


def test_an_experiment_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With the commit that it started from, as DVC tells its stages; nothing is said of other runs."""
    assert not {"dvc_experiment", "dvc_baseline"} & code_lineage(tmp_path).keys()
    monkeypatch.setenv("DVC_EXP_NAME", "short")
    monkeypatch.setenv("DVC_EXP_BASELINE_REV", "c" * 40)
    found = code_lineage(tmp_path)
    assert (found["dvc_experiment"], found["dvc_baseline"]) == ("short", "c" * 40)


def test_lineage_names_the_backbone(trained: Project) -> None:
    """Its weights, and the corpus that they were trained on."""
    backbone = trained.json("data/08_reporting/mood/lineage.json")["backbone"]
    assert set(backbone) == {"digest", "corpus_sha256"}
    assert backbone["corpus_sha256"] == trained.json("data/06_models/tiny/backbone/backbone.json")["corpus_sha256"]
