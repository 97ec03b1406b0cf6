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
    """Versions that may be deleted, by number: those that nothing keeps, as `why_kept` says it."""
    state, kept = fold(events, spec), why_kept(events, spec, at, age)
    return [number for number in state.registered if number not in kept and number not in state.collected]


def why_kept(events: list[Event], spec: RegistrySpec, at: datetime, age: timedelta) -> dict[int, str]:
    """Versions that may not be deleted, by number, each with the first reason that there is.

    Those are what a stage holds, the newest `spec.keep_rollbacks` that it could go back to, what somebody asks for,
    what the last `spec.keep_events` events are about, and what was registered less than `age` ago.

    Args:
        events: of the ledger, all of them.
        spec: the stages.
        at: what time it is.
        age: how old a version must be.
    """
    state = fold(events, spec)
    others = [event for event in events if not isinstance(event, Collected)]  # else each `gc` would free others
    recent = others[max(0, len(others) - spec.keep_events) :]
    requests = [request.event for request in state.requests.values() if request.is_open(at)]
    stages = [stage for stage in spec.stages if stage != spec.retired]
    reasons: list[tuple[str, Iterable[int | None]]] = [
        *((f"'{stage}' holds it", [state.holder(stage)]) for stage in stages),
        *((f"'{stage}' could go back to it", state.formers(stage)[: spec.keep_rollbacks]) for stage in stages),
        *((f"it is asked for in '{event.stage}'", [event.version]) for event in requests),
        (
            f"one of the last {spec.keep_events} events is about it",
            (n for event in recent for n in _about(event, state)),
        ),
        ("it is too young", (n for n, event in state.registered.items() if event.time + age > at)),
    ]
    kept: dict[int, str] = {}
    for why, numbers in reasons:
        for number in numbers:
            if number is not None and number not in state.collected:
                kept.setdefault(number, why)
    return dict(sorted(kept.items()))


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
    there = {row.number for row in desk.reader.versions(name)}
    found, left = [number for number in found if number in there], sorted(fold(events, desk.spec).collected & there)
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
