"""What may be done when: each verb looks at a state and answers with the event to append; None: it is so already.

Pure functions: whoever appends asks again when another came first.
"""

import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Literal

from modelmill.errors import ApprovalError, ConflictError, GateError, NotFoundError, TransitionError
from modelmill.registry.events import Approved, Promoted, Rejected, Requested, Revoked, RolledBack
from modelmill.registry.state import Request, State
from modelmill.registry.times import check_times
from modelmill.specs.files import hint
from modelmill.specs.product import GateSpec
from modelmill.specs.registry import RegistrySpec

Verified = Callable[[Request, Approved], bool]
"""Whether the signature of an approval is one that is trusted."""


@dataclass(frozen=True)
class By:
    """Who does something, why, and when it is decided; the time of an event is that of its writing."""

    actor: str
    reason: str
    time: datetime


@dataclass(frozen=True)
class Judged:
    """A version that was judged for a stage: against which incumbent, by which rules, with which result.

    `policy` and `report` are hashes of the rules and of the gate report.
    """

    version: int
    stage: str
    incumbent: int | None
    policy: str
    report: str
    passed: bool


Expected = int | None | Literal["any"]
"""What the caller takes the stage to hold; `any` does not care."""


def policy_hash(spec: RegistrySpec, stage: str, floors: list[GateSpec]) -> str:
    """SHA-256 of the rules of a stage: those of the registry and those of the product."""
    rules: dict[str, Any] = {
        "stage": spec.stages[stage].model_dump(mode="json"),
        "floors": [gate.model_dump(mode="json") for gate in floors],
    }
    return hashlib.sha256(json.dumps(rules, sort_keys=True).encode()).hexdigest()


def statement(name: str, request: Requested) -> str:
    """What an approver signs: one line of JSON that names all that the approval is of."""
    bound = request.model_dump(
        mode="json", include={"version", "stage", "incumbent", "digest", "policy", "report", "expires"}
    )
    asked = {"request": request.seq, "request_sha256": request.hash, "requested_by": request.actor}
    return json.dumps({"approve": name, **asked, **bound}, sort_keys=True) + "\n"


def request(state: State, spec: RegistrySpec, judged: Judged, by: By) -> Requested | None:
    """Ask for approvals. None when the same is asked for already."""
    _may_enter(state, spec, judged.version, judged.stage)
    _incumbent_stays(state, judged)
    _gates_passed(judged)
    known = state.request_for(judged.version, judged.stage, by.time)
    if known and (known.event.policy, known.event.incumbent) == (judged.policy, judged.incumbent):
        return None
    return Requested(
        actor=by.actor, reason=by.reason, version=judged.version, stage=judged.stage, incumbent=judged.incumbent,
        digest=state.registered[judged.version].digest, policy=judged.policy, report=judged.report,
        expires=by.time + timedelta(days=spec.request_days),
    )  # fmt: skip


def open_request(state: State, version: int, stage: str, at: datetime) -> Request:
    """The request that approvals are of.

    Raises:
        NotFoundError: when there is none, or not any more.
        ConflictError: when the stage holds another version than at the time of the request.
    """
    found = state.request_for(version, stage, at)
    if found is None:
        raise NotFoundError(f"nobody asks that version {version} enters '{stage}'; `kedro model request` asks")
    if found.event.incumbent != state.incumbent(stage):
        raise ConflictError(
            f"since version {version} was asked for, '{stage}' has changed from {_shown(found.event.incumbent)} to "
            f"{_shown(state.incumbent(stage))}: what was compared counts no more. Ask again by `kedro model request`."
        )
    return found


def approve(
    state: State, spec: RegistrySpec, version: int, stage: str, by: By, signature: str | None
) -> Approved | None:
    """Agree to a request. None when the same person did already."""
    asked = open_request(state, version, stage, by.time)
    approvers = spec.stages[stage].approvers
    if by.actor == asked.event.actor:
        raise ApprovalError(f"'{by.actor}' asked for version {version}, so somebody else has to approve it")
    if approvers and by.actor not in approvers:
        raise ApprovalError(f"'{by.actor}' may not approve for '{stage}'; those who may are {', '.join(approvers)}")
    if signature is None and spec.signing.approvals == "required":
        raise ApprovalError("`registry.yml` wants signed approvals: give your key by --key")
    if approved(asked, by, signature):
        return None
    return Approved(actor=by.actor, reason=by.reason, request=asked.event.seq, signature=signature)


def approved(request: Request, by: By, signature: str | None) -> bool:
    """Whether somebody agreed already, also to a request that was carried out since; a signature adds to a claim."""
    return any(one.actor == by.actor and (one.signature or not signature) for one in request.approvals)


def reject(state: State, version: int, stage: str, by: By) -> Rejected:
    """Refuse a request, which ends it."""
    found = state.request_for(version, stage, by.time)
    if found is None:
        raise NotFoundError(f"nobody asks that version {version} enters '{stage}'")
    return Rejected(actor=by.actor, reason=by.reason, request=found.event.seq)


def promote(
    state: State, spec: RegistrySpec, judged: Judged, by: By, expected: Expected, verified: Verified
) -> Promoted | None:
    """Let a version enter a stage. None when it is there."""
    if state.stage_of(judged.version) == judged.stage:
        return None
    _may_enter(state, spec, judged.version, judged.stage)
    check_expected(state, judged.stage, expected)
    _incumbent_stays(state, judged)
    _gates_passed(judged)
    check_times(state, spec, judged.version, judged.stage, by.time)
    asked = state.request_for(judged.version, judged.stage, by.time)
    check_approvals(state, spec, judged, asked, verified)
    origin = state.stage_of(judged.version)
    assert origin
    return Promoted(
        actor=by.actor, reason=by.reason, version=judged.version, stage=judged.stage, origin=origin,
        replaces=state.incumbent(judged.stage), retired=state.retired,
        digest=state.registered[judged.version].digest, policy=judged.policy, report=judged.report,
        request=asked.event.seq if asked else None,
    )  # fmt: skip


def rollback(state: State, stage: str, by: By, expected: Expected) -> RolledBack:
    """Give a stage back the version that it held before."""
    if not state.holds_one(stage):
        raise TransitionError(f"'{stage}' holds any number of versions, so there is nothing to go back to")
    check_expected(state, stage, expected)
    current, former = state.holder(stage), state.former(stage)
    if current is None or former is None:
        raise NotFoundError(
            f"'{stage}' holds {_shown(current)}, and nothing that could come back was there before. "
            "`kedro model history` shows what was."
        )
    return RolledBack(
        actor=by.actor, reason=by.reason, version=former, stage=stage, replaces=current, retired=state.retired,
        digest=state.registered[former].digest,
    )  # fmt: skip


def revoke(state: State, spec: RegistrySpec, version: int, by: By, *, leave_empty: bool) -> Revoked | None:
    """Withdraw a version for good. None when it is withdrawn."""
    known(state, version)
    if version in state.revoked:
        return None
    stage = state.stage_of(version)
    assert stage
    holds = state.incumbent(stage) == version
    fallback = state.former(stage) if holds else None
    if holds and fallback is None and not leave_empty:
        raise TransitionError(
            f"version {version} is in '{stage}', which held nothing before that could come back; promote another "
            "version first, or leave the stage empty by --leave-empty"
        )
    return Revoked(
        actor=by.actor, reason=by.reason, version=version, stage=stage, fallback=fallback, retired=state.retired
    )  # fmt: skip


def known(state: State, version: int) -> None:
    """Raise `NotFoundError` for a version that the ledger does not know."""
    if version not in state.registered:
        versions = ", ".join(map(str, sorted(state.registered))) or "none"
        raise NotFoundError(f"there is no version {version}; the ledger knows {versions}")


def check_stage(spec: RegistrySpec, stage: str) -> None:
    """Raise `TransitionError` for a stage that is not declared."""
    if stage not in spec.stages:
        raise TransitionError(f"`registry.yml` has no stage '{stage}'; {hint(stage, list(spec.stages))}")


def stands(
    state: State, spec: RegistrySpec, version: int, stage: str, floors: list[GateSpec]
) -> tuple[int | None, str]:
    """What a version is judged against: the incumbent of a stage, and the hash of its rules.

    Raises:
        TransitionError: when there is no such stage.
        NotFoundError: when the ledger does not know the version.
    """
    check_stage(spec, stage)
    known(state, version)
    return state.incumbent(stage), policy_hash(spec, stage, floors)


def check_approvals(
    state: State, spec: RegistrySpec, judged: Judged, asked: Request | None, verified: Verified
) -> None:
    """Raise `ApprovalError` when too few people agreed to exactly this."""
    rules = spec.stages[judged.stage]
    if not rules.approvals:
        return
    if asked is None:
        raise ApprovalError(
            f"'{judged.stage}' wants {rules.approvals} approval(s): ask for them by "
            f"`kedro model request NAME@{judged.version} --to {judged.stage}`"
        )
    same = (asked.event.policy, asked.event.incumbent, asked.event.digest, asked.event.report)
    if same != (judged.policy, judged.incumbent, state.registered[judged.version].digest, judged.report):
        raise ApprovalError(
            "the rules, what the stage holds or the gate report changed since it was asked for: ask again by "
            f"`kedro model request NAME@{judged.version} --to {judged.stage}`"
        )
    people = {
        one.actor
        for one in asked.approvals
        if one.actor != asked.event.actor
        and (not rules.approvers or one.actor in rules.approvers)
        and (verified(asked, one) if one.signature else spec.signing.approvals == "optional")
    }
    if len(people) < rules.approvals:
        have = ", ".join(sorted(people)) or "nobody"
        raise ApprovalError(f"'{judged.stage}' wants {rules.approvals} approval(s); so far: {have}")


def _may_enter(state: State, spec: RegistrySpec, version: int, stage: str) -> None:
    known(state, version)
    if version in state.revoked or version in state.collected:
        what = "withdrawn" if version in state.revoked else "deleted"
        raise TransitionError(f"version {version} was {what}, and enters no stage any more")
    check_stage(spec, stage)
    here, allowed = state.stage_of(version), spec.stages[stage].from_
    if here not in allowed:
        expected = f"from {' or '.join(allowed)}" if allowed else "by registration only"
        raise TransitionError(f"version {version} is in '{here}', and '{stage}' is entered {expected}")


def _incumbent_stays(state: State, judged: Judged) -> None:
    held = state.incumbent(judged.stage)
    if held != judged.incumbent:
        raise ConflictError(
            f"version {judged.version} was compared with {_shown(judged.incumbent)}, but '{judged.stage}' holds "
            f"{_shown(held)} by now: another came first. Look at `kedro model history`, and try again."
        )


def check_expected(state: State, stage: str, expected: Expected) -> None:
    """Raise `ConflictError` when a stage does not hold what the caller takes it to hold."""
    if expected != "any" and state.holder(stage) != expected:
        raise ConflictError(
            f"'{stage}' holds {_shown(state.holder(stage))}, not {_shown(expected)} as --expect-current says; "
            "nothing was changed"
        )


def _gates_passed(judged: Judged) -> None:
    if not judged.passed:
        raise GateError(f"version {judged.version} does not pass the gates of '{judged.stage}'; the report says why")


def _shown(version: int | None) -> str:
    return "nothing" if version is None else f"version {version}"
