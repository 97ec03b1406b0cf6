"""The page "promote, roll back, audit", followed to the letter on the tiny project."""

import json
import re
import shlex
from pathlib import Path

import pytest
from click.testing import CliRunner
from kedro.framework.project import configure_project

from modelmill.cli import cli
from tests.conftest import ROOT, Project, make_project

PAGE = ROOT / "docs/how-to/promote.md"


def blocks(language: str) -> list[str]:
    """The code blocks of the page."""
    return re.findall(rf"```{language}\n(.*?)```", PAGE.read_text(encoding="utf-8"), flags=re.DOTALL)


@pytest.fixture
def mood(tmp_path: Path) -> Project:
    """The tiny project with the rules of the page, and a registered version."""
    project = make_project(tmp_path / "project")
    (rules,) = blocks("yaml")
    (project.root / "conf/base/registry.yml").write_text(rules, encoding="utf-8")
    project.kedro("run")
    return project


def masked(text: str) -> list[str]:
    """Lines without what differs each time: times, hashes, who registered, and the widths of tables."""
    text = re.sub(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d", "TIME", text)
    text = re.sub(r"\b[0-9a-f]{12}(?:[0-9a-f]{52})?\b", "HASH", text)
    text = re.sub(r"registered by [^ ,]+", "registered by WHO", text)
    lines = [re.sub(r"[━┏┳┓┡╇┩└┴┘─]+", "", line) for line in text.splitlines()]
    return [re.sub(r" +", " ", line).strip() for line in lines if line.strip()]


def run(project: Project, *arguments: str) -> str:
    """What a command prints: `kedro run` in a process of its own, the others in this one, which saves their starts."""
    if arguments[0] == "run":
        return project.kedro(*arguments).stdout
    done = CliRunner().invoke(cli, arguments, catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return done.stdout


def test_the_page_does_what_it_says(mood: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every command works, and every line that the page shows was printed."""
    monkeypatch.chdir(mood.root)
    configure_project("modelmill")
    printed = []
    for block in blocks("bash"):
        for command in block.splitlines():
            program, *arguments = shlex.split(command)
            assert program == "kedro"
            printed += masked(run(mood, *arguments))
    shown = [line for block in blocks("text") for line in masked(block)]
    assert len(shown) > 30
    assert [line for line in shown if line not in printed] == []
    assert json.loads((mood.root / "bom.json").read_text(encoding="utf-8"))["specVersion"] == "1.6"
    listed = json.loads(mood.kedro("model", "list", "--json").stdout)
    assert listed["models"][0]["stages"]["production"] == 1
