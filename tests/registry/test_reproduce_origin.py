"""How a version was made, as its evidence says."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from modelmill.errors import IntegrityError, NotFoundError
from modelmill.registry.desk import Desk
from modelmill.registry.events import Event, Registered
from modelmill.registry.evidence import LINEAGE, evidence_digest
from modelmill.registry.fetch import evidence_folder
from modelmill.registry.reproduce.origin import Made, read_made
from tests.registry.conftest import Registry


@pytest.fixture
def says(registry: Registry, tmp_path: Path) -> Callable[..., Desk]:
    """A registry whose version 1 has a lineage with changes, registered so or changed since."""

    def made(*, bound: bool = True, without: str = "", **changes: Any) -> Desk:
        desk = registry.copy(tmp_path, 1)
        run = desk.row("mood", 1).run_id
        assert run
        evidence = evidence_folder(desk.settings, run, tmp_path / "evidence")
        run_of_the_first = registry.desk.row("mood", 1).run_id
        assert run_of_the_first
        shutil.copy(evidence_folder(registry.desk.settings, run_of_the_first, tmp_path) / "config.yml", evidence)
        before = evidence_digest(evidence)
        lineage = json.loads((evidence / LINEAGE).read_text())
        lineage["code"] |= changes
        lineage.pop(without, None)
        (evidence / LINEAGE).write_text(json.dumps(lineage))
        digest = evidence_digest(evidence) if bound else before

        def register(_: Any) -> Event:
            return Registered(
                actor="ann", version=1, stage="candidate", digest="d", files="f", evidence=digest, run_id=run
            )

        desk.act("mood", register)
        return desk

    return made


def test_a_version_says_all_that_is_needed(says: Callable[..., Desk], tmp_path: Path) -> None:
    """Commit, declarations, figures and answers."""
    made = read_made(says(git_commit="c" * 40), "mood", 1, tmp_path / "read")
    assert (made.commit, made.digest) == ("c" * 40, "d")
    assert set(made.declared) == {"mood", "tiny"}
    assert made.figures["macro_f1"] == made.evaluation["metrics"]["macro_f1"]["value"]
    assert made.predictions.height == made.lineage["splits"]["test"]["records"]


@pytest.mark.parametrize(
    ("changed", "lacking"),
    [({}, "a Git commit"), ({"git_commit": "c" * 40, "without": "packages"}, "`packages` in lineage")],
)
def test_a_version_that_says_too_little_is_one_clear_error(
    says: Callable[..., Desk], tmp_path: Path, changed: dict[str, str], lacking: str
) -> None:
    """The tiny project is in no Git repository; versions of an earlier time name no packages."""
    with pytest.raises(NotFoundError, match=f"cannot be built again.*without {lacking}"):
        read_made(says(**changed), "mood", 1, tmp_path / "read")


def test_sources_of_packages_and_hubs_are_not_the_projects_own() -> None:
    """They come with the environment; their names begin with the package."""
    declared = {"mood": {"source": [{"files": "package://demo/{label}.txt"}, {"files": "data/01_raw/*.txt"}]}}
    sources = {"demo/pos.txt": "1", "hf://datasets/x": "2", "data/01_raw/a.txt": "3"}
    made = Made("mood", 1, "d", {"sources": sources}, declared, {}, pl.DataFrame())
    assert made.own_sources == {"data/01_raw/a.txt": "3"}


def test_evidence_that_was_changed_is_not_believed(says: Callable[..., Desk], tmp_path: Path) -> None:
    """Somebody wrote another commit into it."""
    with pytest.raises(IntegrityError, match="not what was registered"):
        read_made(says(bound=False, git_commit="c" * 40), "mood", 1, tmp_path / "read")
