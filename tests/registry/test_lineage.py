"""Where a version comes from."""

import subprocess
from pathlib import Path

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


def test_lineage_names_the_backbone(trained: Project) -> None:
    """Its weights, and the corpus that they were trained on."""
    backbone = trained.json("data/08_reporting/mood/lineage.json")["backbone"]
    assert set(backbone) == {"digest", "corpus_sha256"}
    assert backbone["corpus_sha256"] == trained.json("data/06_models/tiny/backbone/backbone.json")["corpus_sha256"]
