"""Deleting versions that nobody needs any more: the verb `gc`."""

from collections.abc import Iterable
from datetime import datetime, timedelta

from modelmill.registry.desk import Desk
from modelmill.registry.events import Approved, Collected, Event, Reconciled, Rejected
from modelmill.registry.ledger import Chain
from modelmill.registry.state import State, fold
from modelmill.registry.verbs import By
from modelmill.registry.writer import LOGGED_MODEL
from modelmill.specs.registry import RegistrySpec


def collectable(events: list[Event], spec: RegistrySpec, at: datetime, age: timedelta) -> list[int]:
    """Versions that may be deleted, by number.

    Never one that a stage holds or could get back by rollbacks, that somebody asks for, that the last
    `spec.keep_events` events are about, or that was registered less than `age` ago.

    Args:
        events: of the ledger, all of them.
        spec: the stages.
        at: what time it is.
        age: how old a version must be.
    """
    state = fold(events, spec)
    kept = set(state.collected)
    for stage in spec.stages:
        kept |= set(state.formers(stage))
        if stage != spec.retired and (holder := state.holder(stage)):
            kept.add(holder)
    kept |= {request.event.version for request in state.requests.values() if request.is_open(at)}
    others = [event for event in events if not isinstance(event, Collected)]  # else each `gc` would free others
    kept |= {number for event in others[max(0, len(others) - spec.keep_events) :] for number in _about(event, state)}
    return [number for number, event in state.registered.items() if number not in kept and event.time + age <= at]


def collect(desk: Desk, name: str, by: By, age: timedelta, *, dry_run: bool = False) -> list[int]:
    """Delete what may be deleted: first the event, then the files, then the version.

    What a process that was killed in between left is deleted, too. The evidence stays with the run.

    Args:
        desk: of the registry.
        name: of the model.
        by: who deletes, why and when.
        age: how old a version must be.
        dry_run: only say what would be deleted.

    Returns:
        the versions that were deleted.

    Raises:
        IntegrityError: when the ledger is not whole.
    """
    ledger = desk.ledger(name)
    events = ledger.read().events
    found = collectable(events, desk.spec, by.time, age)
    left = sorted(fold(events, desk.spec).collected & {row.number for row in desk.reader.versions(name)})
    if dry_run:
        return left + found
    for number in left:
        _delete(desk, name, number)
    for number in found:

        def decide(chain: Chain, number: int = number) -> Collected | None:
            if number not in collectable(chain.events, desk.spec, by.time, age):
                return None  # by now somebody needs it, or it is gone
            return Collected(actor=by.actor, reason=by.reason, time=by.time, version=number)

        if ledger.transact(decide):
            desk.act(name, lambda _: None, actor=by.actor)  # the mark follows before anything is deleted
            _delete(desk, name, number)
            left.append(number)
    return left


def _delete(desk: Desk, name: str, number: int) -> None:
    """The version goes last: as long as it is there, another attempt finds the files."""
    source = desk.row(name, number).source
    if source.startswith(LOGGED_MODEL + "m-") and not _shared(desk, name, number, source):
        desk.writer.delete_files(source)
    desk.writer.delete_version(name, number)


def _shared(desk: Desk, name: str, number: int, source: str) -> bool:
    """Whether another version is of the same files; MLflow's copies are."""
    same = {source, f"{LOGGED_MODEL}{name}/{number}"}
    rows = ((other, row) for other in desk.names() for row in desk.reader.versions(other))
    return any(row.source in same for other, row in rows if (other, row.number) != (name, number))


def _about(event: Event, state: State) -> Iterable[int]:
    if isinstance(event, Approved | Rejected):
        return (state.requests[event.request].event.version,)
    if isinstance(event, Reconciled):
        return (number for pair in event.aliases.values() for number in pair if number)
    versions = (getattr(event, field, None) for field in ("version", "replaces", "incumbent", "fallback"))
    return (number for number in versions if number)
