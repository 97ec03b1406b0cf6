"""How versions get into the ledger."""

import logging
import shutil
from pathlib import Path

import polars as pl
import pytest

from modelmill.digest import folder_digest, tensor_digest
from modelmill.errors import IntegrityError, RegistryError
from modelmill.registry import register
from modelmill.registry.desk import Desk
from modelmill.registry.register import adopt, register_version
from modelmill.registry.store import connected
from modelmill.specs.registry import NotifySpec
from tests.registry.conftest import Registry
from tests.registry.test_notify import Receiver, receiving


@pytest.fixture
def desk(registry: Registry, tmp_path: Path) -> Desk:
    """Versions 1, 2 and 3 that no ledger knows; the files of the second are gone."""
    desk = registry.copy(tmp_path, 3)
    shutil.rmtree(tmp_path / "model-1")
    with connected(desk.settings) as client:
        client.set_registered_model_alias("mood", "candidate", "1")
    return desk


def test_registration_is_an_event(registry: Registry, tmp_path: Path) -> None:
    """With the digests of what MLflow holds; the alias follows."""
    (event,) = registry.desk.ledger("mood").read().events
    subject = registry.fetch(1, tmp_path)
    assert event.kind == "registered"
    assert (event.version, event.reason) == (1, "")
    assert event.digest == tensor_digest(registry.project.root / "data/06_models/mood/model")
    assert event.files == folder_digest(subject.model)
    assert event.run_id == subject.run_id
    assert registry.desk.reader.aliases("mood") == {"candidate": 1}


def test_versions_that_the_ledger_does_not_know_are_adopted(desk: Desk, caplog: pytest.LogCaptureFixture) -> None:
    """In their order, once; the alias goes to the newest; one without files is left out, and told."""
    with caplog.at_level(logging.WARNING):
        written = adopt(desk, "mood", "ann")
    assert [(event.version, event.actor, event.reason) for event in written] == [
        (1, "ann", "adopted"),
        (3, "ann", "adopted"),
    ]
    assert "mood 2 is left out: there is no folder" in caplog.text
    assert desk.reader.aliases("mood") == {"candidate": 3}
    assert adopt(desk, "mood", "ann") == []
    assert len(desk.ledger("mood").read().events) == 2


def test_nothing_is_registered_where_the_ledger_is_gone(registry: Registry, desk: Desk) -> None:
    """An alias says that a version was promoted, and no event does: no version is made."""
    with connected(desk.settings) as client:
        client.set_registered_model_alias("mood", "production", "1")
    root = registry.project.root
    model, evidence = root / "data/06_models/mood/model", root / "data/08_reporting/mood/evidence"
    run = {"name": "mood", "run_id": "none"}
    with pytest.raises(IntegrityError, match="'production' is version 1"):
        register_version(desk.settings, desk.spec, run, model, evidence, pl.DataFrame())
    assert [row.number for row in desk.reader.versions("mood")] == [1, 2, 3]


def test_who_registers_writes_only_the_own_version(desk: Desk) -> None:
    """It is not 'adopted'; others may be about to be written by those who made them."""
    written = adopt(desk, "mood", "ann", made=3)
    assert [(event.version, event.reason) for event in written] == [(3, "")]


def test_a_version_whose_tensors_are_not_those_of_its_tag_is_refused(desk: Desk) -> None:
    """Somebody changed them before the ledger knew them."""
    with connected(desk.settings) as client:
        client.set_model_version_tag("mood", "1", "digest", "d" * 64)
    with pytest.raises(IntegrityError, match=f"MLflow's tag `digest` says {'d' * 64}"):
        adopt(desk, "mood", "ann")
    assert desk.ledger("mood").read().events == []


def test_a_version_of_ones_own_without_files_is_an_error(desk: Desk) -> None:
    """It is not left out."""
    with pytest.raises(RegistryError, match="there is no folder"):
        adopt(desk, "mood", "ann", made=2)


def test_another_may_adopt_at_the_same_time(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who comes second writes nothing."""
    stale = desk.state("mood")
    adopt(desk, "mood", "ann")
    monkeypatch.setattr(desk, "state", lambda _: stale)
    assert adopt(desk, "mood", "ben") == []
    assert len(desk.ledger("mood").read().events) == 2


def test_a_registration_is_told(registry: Registry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """At once, where `notify` is declared: by the next verb would be too late for who waits for a new version."""
    desk = registry.copy(tmp_path, 1)
    monkeypatch.setenv("MODELMILL_WEBHOOK_SECRET", "whsec_AAAA")
    monkeypatch.setattr(register, "create_version", lambda *_: 1)
    example, project = pl.DataFrame({"text": ["x"]}), registry.project.root
    with receiving(Receiver()) as receiver:
        notify = NotifySpec(url=f"http://127.0.0.1:{receiver.server_port}/hook")
        register.register_version(
            desk.settings, desk.spec.model_copy(update={"notify": notify}), {"name": "mood", "run_id": "r"},
            project / "data/06_models/mood/model", project / "data/08_reporting/mood/evidence", example,
        )  # fmt: skip
    assert receiver.seqs == [1]
