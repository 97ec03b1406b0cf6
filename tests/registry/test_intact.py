"""Versions that come back into a stage."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from modelmill.errors import IntegrityError, NotFoundError
from modelmill.registry.decisions import revoke_version, rollback_stage
from modelmill.registry.desk import Desk
from modelmill.registry.office import Office, Want
from modelmill.registry.view import Ref
from modelmill.specs.mlflow import MlflowSpec
from tests.registry.backends import sqlite
from tests.registry.stages import by, promotion, spec_of
from tests.registry.versions import add_version, evidence_of, files_of

WANT = Want(by())


@pytest.fixture
def office(tmp_path: Path) -> Iterator[Office]:
    """Versions 1, 2 and 3 were in production, one after the other."""
    with sqlite(tmp_path) as address:
        desk = Desk(MlflowSpec(tracking_uri=address, artifacts=str(tmp_path / "artifacts")), spec_of())
        for _ in range(3):
            desk.act("mood", promotion(desk.spec, add_version(desk)))
        yield Office(desk, tmp_path, lambda _: pytest.fail("declared"), lambda event, name: None)


def test_a_version_whose_files_are_gone_does_not_come_back(office: Office) -> None:
    """By a rollback or a withdrawal, and nothing is written; withdrawn itself it makes room for the one before."""
    shutil.rmtree(files_of(office.desk, office.desk.row("mood", 2)))
    with pytest.raises(IntegrityError, match="version 2 of 'mood' cannot come back: there is no folder") as caught:
        rollback_stage(office, "mood", "production", WANT)
    assert caught.value.exit_code == 7
    with pytest.raises(IntegrityError, match="`kedro model revoke mood@2`"):
        revoke_version(office, Ref("mood", "3"), WANT, leave_empty=True)
    assert office.desk.reader.aliases("mood") == {"production": 3}
    revoke_version(office, Ref("mood", "2"), WANT, leave_empty=False)
    assert rollback_stage(office, "mood", "production", WANT).done.aliases == {"production": (3, 1)}


def test_a_version_that_is_not_as_registered_does_not_come_back(office: Office) -> None:
    """Its files or its evidence."""
    evidence = evidence_of(office.desk, str(office.desk.row("mood", 2).run_id)) / "evaluation.json"
    evidence.write_text("{ }")
    with pytest.raises(IntegrityError, match="cannot come back: not as registered: evidence"):
        rollback_stage(office, "mood", "production", WANT)


def test_a_version_that_mlflow_lost_is_passed_over(office: Office) -> None:
    """The one before it comes back; when none is left it is said, and nothing is written."""
    office.desk.writer.delete_version("mood", 2)
    assert rollback_stage(office, "mood", "production", WANT).done.aliases == {"production": (3, 1)}
    office.desk.act("mood", promotion(office.desk.spec, 3))
    office.desk.writer.delete_version("mood", 1)
    before = len(office.desk.ledger("mood").read().events)
    with pytest.raises(NotFoundError, match="nothing that could come back"):
        rollback_stage(office, "mood", "production", WANT)
    assert len(office.desk.ledger("mood").read().events) == before
