"""One model as it stands: what the ledger says, what MLflow holds, and where the two differ. Reading only."""

import re
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from modelmill.errors import NotFoundError
from modelmill.registry.desk import Desk
from modelmill.registry.events import Event, Registered
from modelmill.registry.ledger import not_whole
from modelmill.registry.projection import Difference, differences, lost
from modelmill.registry.readers import VersionRow
from modelmill.registry.state import Place, State, fold
from modelmill.specs.files import hint
from modelmill.specs.registry import RegistrySpec


@dataclass(frozen=True)
class Ref:
    """A version as people name it: `NAME@3`, `NAME@staging` (what the stage holds), `NAME` (the newest candidate)."""

    name: str
    which: str | None

    @classmethod
    def parse(cls, text: str) -> "Ref":
        """'mood@3' -> (mood, 3)."""
        name, _, which = text.partition("@")
        return cls(name, which or None)


@dataclass(frozen=True)
class View:
    """A model.

    `rows` are MLflow's versions by number; those of `unrecorded` are not in the ledger (yet), and `state` has them in
    the first stage. `drift` is alias to (found, should be). `problems` is what is wrong with the ledger, of which
    `events` is then the whole part, and nothing else is told.
    """

    name: str
    events: list[Event]
    rows: dict[int, VersionRow]
    state: State
    unrecorded: frozenset[int]
    drift: Difference
    problems: list[str]


def view(desk: Desk, name: str) -> View:
    """Look at a model.

    Raises:
        NotFoundError: when nothing is registered under the name.
        RegistryError: when MLflow cannot be reached.
    """
    rows = {row.number: row for row in desk.reader.versions(name)}
    chain = desk.ledger(name).inspect()
    if not (rows or chain.events or chain.problems) and name not in (names := desk.names()):
        raise NotFoundError(f"no model is called '{name}'; {hint(name, names) if names else 'nothing is registered'}")
    state, gone = fold(chain.events, desk.spec), lost(name, chain, desk.reader, desk.spec)
    if problems := [*chain.problems, *([gone] if gone else [])]:
        return View(name, chain.events, rows, state, frozenset(), {}, problems)
    unrecorded = frozenset(rows) - frozenset(state.registered)
    drift = differences(name, chain, desk.reader, desk.spec) if chain.events else {}
    return View(name, chain.events, rows, with_rows(state, rows, desk.spec.first), unrecorded, drift, [])


def whole(desk: Desk, name: str) -> View:
    """The same, of a ledger that is as it was written.

    Raises:
        IntegrityError: when it is not.
    """
    found = view(desk, name)
    if found.problems:
        raise not_whole(name, found.problems[0])
    return found


def with_rows(state: State, rows: dict[int, VersionRow], first: str) -> State:
    """The state, and in its first stage the versions that MLflow has and the ledger does not know."""
    unknown = [row for number, row in sorted(rows.items()) if number not in state.registered]
    if not unknown:
        return state
    events = {row.number: _as_if_registered(row, first) for row in unknown}
    places = {number: Place(first, event.time, 0) for number, event in events.items()}
    held = sorted({*state.holders.get(first, ()), *events})
    return replace(
        state,
        registered=state.registered | events,
        places=places | state.places,
        holders=state.holders | {first: held},
    )


def _as_if_registered(row: VersionRow, first: str) -> Registered:
    time = datetime.fromtimestamp(row.created // 1000, UTC)
    digest = row.tags.get("digest", "")
    return Registered(actor="", time=time, version=row.number, stage=first, digest=digest, files="", run_id=row.run_id)


def find_version(ref: Ref, state: State, stages: list[str]) -> int:
    """The number of the version that is meant.

    Args:
        ref: as people name it.
        state: of the model.
        stages: that a version may be named by, the first one first.

    Raises:
        NotFoundError: when there is none.
    """
    which = ref.which or stages[0]
    known = ", ".join(map(str, sorted(state.registered))) or "none"
    if which.isdecimal():
        if int(which) not in state.registered:
            raise NotFoundError(f"there is no version {which} of '{ref.name}'; those that there are: {known}")
        return int(which)
    if which not in stages:
        raise NotFoundError(
            f"'{ref.name}@{which}': expected the number of a version ({known}) or a stage ({', '.join(stages)})"
        )
    holder = state.holder(which)
    if holder is None:
        raise NotFoundError(f"no version of '{ref.name}' is in '{which}'; name one by its number ({known})")
    return holder


DAY = re.compile(r"\d{4}-\d\d-\d\d")


def point_in_time(text: str) -> datetime:
    """'2026-05-03' is the end of that day, '2026-05-03T09:30' that minute; UTC where no offset is given.

    Raises:
        ValueError: for anything else than ISO 8601.
    """
    time = datetime.fromisoformat(f"{text}T23:59:59" if DAY.fullmatch(text) else text)
    return time if time.tzinfo else time.replace(tzinfo=UTC)


def named_stages(spec: RegistrySpec) -> list[str]:
    """Stages that hold one version, which can be named by them; the first one first."""
    return [stage for stage in spec.stages if stage != spec.retired]
