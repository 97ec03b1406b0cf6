"""The tutorial, followed to the letter on a shrunken backbone."""

import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import ROOT, TINY_BACKBONE, Project, make_project


@pytest.fixture
def tutorial(tmp_path: Path) -> Project:
    """The demo's declarations; an environment of the machine makes the backbone small."""
    project = make_project(tmp_path / "project")
    for kind in ("products", "backbones"):
        shutil.rmtree(project.root / "conf/base" / kind)
        shutil.copytree(ROOT / "conf/base" / kind, project.root / "conf/base" / kind)
    small = {**TINY_BACKBONE["tiny"]["pretraining"]}
    small["tokenizer"] = {"vocabulary": 3000, "alphabet": 2500, "sample": 200_000}
    small["corpus"] = {"sources": [], "products": ["review_sentiment"]}
    project.declare("backbones", {"zh_small": {"pretraining": small}}, env="local")
    return project


def blocks(language: str) -> list[str]:
    """The code blocks of the tutorial."""
    text = (ROOT / "docs/tutorial.md").read_text(encoding="utf-8")
    return re.findall(rf"```{language}\n(.*?)```", text, flags=re.DOTALL)


def test_a_third_product_is_one_yaml_file(tutorial: Project) -> None:
    """The declaration, every command and the Python block of the page work as they stand there."""
    (declaration,) = blocks("yaml")
    (tutorial.root / "conf/base/products/news_tone.yml").write_text(declaration, encoding="utf-8")
    printed = []
    for command in blocks("bash"):
        program, *arguments = shlex.split(command)
        assert program == "kedro"
        printed.append(tutorial.kedro(*arguments).stdout)
    assert "max_reject: 0.05" in printed[0]
    assert "news_tone" in printed[3]
    cleaning = tutorial.json("data/08_reporting/news_tone/cleaning.json")
    assert cleaning["in"] == 7353
    assert tutorial.json("data/08_reporting/news_tone/version.json")["version"] == "2"
    (example,) = blocks("python")
    done = subprocess.run(
        [sys.executable, "-c", example], cwd=tutorial.root, capture_output=True, text=True, check=True
    )
    assert "p_0" in done.stdout
