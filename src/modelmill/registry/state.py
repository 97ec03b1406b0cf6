"""What the events say: which version is where. A fold, without any input or output."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime

from modelmill.registry.events import (
    Approved,
    Collected,
    Event,
    Promoted,
    Registered,
    Rejected,
    Requested,
    Revoked,
    RolledBack,
)
from modelmill.specs.registry import RegistrySpec


@dataclass(frozen=True)
class Place:
    """Where a version is, and since when."""

    stage: str
    since: datetime
    seq: int


@dataclass
class Request:
    """A request and what became of it."""

    event: Requested
    approvals: list[Approved] = field(default_factory=list)
    closed: str | None = None
    """Why it counts no more: 'rejected', 'promoted', 'requested again', or None."""

    def is_open(self, at: datetime) -> bool:
        """Whether it may still be approved and carried out."""
        return self.closed is None and at < self.event.expires


@dataclass
class State:
    """Everything that is known of one model after some events.

    `first` is the stage of what is registered now, `retired` that of what is replaced; the others hold one version.
    Where versions came and went before is in the events.
    """

    first: str
    retired: str
    missing: frozenset[int] = frozenset()
    """Versions that MLflow does not have any more; no event says so."""
    places: dict[int, Place] = field(default_factory=dict)
    registered: dict[int, Registered] = field(default_factory=dict)
    revoked: set[int] = field(default_factory=set)
    collected: set[int] = field(default_factory=set)
    requests: dict[int, Request] = field(default_factory=dict)
    holders: dict[str, list[int]] = field(default_factory=dict)
    """By stage, the versions that it held, in order; a rollback takes away what came after the one that it goes to."""
    changed: dict[str, datetime] = field(default_factory=dict)
    """By stage, when it last changed."""
    firsts: set[str] = field(default_factory=set)
    """Stages in which versions were registered."""
    left_for: set[str] = field(default_factory=set)
    """Stages of what was replaced or withdrawn."""
    undone: dict[str, int] = field(default_factory=dict)
    """By stage, the version that a rollback took away, if that was the stage's last change."""

    def holder(self, stage: str) -> int | None:
        """The version that a stage holds: the one that came last, of those that are still there.

        Of the first stage it is the newest one: older ones may be written down later.
        """
        came = self.holders.get(stage, [])
        came = sorted(came) if stage == self.first or stage in self.firsts else came
        here = (version for version in reversed(came) if self.stage_of(version) == stage)
        return next((version for version in here if version not in self.collected), None)

    def stage_of(self, version: int) -> str | None:
        """The stage of a version; None for one that the ledger does not know."""
        place = self.places.get(version)
        return place.stage if place else None

    def holds_one(self, stage: str) -> bool:
        """Whether a version that enters a stage takes the place of another."""
        return stage not in (self.first, self.retired)

    def incumbent(self, stage: str) -> int | None:
        """The version whose place another takes that enters a stage; none in stages of many."""
        return self.holder(stage) if self.holds_one(stage) else None

    def formers(self, stage: str) -> list[int]:
        """What a stage held before, and could hold again by one rollback or several; what comes back first is first."""
        if not self.holds_one(stage):
            return []
        gone = self.revoked | self.collected | self.missing
        before = [one for one in reversed(self.holders.get(stage, ())) if one not in gone]
        return [one for one in dict.fromkeys(before) if self.stage_of(one) in self.left_for]

    def former(self, stage: str) -> int | None:
        """What a stage held before what it holds, and could hold again."""
        return next(iter(self.formers(stage)), None)

    def request_for(self, version: int, stage: str, at: datetime) -> Request | None:
        """The open request for a version to enter a stage."""
        found = (one for one in self.requests.values() if (one.event.version, one.event.stage) == (version, stage))
        return next((one for one in found if one.is_open(at)), None)


def fold(events: Iterable[Event], spec: RegistrySpec) -> State:
    """The state after events, in their order.

    Args:
        events: that the ledger holds.
        spec: says which stage is the first now, and where what is replaced goes.
    """
    state = State(spec.first, spec.retired)
    for event in events:
        _apply(state, event)
    return state


def _apply(state: State, event: Event) -> None:
    match event:
        case Registered():
            state.registered[event.version] = event
            state.firsts.add(event.stage)
            _enter(state, event.version, event.stage, event)
        case Promoted() | RolledBack() | Revoked():
            _move(state, event)
        case Requested():
            _close(state, event, "requested again")
            state.requests[event.seq] = Request(event)
        case Approved():
            state.requests[event.request].approvals.append(event)
        case Rejected():
            state.requests[event.request].closed = "rejected"
        case Collected():
            state.collected.add(event.version)


def _move(state: State, event: Promoted | RolledBack | Revoked) -> None:
    """What leaves a stage is retired first, then another enters it."""
    enters = event.fallback if isinstance(event, Revoked) else event.version
    leaves = event.version if isinstance(event, Revoked) else event.replaces
    if isinstance(event, Revoked):
        state.revoked.add(event.version)
    if leaves is not None:
        state.left_for.add(event.retired)
        _enter(state, leaves, event.retired, event)
    state.changed[event.stage] = event.time
    state.undone.pop(event.stage, None)
    if isinstance(event, RolledBack):
        state.undone[event.stage] = event.replaces
    if enters is None:
        return
    if isinstance(event, Promoted):
        _close(state, event, "promoted")
    else:
        _back_to(state.holders[event.stage], enters)
    _enter(state, enters, event.stage, event)


def _close(state: State, event: Requested | Promoted, why: str) -> None:
    """End the open requests for a version to enter a stage."""
    for request in state.requests.values():
        if request.closed is None and (request.event.version, request.event.stage) == (event.version, event.stage):
            request.closed = why


def _back_to(held: list[int], version: int) -> None:
    """Take away a version, where it stands last, and what came after it."""
    del held[len(held) - 1 - held[::-1].index(version) :]


def _enter(state: State, version: int, stage: str, event: Event) -> None:
    left = state.stage_of(version)
    if left is not None:
        state.changed[left] = event.time
        state.undone.pop(left, None)
    state.places[version] = Place(stage, event.time, event.seq)
    state.holders.setdefault(stage, []).append(version)


def aliases_of(state: State, spec: RegistrySpec) -> dict[str, int | None]:
    """What MLflow's aliases must be: every stage but the retired one, and the version that it holds, or None."""
    return {stage: state.holder(stage) for stage in spec.stages if stage != spec.retired}
