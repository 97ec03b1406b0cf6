"""Stages, verbs and a registry in memory that tests share."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

from modelmill.errors import RegistryError
from modelmill.registry.desk import Desk
from modelmill.registry.events import Event, Promoted, Registered
from modelmill.registry.readers import VersionRow
from modelmill.registry.state import State
from modelmill.registry.verbs import By, Judged, promote
from modelmill.specs.mlflow import MlflowSpec
from modelmill.specs.registry import RegistrySpec

START = datetime(2026, 5, 3, 12, tzinfo=UTC)


def spec_of(**production: Any) -> RegistrySpec:
    """Four stages without gates; `production` takes also what was replaced."""
    return RegistrySpec.model_validate(
        {
            "stages": {
                "candidate": {},
                "staging": {"from": ["candidate", "archived"]},
                "production": {"from": ["staging", "candidate", "archived"], **production},
                "archived": {"from": ["candidate", "staging"]},
            }
        }
    )


def at(hours: float) -> datetime:
    """So many hours after the tests' beginning."""
    return START + timedelta(hours=hours)


def by(actor: str = "ann", hours: float = 0) -> By:
    """Somebody, at some hour."""
    return By(actor, "because", at(hours))


def judged(state: State, version: int, stage: str = "production", **changed: Any) -> Judged:
    """A version that passed the gates of a stage, against what that holds."""
    known = {"incumbent": state.incumbent(stage), "policy": "p" * 64, "report": "r" * 64, "passed": True}
    return Judged(version=version, stage=stage, **(known | changed))


def registered(version: int, who: By | None = None) -> Registered:
    """The event of a new version."""
    who = who or by()
    return Registered(
        actor=who.actor,
        time=who.time,
        version=version,
        stage="candidate",
        digest=f"{version:064}",
        files=f"{version:063}f",
        run_id=None,
    )


def promotion(
    spec: RegistrySpec, version: int, stage: str = "production", **changed: Any
) -> Callable[[State], Promoted | None]:
    """What decides that a version enters a stage, whatever that holds."""
    return lambda state: promote(
        state, spec, judged(state, version, stage, **changed), by(), "any", lambda request, approval: False
    )


class Memory:
    """A registry in memory, which can be read and written as MLflow's can.

    `fails` makes a write fail, 'before' or 'after' it is done; it is asked with the name of the method.
    """

    def __init__(self, fails: Callable[[str], str | None] = lambda write: None) -> None:
        self.models: dict[str, dict[int, VersionRow]] = {}
        self.marks: dict[str, dict[str, str]] = {}
        self.names_of: dict[str, dict[str, int]] = {}
        self.last: dict[str, int] = {}
        self.fails = fails

    def names(self) -> list[str]:
        return sorted(self.models)

    def versions(self, name: str) -> list[VersionRow]:
        return list(self.models.get(name, {}).values())

    def aliases(self, name: str) -> dict[str, int]:
        return dict(self.names_of.get(name, {}))

    def tags(self, name: str) -> dict[str, str]:
        return dict(self.marks.get(name, {}))

    def create_model(self, name: str) -> None:
        self._write("create_model", lambda: self.models.setdefault(name, {}))

    def add_version(self, name: str, source: str, tags: dict[str, str], description: str) -> int:
        def add() -> None:
            number = self.last[name] = self.last.get(name, 0) + 1
            self.models[name][number] = VersionRow(number, 0, None, source, dict(tags))

        self._write("add_version", add)
        return self.last[name]

    def set_tag(self, name: str, key: str, value: str) -> None:
        self._write("set_tag", lambda: self.marks.setdefault(name, {}).update({key: value}))

    def set_alias(self, name: str, alias: str, version: int | None) -> None:
        known = self.names_of.setdefault(name, {})
        assert version is None or version in self.models[name]
        self._write("set_alias", lambda: known.pop(alias, None) if version is None else known.update({alias: version}))

    def delete_version(self, name: str, version: int) -> None:
        """As MLflow does it: the number is never used again, and aliases to it go, too."""
        self._write("delete_version", lambda: self.models[name].pop(version, None))
        self.names_of[name] = {alias: of for alias, of in self.aliases(name).items() if of != version}

    def _write(self, what: str, write: Callable[[], object]) -> None:
        if (when := self.fails(what)) == "before":
            raise RegistryError(f"{what} did not reach it")
        write()
        if when == "after":
            raise RegistryError(f"the answer to {what} was lost")


def desk_in(memory: Memory, spec: RegistrySpec | None = None) -> Desk:
    """A registry whose MLflow is in memory."""
    desk = Desk(MlflowSpec(), spec or spec_of())
    desk.reader = desk.writer = memory
    return desk


def add(desk: Desk, count: int = 1, name: str = "mood") -> list[Event]:
    """New versions, each with its event."""
    made = []
    for _ in range(count):
        desk.writer.create_model(name)
        number = desk.writer.add_version(name, "elsewhere://here/files", {"digest": "d", "product": name}, "")
        made.append(desk.act(name, lambda state, number=number: registered(number)).event)
    return made
