"""The files of a version on this disk."""

from dataclasses import replace
from pathlib import Path

import pytest

from modelmill.digest import folder_digest
from modelmill.errors import IntegrityError, NotFoundError
from modelmill.registry import fetch as fetching
from modelmill.registry.evidence import evidence_digest
from modelmill.registry.fetch import fetch, model_folder, read_text
from tests.registry.conftest import Registry


def test_local_files_are_not_copied(registry: Registry, tmp_path: Path) -> None:
    """The paths are those of the artifact store; the digests are those of the ledger."""
    subject = registry.fetch(1, tmp_path)
    assert subject.model.is_relative_to(registry.desk.settings.artifacts)
    assert subject.evidence.is_relative_to(registry.desk.settings.artifacts)
    assert list(tmp_path.iterdir()) == []
    assert {"MLmodel", "input_example.json", "code", "artifacts"} <= {path.name for path in subject.model.iterdir()}
    assert folder_digest(subject.model) == subject.files
    assert evidence_digest(subject.evidence) == subject.evidence_digest


def test_remote_files_are_downloaded(registry: Registry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """All of the model, all evidence but the figures; the same digests."""
    monkeypatch.setattr(fetching, "_on_disk", lambda _: None)
    subject = registry.fetch(1, tmp_path)
    assert subject.model.is_relative_to(tmp_path)
    assert folder_digest(subject.model) == subject.files
    assert evidence_digest(subject.evidence) == subject.evidence_digest
    assert not list(subject.evidence.glob("*.html"))


def test_what_is_gone_is_not_found(registry: Registry, tmp_path: Path) -> None:
    """No such version, no run, a run that MLflow does not have, no such file in a run, no folder here: exit code 6."""
    desk, settings = registry.desk, registry.desk.settings
    with pytest.raises(NotFoundError, match=r"Model Version .*version=7.* not found"):
        model_folder(settings, "mood", 7, tmp_path)
    row, registered = desk.row("mood", 1), desk.state("mood").registered[1]
    with pytest.raises(NotFoundError, match="version 1 of 'mood' belongs to no run"):
        fetch(settings, "mood", replace(row, run_id=None), registered, tmp_path)
    with pytest.raises(NotFoundError, match=r"Run with id=0{32} not found"):
        fetch(settings, "mood", replace(row, run_id="0" * 32), registered, tmp_path)
    with pytest.raises(NotFoundError, match=r"has no file 'gates/x.json'"):
        read_text(settings, str(row.run_id), "gates/x.json", tmp_path)
    with pytest.raises(NotFoundError, match=f"no folder {tmp_path}/away here"):
        fetching._on_disk(f"file://{tmp_path}/away")


def test_files_of_another_kind_are_not_what_was_written(registry: Registry, tmp_path: Path) -> None:
    """A folder without weights: exit code 7."""
    desk = registry.copy(tmp_path, 1)
    next((tmp_path / "model-0/artifacts/model").glob("*.safetensors")).unlink()
    with pytest.raises(IntegrityError, match="no MLmodel with safetensors"):
        model_folder(desk.settings, "mood", 1, tmp_path / "fetched")
