"""Verbs that need no gates: approve, reject, roll back, revoke."""

from collections.abc import Callable
from dataclasses import replace
from functools import cache
from pathlib import Path

from modelmill.errors import ConflictError, NotFoundError, TransitionError
from modelmill.registry import verbs
from modelmill.registry.events import Event
from modelmill.registry.office import Office, Outcome, Want, act, begin, version_of
from modelmill.registry.state import Request, State
from modelmill.registry.verbs import By
from modelmill.registry.view import Ref, View


def approve_version(office: Office, ref: Ref, stage: str | None, want: Want, key: Path | None) -> Outcome:
    """Agree to a request; with a key the approval is signed. Without a stage: to the only request that there is.

    Raises:
        ApprovalError: when this person may not, or when approvals have to be signed and no key is given.
    """
    found = begin(office, ref.name, stage)
    version = version_of(office, found, ref)
    asked = _asked(found, version, stage, want.by)
    to, seq = asked.event.stage, asked.event.seq
    signature = None
    if key:
        from modelmill.registry.approvals import sign_approval

        signature = sign_approval(office.root, office.desk.spec, ref.name, asked, want.by.actor, key)

    def decide(state: State) -> Event | None:
        if verbs.approved(state.requests[seq], want.by, signature):
            return None
        verbs.check_expected(state, to, want.expected)
        if verbs.open_request(state, version, to, want.by.time).event.seq != seq:
            raise ConflictError(f"{ref.name}@{version} was just asked for again; look at it, and approve that request")
        return verbs.approve(state, office.desk.spec, version, to, want.by, signature)

    return act(office, found, want, decide, f"'{want.by.actor}' approved {ref.name}@{version} for '{to}' already")


def reject_version(office: Office, ref: Ref, stage: str | None, want: Want) -> Outcome:
    """Refuse a request, which ends it. Without a stage: the only one that there is."""
    found = begin(office, ref.name, stage)
    version = version_of(office, found, ref)
    asked = _asked(found, version, stage, want.by)
    to, seq = asked.event.stage, asked.event.seq

    def decide(state: State) -> Event | None:
        if state.requests[seq].closed == "rejected":
            return None
        verbs.check_expected(state, to, want.expected)
        return verbs.reject(state, version, to, want.by)

    return act(office, found, want, decide, f"the request of {ref.name}@{version} for '{to}' was rejected already")


def rollback_stage(office: Office, name: str, stage: str, want: Want) -> Outcome:
    """Give a stage back what it held before.

    A second time in a row nothing happens unless `want.expected` names what the stage holds now: who is in a hurry, or
    a job that tries again, would else go back two versions.
    """
    found = begin(office, name, stage)
    there, intact = _returning(office, found)

    def decide(state: State) -> Event | None:
        undone = state.undone.get(stage)
        if undone is not None and want.expected in ("any", undone):
            return None
        event = verbs.rollback(there(state), stage, want.by, want.expected)
        intact(event.version)
        return event

    undone, holder = found.state.undone.get(stage), found.state.holder(stage)
    already = f"'{stage}' of '{name}' went back from version {undone} to version {holder} already"
    return act(office, found, want, decide, f"{already}; to go back further add --expect-current {holder}")


def revoke_version(office: Office, ref: Ref, want: Want, *, leave_empty: bool) -> Outcome:
    """Withdraw a version for good."""
    found = begin(office, ref.name)
    version = version_of(office, found, ref)
    there, intact = _returning(office, found)

    def decide(state: State) -> Event | None:
        verbs.known(state, version)
        if version not in state.revoked:
            verbs.check_expected(state, state.places[version].stage, want.expected)
        event = verbs.revoke(there(state), office.desk.spec, version, want.by, leave_empty=leave_empty)
        if event and event.fallback is not None:
            intact(event.fallback)
        return event

    return act(office, found, want, decide, f"{ref.name}@{version} was withdrawn already")


def _returning(office: Office, found: View) -> tuple[Callable[[State], State], Callable[[int], None]]:
    """For verbs that bring a version back: a state without those that MLflow lost, and a check of the one that comes.

    The check reads its files, once however often is decided: an alias to what cannot be loaded helps nobody.
    """

    def there(state: State) -> State:
        return replace(state, missing=frozenset(state.registered.keys() - found.rows.keys()))

    @cache
    def intact(version: int) -> None:
        from modelmill.registry.intact import check_intact

        check_intact(office.desk, found.name, version)

    return there, intact


def _asked(found: View, version: int, stage: str | None, by: By) -> Request:
    """The newest request of a version, an open one before closed ones."""
    requests = [one for one in found.state.requests.values() if one.event.version == version]
    those = [one for one in requests if stage in (None, one.event.stage)]
    if opened := [one for one in those if one.is_open(by.time)]:
        if len(opened) > 1:
            stages = ", ".join(one.event.stage for one in opened)
            raise TransitionError(f"version {version} is asked for in several stages ({stages}): say which by --to")
        return opened[0]
    if those:
        return those[-1]
    to = f"'{stage}'" if stage else "a stage"
    raise NotFoundError(f"nobody asks that {found.name}@{version} enters {to}; `kedro model request` asks")
