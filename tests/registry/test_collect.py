"""Which versions may be deleted, and that they are."""

import sqlite3
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from modelmill.errors import IntegrityError, RegistryError
from modelmill.registry.collect import collect, collectable, why_kept
from modelmill.registry.desk import Desk
from modelmill.registry.events import Approved, Collected, Event, Reconciled
from modelmill.registry.store import connected
from modelmill.registry.verbs import request, revoke, rollback
from modelmill.registry.verify import verify
from modelmill.specs.registry import RegistrySpec
from tests.registry.backends import sqlite_desk
from tests.registry.stages import Memory, add, at, by, desk_in, judged, promotion, spec_of
from tests.registry.versions import add_version, files_of

NOW, NONE = at(48), timedelta(0)


def keeping(events: int) -> RegistrySpec:
    """The stages, with so many last events whose versions are kept."""
    return spec_of().model_copy(update={"keep_events": events})


def events_of(desk: Desk) -> list[Event]:
    """What happened."""
    return desk.ledger("mood").read().events


def may_go(desk: Desk, keep: int = 0, hours: float = 48, age: timedelta = NONE) -> list[int]:
    """Versions that may be deleted at an hour."""
    return collectable(events_of(desk), keeping(keep), at(hours), age)


@pytest.fixture
def desk() -> Desk:
    """Versions 1 to 5: 1 and 2 were in production before 3, and 5 is the newest candidate."""
    desk = desk_in(Memory(), keeping(0))
    add(desk, 5)
    for version in (1, 2, 3):
        desk.act("mood", promotion(desk.spec, version))
    return desk


def test_what_a_stage_holds_or_could_get_back_is_kept(desk: Desk) -> None:
    """By rollbacks; an older candidate may go, and what was rolled back or withdrawn."""
    assert may_go(desk) == [4]
    desk.act("mood", lambda state: rollback(state, "production", by(), 3))
    assert may_go(desk) == [3, 4]
    desk.act("mood", lambda state: revoke(state, desk.spec, 1, by(), leave_empty=False))
    assert may_go(desk) == [1, 3, 4]
    desk.act("mood", promotion(desk.spec, 4, "staging"))
    assert may_go(desk) == [1, 3]


def test_versions_long_replaced_may_go(desk: Desk) -> None:
    """As many as are asked for are kept for rollbacks, the newest, and it is said why each is kept."""
    spec = keeping(0).model_copy(update={"keep_rollbacks": 1})
    desk.act("mood", lambda state: request(state, spec, judged(state, 4, "staging"), by()))
    assert collectable(events_of(desk), spec, NOW, NONE) == [1]
    assert why_kept(events_of(desk), spec, NOW, NONE) == {
        2: "'production' could go back to it",
        3: "'production' holds it",
        4: "it is asked for in 'staging'",
        5: "'candidate' holds it",
    }
    assert why_kept(events_of(desk), spec, at(1), timedelta(days=1))[1] == "it is too young"
    assert why_kept(events_of(desk), keeping(99).model_copy(update={"keep_rollbacks": 1}), NOW, NONE)[1] == (
        "one of the last 99 events is about it"
    )


def test_a_version_that_is_gone_is_not_deleted(desk: Desk) -> None:
    """Whoever deleted it in MLflow was not `gc`, and the ledger must not say so."""
    desk.writer.delete_version("mood", 4)
    assert collect(desk, "mood", by(hours=48), NONE) == []
    assert len(events_of(desk)) == 8


def test_what_somebody_asks_for_is_kept(desk: Desk) -> None:
    """As long as the request is open."""
    desk.act("mood", lambda state: request(state, desk.spec, judged(state, 4, "staging"), by()))
    assert may_go(desk) == []
    assert may_go(desk, hours=15 * 24) == [4]


def test_what_the_last_events_are_about_is_kept(desk: Desk) -> None:
    """Registered as the fourth of eight; deletions do not count, or each would let others go."""
    assert [may_go(desk, keep=keep) for keep in (4, 5, 8, 9, 99)] == [[4], [], [], [], []]
    desk.act("mood", lambda _: Reconciled(actor="ann", time=at(0), aliases={"production": (4, 3)}))
    assert may_go(desk, keep=1) == []
    asked = desk.act("mood", lambda state: request(state, desk.spec, judged(state, 4, "staging"), by())).event
    desk.act("mood", lambda _: Approved(actor="bob", time=at(0), request=asked.seq))
    assert may_go(desk, keep=1, hours=15 * 24) == []


def test_deletions_let_nothing_else_go() -> None:
    """Else `gc` run twice would delete more."""
    desk = desk_in(Memory(), keeping(2))
    add(desk, 4)
    assert may_go(desk, keep=2) == [1, 2]
    for version in (1, 2):
        desk.act("mood", lambda _, version=version: Collected(actor="ann", time=at(0), version=version))
    assert may_go(desk, keep=2) == []


def test_what_is_young_is_kept(desk: Desk) -> None:
    """Younger than is asked for."""
    day = timedelta(days=1)
    assert (may_go(desk, hours=23, age=day), may_go(desk, hours=24, age=day)) == ([], [4])


def test_a_version_that_somebody_needs_by_now_stays(desk: Desk) -> None:
    """It is promoted after we looked, and before we write."""
    memory, versions = desk.reader, desk.reader.versions

    def later(name: str) -> Any:
        if name == "mood":  # asked between looking and writing
            memory.versions = versions
            desk.act("mood", promotion(desk.spec, 4))
        return versions(name)

    memory.versions = later
    assert collect(desk, "mood", by(hours=48), NONE) == []
    assert desk.state("mood").holder("production") == 4


@pytest.fixture(scope="module")
def real(tmp_path_factory: pytest.TempPathFactory) -> Desk:
    """Versions 1 to 3 with files."""
    desk = sqlite_desk(tmp_path_factory.mktemp("registry"), keeping(0))
    for _ in range(3):
        add_version(desk)
    return desk


def wrong(desk: Desk) -> list[str]:
    """What `verify` finds."""
    return [problem.what for problem in verify(desk, Path(), "mood", lambda row: files_of(desk, row), None)]


def cut_off(desk: Desk, write: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """`gc` ends before one of its writes."""

    def fail(*_: Any) -> None:
        raise RegistryError("cut off")

    with monkeypatch.context() as patched:
        patched.setattr(desk.writer, write, fail)
        with pytest.raises(RegistryError, match="cut off"):
            collect(desk, "mood", by(hours=48), NONE)


def test_versions_are_deleted_with_their_files(real: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """Cut off before any of its writes and run again it ends; then nothing is left to do, and nothing is wrong."""
    folders = {row.number: files_of(real, row) for row in real.reader.versions("mood")}
    assert collect(real, "mood", by(hours=48), NONE, dry_run=True) == [1, 2]
    assert wrong(real) == []
    cut_off(real, "delete_files", monkeypatch)
    assert [event.version for event in events_of(real) if event.kind == "collected"] == [1]
    assert wrong(real) == ["the version was to be deleted, and is still there"]
    cut_off(real, "delete_version", monkeypatch)
    assert [path.is_dir() for path in folders.values()] == [False, True, True]
    assert collect(real, "mood", by(hours=48), NONE) == [1, 2]
    assert [path.is_dir() for path in folders.values()] == [False, False, True]
    assert [row.number for row in real.reader.versions("mood")] == [3]
    assert collect(real, "mood", by(hours=48), NONE) == []
    assert wrong(real) == []
    assert [event.version for event in events_of(real) if event.kind == "collected"] == [1, 2]


def test_files_that_a_copy_needs_stay(real: Desk) -> None:
    """MLflow's copies share them: the version goes, its files do not."""
    row = real.reader.versions("mood")[-1]
    folder = files_of(real, row)
    with connected(real.settings) as client:
        client.copy_model_version(f"models:/mood/{row.number}", "other")
    add_version(real)
    assert collect(real, "mood", by(hours=48), NONE) == [row.number]
    assert folder.is_dir()
    assert [row.number for row in real.reader.versions("other")] == [1]


def test_files_elsewhere_are_left_alone(real: Desk, tmp_path: Path) -> None:
    """A location in MLflow's tables that is not of this model alone is an error, and nothing is deleted."""
    with connected(real.settings) as client:
        model = client.create_logged_model(client.create_experiment("odd", str(tmp_path)), "model")
    with sqlite3.connect(real.settings.tracking_uri.removeprefix("sqlite:///")) as connection:
        statement = "UPDATE logged_models SET artifact_location = ? WHERE model_id = ?"
        assert connection.execute(statement, (str(tmp_path), model.model_id)).rowcount == 1
    connection.close()
    with pytest.raises(IntegrityError, match="which is not deleted"):
        real.writer.delete_files(f"models:/{model.model_id}")
    assert tmp_path.is_dir()
