"""Whatever is changed behind the ledger's back is found, in a real MLflow on SQLite."""

import hashlib
import sqlite3
import tempfile
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest

from modelmill.errors import NotFoundError, RegistryError
from modelmill.registry.collect import collect
from modelmill.registry.desk import Desk
from modelmill.registry.events import Promoted
from modelmill.registry.fetch import model_folder
from modelmill.registry.ledger import TAG
from modelmill.registry.notify import CURSOR
from modelmill.registry.readers import VersionRow
from modelmill.registry.state import State
from modelmill.registry.store import connected, log_text
from modelmill.registry.verify import Problem, verify
from modelmill.specs.mlflow import MlflowSpec
from tests.registry.backends import server, sqlite_desk
from tests.registry.stages import by, promotion, spec_of
from tests.registry.versions import add_version, evidence_of, files_of


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Desk, bytes]:
    """Versions 1 and 2, both once in production, and the database."""
    desk = sqlite_desk(tmp_path_factory.mktemp("registry"))
    for version in (1, 2):
        add_version(desk)
        log_text(desk.settings, desk.row("mood", version).run_id, "gates/production-x.json", REPORT)
        desk.act("mood", to_production(desk, version))
    return desk, database(desk).read_bytes()


REPORT = "{}"


def to_production(desk: Desk, version: int) -> Callable[[State], Promoted | None]:
    """A version enters it by a gate report that is kept with its run."""
    return promotion(desk.spec, version, report=hashlib.sha256(REPORT.encode()).hexdigest())


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody waits between two looks."""
    monkeypatch.setattr("modelmill.registry.verify.PAUSE", 0)


@pytest.fixture
def desk(made: tuple[Desk, bytes], tmp_path: Path) -> Desk:
    """The same registry in a file of its own; its models lie where they lay."""
    (tmp_path / "mlflow.db").write_bytes(made[1])
    return Desk(MlflowSpec(tracking_uri=f"sqlite:///{tmp_path}/mlflow.db"), spec_of())


def database(desk: Desk) -> Path:
    """The file."""
    return Path(desk.settings.tracking_uri.removeprefix("sqlite:///"))


def found(desk: Desk) -> list[Problem]:
    """All that is wrong."""
    return verify(desk, Path(), "mood", lambda row: files_of(desk, row), lambda run: evidence_of(desk, run))


def one(desk: Desk) -> tuple[str, str, str]:
    """The only thing that is wrong: what, where and what was expected."""
    (problem,) = found(desk)
    assert problem.todo
    return problem.what, problem.where, problem.expected


def execute(desk: Desk, statement: str) -> None:
    """What somebody with the password of the database does."""
    with sqlite3.connect(database(desk)) as connection:
        assert connection.execute(statement).rowcount == 1
    connection.close()


def test_nothing_is_wrong(desk: Desk) -> None:
    """With a registry that was left alone, and with one where a stage was changed by a verb."""
    assert found(desk) == []
    desk.act("mood", to_production(desk, 1))
    assert found(desk) == []
    with pytest.raises(NotFoundError, match="there is no model 'moof'; there are first, mood"):
        verify(desk, Path(), "moof", None, None)


@pytest.mark.parametrize("event", [1, 2, 4])
def test_a_deleted_event(desk: Desk, event: int) -> None:
    """Deleted in MLflow's page: in the middle it is missing; at the end the mark misses it, too. Nothing is decided."""
    with connected(desk.settings) as client:
        client.delete_model_version("mood.ledger", str(event))
    what = [problem.what for problem in found(desk) if problem.where == "mood.ledger"]
    assert (what == [f"event {event} is missing"]) if event < 4 else ("is gone or was edited" in what[0])
    with pytest.raises(RegistryError) as caught:
        desk.state("mood")
    assert caught.value.exit_code == 7


def test_an_event_that_was_deleted_in_the_database(desk: Desk) -> None:
    """Not even its number is left."""
    execute(desk, "DELETE FROM model_versions WHERE name = 'mood.ledger' AND version = 4")
    (problem,) = [problem for problem in found(desk) if problem.where == "mood.ledger"]
    assert problem.what.endswith("is gone or was edited")


@pytest.mark.parametrize("event", [2, 4])
def test_an_edited_event(desk: Desk, event: int) -> None:
    """Somebody else is said to have done it."""
    with connected(desk.settings) as client:
        text = client.get_model_version("mood.ledger", str(event)).tags[TAG]
        client.set_model_version_tag("mood.ledger", str(event), TAG, text.replace('"actor":"ann"', '"actor":"eve"'))
    what, where, _ = one(desk)
    assert where == "mood.ledger"
    assert what.startswith("event 3 does not follow") if event == 2 else what.endswith("is gone or was edited")


def test_an_alias_that_was_moved(desk: Desk) -> None:
    """In MLflow's page; `reconcile` moves it back, and leaves a note."""
    with connected(desk.settings) as client:
        client.set_registered_model_alias("mood", "production", "1")
    assert one(desk) == ("the alias points to version 1", "mood@production", "version 2")
    desk.act("mood", lambda _: None, actor="ann")
    assert found(desk) == []


def test_an_alias_that_was_taken_away(desk: Desk) -> None:
    """Nothing is live."""
    with connected(desk.settings) as client:
        client.delete_registered_model_alias("mood", "production")
    assert one(desk) == ("the alias points to nothing", "mood@production", "version 2")


def test_a_deleted_version(desk: Desk) -> None:
    """Its alias went with it."""
    with connected(desk.settings) as client:
        client.delete_model_version("mood", "2")
    assert [(problem.what, problem.where) for problem in found(desk)] == [
        ("the version is gone from MLflow", "mood@2"), ("the alias points to nothing", "mood@production"),
    ]  # fmt: skip


def test_a_deleted_model(desk: Desk) -> None:
    """Its ledger is left, by which it is found without being named."""
    with connected(desk.settings) as client:
        client.delete_registered_model("mood")
    assert desk.names() == ["first", "mood"]
    assert [(problem.what, problem.where) for problem in found(desk)] == [
        ("the model is gone from MLflow", "mood"),
        ("the version is gone from MLflow", "mood@1"), ("the version is gone from MLflow", "mood@2"),
        ("the alias points to nothing", "mood@production"),
    ]  # fmt: skip


@pytest.mark.parametrize("key", ["digest", "product"])
def test_an_edited_tag(desk: Desk, key: str) -> None:
    """The tags of a version say what the ledger says."""
    with connected(desk.settings) as client:
        client.set_model_version_tag("mood", "1", key, "other")
    what, where, _ = one(desk)
    assert (what, where) == (f"the tag `{key}` is 'other'", "mood@1")


def test_another_run(desk: Desk) -> None:
    """The evidence would be another's."""
    execute(desk, "UPDATE model_versions SET run_id = 'other' WHERE name = 'mood' AND version = 1")
    assert one(desk)[:2] == ("the run is 'other'", "mood@1")


def test_a_version_that_nobody_registered(desk: Desk) -> None:
    """Made by hand."""
    with connected(desk.settings) as client:
        client.create_model_version("mood", "elsewhere://here/files")
    assert one(desk)[:2] == ("the version is in MLflow, and the ledger does not know it", "mood@3")


def test_an_edited_mark(desk: Desk) -> None:
    """Taken away, or set to an earlier event, `reconcile` sets it again; set to anything else it is edited."""
    with connected(desk.settings) as client:
        client.delete_registered_model_tag("mood.ledger", "head")
        assert one(desk)[:2] == ("the tag `head` is ''", "mood.ledger")
        desk.act("mood", lambda _: None, actor="ann")
        assert found(desk) == []
        client.set_registered_model_tag("mood.ledger", "head", "9 abc")
    assert "(9 abc) is gone or was edited" in one(desk)[0]


@pytest.mark.parametrize("sent", ["9", "x"])
def test_an_edited_cursor(desk: Desk, sent: str) -> None:
    """Others would not be told of what comes next; or they were told of events that are gone."""
    desk.writer.set_tag("mood.ledger", CURSOR, "4")
    assert found(desk) == []
    desk.writer.set_tag("mood.ledger", CURSOR, sent)
    assert one(desk)[:2] == (f"the tag `notified` is '{sent}'", "mood.ledger")


def test_a_version_that_nobody_approved(desk: Desk) -> None:
    """Somebody wrote the event by hand, or the rules were others then."""
    strict = Desk(desk.settings, spec_of(approvals=1))
    what, where, _ = one(strict)
    assert where == "mood@production"
    assert what.startswith("version 2: 'production' wants 1 approval(s)")


def flip(path: Path, place: int) -> Callable[[], None]:
    """Turn one bit of a byte; answers with what turns it back."""
    before = path.read_bytes()
    changed = bytearray(before)
    changed[place] ^= 1
    path.write_bytes(changed)
    return lambda: path.write_bytes(before)


@pytest.mark.parametrize(("file", "place", "what"), [
    ("artifacts/model/model.safetensors", -1, "the digest of the weights is"),
    ("artifacts/model/model.safetensors", 0, "the digest of the weights is"),
    ("artifacts/model/config.json", 0, "a file beside the weights is not as it was"),
    ("MLmodel", 3, "a file beside the weights is not as it was"),
])  # fmt: skip
def test_a_flipped_bit(desk: Desk, file: str, place: int, what: str) -> None:
    """In the weights, their header, and in another file; only where files are looked at."""
    flip_back = flip(files_of(desk, desk.row("mood", 1)) / file, place)
    try:
        problem = one(desk)
        assert verify(desk, Path(), "mood", None, None) == []
    finally:
        flip_back()
    assert problem[0].startswith(what)
    assert problem[1] == "mood@1"


@pytest.mark.parametrize("read", ["versions", "aliases"])
def test_an_event_that_is_being_written(desk: Desk, monkeypatch: pytest.MonkeyPatch, read: str) -> None:
    """While we look another promotes, between mark and events or between events and aliases: nothing is wrong."""
    other, real = Desk(desk.settings, desk.spec), getattr(desk.reader, read)

    def late(name: str) -> object:
        other.act("mood", to_production(other, 1))
        return real(name)

    monkeypatch.setattr(desk.reader, read, late)
    assert found(desk) == []
    assert len(desk.ledger("mood").read().events) == 5


@pytest.mark.parametrize("change", [lambda path: path.unlink(), lambda path: path.write_text("[]")])
def test_a_gate_report_that_is_gone_or_edited(desk: Desk, change: Callable[[Path], object]) -> None:
    """By which a version came to where it is; of what no stage holds any more it is not asked."""
    for version, problems in ((1, 0), (2, 1)):
        report = evidence_of(desk, desk.row("mood", version).run_id) / "gates/production-x.json"
        change(report)
        try:
            what = [(problem.what, problem.where) for problem in found(desk)]
        finally:
            report.write_text(REPORT)
        assert what == [("the gate report of event 4 is gone, or was edited", "mood@2")] * problems


def test_a_file_more(desk: Desk) -> None:
    """Code that was slipped in."""
    added = files_of(desk, desk.row("mood", 1)) / "code.py"
    added.write_text("")
    try:
        assert one(desk)[0].startswith("a file beside the weights")
    finally:
        added.unlink()


def test_edited_evidence(desk: Desk) -> None:
    """The figures that gates looked at."""
    report = evidence_of(desk, desk.row("mood", 2).run_id) / "evaluation.json"
    flip_back = flip(report, 0)
    try:
        what, where, _ = one(desk)
    finally:
        flip_back()
    assert (what.partition(":")[0], where) == ("what the version is judged by is not as it was", "mood@2")


def test_files_that_cannot_be_had(desk: Desk) -> None:
    """Is a problem of its own, with the reason."""

    def gone(_: object) -> Path:
        raise RegistryError("no such bucket")

    problems = verify(desk, Path(), "mood", gone, gone)
    assert [(problem.what, problem.where, problem.todo) for problem in problems] == [
        (f"the {what} cannot be had", f"mood@{version}", "no such bucket")
        for version in (1, 2)
        for what in ("files", "evidence")
    ]


@pytest.mark.slow
def test_a_server_is_looked_at_and_tidied_in_the_same_way(tmp_path: Path) -> None:
    """Files are downloaded; an alias, an event and a byte are found; what is collected is gone from its disk."""
    with server(tmp_path) as address:
        desk = Desk(MlflowSpec(tracking_uri=address), spec_of().model_copy(update={"keep_events": 0}))
        for _ in range(3):
            add_version(desk)
        desk.act("mood", promotion(desk.spec, 2))

        def problems() -> list[str]:
            with tempfile.TemporaryDirectory() as scratch:

                def folder(row: VersionRow) -> Path:
                    return model_folder(desk.settings, "mood", row.number, Path(scratch, str(row.number)))

                return [problem.what for problem in verify(desk, Path(), "mood", folder, None)]

        assert problems() == []
        assert collect(desk, "mood", by(hours=48), timedelta(0)) == [1]
        weights = sorted((tmp_path / "mlartifacts").rglob("*.safetensors"))
        assert len(weights) == 2
        assert problems() == []
        flip(weights[0], -1)
        with connected(desk.settings) as client:
            client.set_registered_model_alias("mood", "production", "3")
        what = problems()
        assert what[0] == "the alias points to version 3"
        assert what[1].startswith("the digest of the weights is")
        with connected(desk.settings) as client:
            client.delete_model_version("mood.ledger", "2")
        assert problems()[0] == "event 2 is missing"
