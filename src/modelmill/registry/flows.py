"""Verbs that ask the gates: check, request, promote. No click: the command line parses and prints."""

from collections.abc import Callable
from dataclasses import asdict, dataclass, replace

from modelmill.errors import GateError
from modelmill.registry import verbs
from modelmill.registry.conditions import Condition, conditions
from modelmill.registry.events import Approved, Event, now
from modelmill.registry.gates.run import GateReport
from modelmill.registry.office import Office, Outcome, Want, act, begin, version_of
from modelmill.registry.state import Request, State
from modelmill.registry.verbs import Judged, Verified
from modelmill.registry.view import Ref, View, whole


def judged(office: Office, name: str, version: int, stage: str, *, keep: bool) -> tuple[Judged, GateReport]:
    """Ask the gates of a stage about a version; the report is kept with its run, or not.

    Raises:
        DeclarationError: when the product is not declared (any more).
        TransitionError: when there is no such stage.
    """
    from modelmill.registry.judge import judge

    verbs.check_stage(office.desk.spec, stage)
    return judge(office.desk, name, version, stage, office.declared(name), keep=keep)


def check(office: Office, ref: Ref, stage: str) -> tuple[GateReport, list[Condition]]:
    """Ask the gates of a stage about a version, and say what else it wants; nothing but the report is written."""
    verbs.check_stage(office.desk.spec, stage)
    found = whole(office.desk, ref.name)
    verdict, report = judged(office, ref.name, version_of(office, found, ref), stage, keep=True)
    return report, conditions(found.state, office.desk.spec, verdict, now(), _trusted(office, ref.name))


def request_version(office: Office, ref: Ref, stage: str, want: Want) -> Outcome:
    """Ask for approvals; the gates are asked first.

    Raises:
        GateError: when a gate says no.
    """
    found = begin(office, ref.name, stage)
    version = version_of(office, found, ref)

    def decide(state: State, verdict: Judged) -> Event | None:
        if state.stage_of(version) == stage:
            return None
        verbs.check_expected(state, stage, want.expected)
        return verbs.request(state, office.desk.spec, verdict, want.by)

    already = f"{ref.name}@{version} is in '{stage}', or was asked for already"
    return _judge_and_act(office, found, _Question(version, stage, want, already), decide)


def promote_version(office: Office, ref: Ref, stage: str, want: Want) -> Outcome:
    """Let a version enter a stage. What costs nothing to look at is looked at before the gates are asked.

    Raises:
        GateError: when a gate, the soak time or the cool-down says no.
        ApprovalError: when approvals are missing.
        ConflictError: when another came first.
    """
    found = begin(office, ref.name, stage)
    version = version_of(office, found, ref)

    trusted = _trusted(office, ref.name)

    def decide(state: State, verdict: Judged) -> Event | None:
        return verbs.promote(state, office.desk.spec, verdict, want.by, want.expected, trusted)

    already = f"{ref.name}@{version} is in '{stage}' already"
    return _judge_and_act(office, found, _Question(version, stage, want, already), decide)


def _trusted(office: Office, name: str) -> Verified:
    """Whether a signature is trusted; keys are read when the first one is looked at."""

    def trusted(request: Request, approval: Approved) -> bool:
        from modelmill.registry.approvals import verified

        signed: bool = verified(office.root, office.desk.spec, name)(request, approval)
        return signed

    return trusted


def refusal(report: GateReport) -> GateError:
    """Which gates stop a version, and why."""
    said = "\n".join(f"- {one.gate}: {one.status}: {one.reason}" for one in report.results if one.stops)
    message = f"{report.name}@{report.version} does not pass the gates of '{report.stage}':\n{said}"
    return GateError(message, [asdict(one) for one in report.results])


@dataclass(frozen=True)
class _Question:
    """Whether a version may enter a stage."""

    version: int
    stage: str
    want: Want
    already: str


def _judge_and_act(
    office: Office, found: View, asked: _Question, decide: Callable[[State, Judged], Event | None]
) -> Outcome:
    """Decide as if the gates said yes; only if something would happen ask them, and decide again by what they say."""
    desk, state = office.desk, found.state
    product = office.declared(found.name).product
    floors = product.floors(asked.stage)
    held, policy = verbs.stands(state, desk.spec, asked.version, asked.stage, floors)
    requested = state.request_for(asked.version, asked.stage, asked.want.by.time)
    trial = Judged(asked.version, asked.stage, held, policy, requested.event.report if requested else "", passed=True)
    if decide(state, trial) is None:
        return act(office, found, asked.want, lambda state: decide(state, trial), asked.already)
    from modelmill.registry.judge import known_report

    known = known_report(desk, found.name, asked.version, asked.stage, product)
    verdict, report = known or judged(office, found.name, asked.version, asked.stage, keep=not asked.want.dry_run)
    if not verdict.passed:
        raise refusal(report)
    outcome = act(office, found, asked.want, lambda state: decide(state, verdict), asked.already)
    return replace(outcome, report=report)
