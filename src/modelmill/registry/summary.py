"""What is shown of a model, as plain data: rows of tables, and the JSON that commands print."""

from collections.abc import Callable, Mapping
from datetime import datetime
from itertools import takewhile
from typing import Any

from modelmill.registry.approvals import Standing
from modelmill.registry.desk import Desk
from modelmill.registry.events import (
    Approved,
    Collected,
    Event,
    Promoted,
    Reconciled,
    Registered,
    Rejected,
    Reproduced,
    Requested,
    Revoked,
    RolledBack,
    now,
)
from modelmill.registry.runs import figures, read_run, read_runs
from modelmill.registry.state import Request, State, fold
from modelmill.registry.view import View, named_stages
from modelmill.specs.registry import RegistrySpec

HIDDEN = {"id", "prev", "signature"}

Worth = Callable[[Request, Approved], Standing]
"""What an approval of a request is worth."""


def unchecked(_: Request, approval: Approved) -> Standing:
    """Where nobody looks at signatures."""
    return "unchecked" if approval.signature else "claimed"


def model_row(found: View, spec: RegistrySpec) -> dict[str, Any]:
    """A model in one line: what its stages hold, what waits, what happened last; `gone` is missing from MLflow."""
    last = found.events[-1] if found.events else None
    return {
        "name": found.name,
        "stages": {stage: None if found.problems else found.state.holder(stage) for stage in named_stages(spec)},
        "versions": len(found.state.registered),
        "open_requests": len(request_rows(found, now())),
        "last": last and {"seq": last.seq, "kind": last.kind, "time": last.time, "actor": last.actor},
        "unrecorded": sorted(found.unrecorded),
        "gone": sorted(found.state.registered.keys() - found.rows.keys() - found.state.collected),
        "drift": drift_rows(found),
        "problems": found.problems,
    }


def drift_rows(found: View) -> dict[str, dict[str, int | None]]:
    """Aliases of MLflow that are not what the ledger says."""
    return {alias: {"mlflow": there, "ledger": wanted} for alias, (there, wanted) in found.drift.items()}


def model_details(found: View, desk: Desk) -> dict[str, Any]:
    """A model with its versions, newest first, each with the figures of its run."""
    numbers = sorted(found.state.registered, reverse=True)
    versions = [version_row(found, number) for number in numbers]
    runs = read_runs(desk.settings, [row["run_id"] for row in versions])
    for row in versions:
        row["metrics"] = figures(runs[row["run_id"]])
    return {**model_row(found, desk.spec), "versions": versions, "requests": request_rows(found, now())}


def version_details(found: View, version: int, desk: Desk, worth: Worth) -> dict[str, Any]:
    """A version: figures, where its code comes from, its requests, and every event that is about it."""
    about_it = found.state.registered[version]
    run = read_run(desk.settings, about_it.run_id)
    events = {event.seq: event for event in found.events}
    row = version_row(found, version)
    requests = {seq for seq, one in found.state.requests.items() if one.event.version == version}
    about = [event for event in found.events if is_about(event, version, requests)]
    return {
        "name": found.name,
        **row,
        "metrics": figures(run),
        "baselines": {name: figures(run, f"baseline/{name}") for name in baselines_of(run.metrics)},
        "git_commit": run.tags.get("git_commit"),
        "git_dirty": run.tags.get("git_dirty"),
        "environment_lock_sha256": run.tags.get("environment_lock_sha256"),
        "data": {"given": about_it.given, "made": about_it.made},
        "evidence": evidence_of(version, row["stage"], events, found.state, worth),
        "requests": [one for one in request_rows(found, now(), worth) if one["version"] == version],
        "events": [event_row(event, found.state) for event in about],
    }


def baselines_of(metrics: Mapping[str, float]) -> list[str]:
    """Names of the baselines that a run was compared with."""
    return sorted({key.split("/")[1] for key in metrics if key.startswith("baseline/")})


def is_about(event: Event, version: int, requests: set[int]) -> bool:
    """Whether an event is about a version: it names it, or is an answer to one of its requests."""
    named = {getattr(event, key, None) for key in ("version", "replaces", "fallback")}
    return version in named or (isinstance(event, Approved | Rejected) and event.request in requests)


def event_row(event: Event, state: State) -> dict[str, Any]:
    """An event as it stands in the ledger, and `what`: one line for people."""
    return {**event.model_dump(mode="json", exclude=HIDDEN), "what": describe(event, state), "hash": event.hash}


def describe(event: Event, state: State) -> str:
    """'version 3: staging -> production, in place of version 2'."""
    match event:
        case Registered():
            what = f"version {event.version} was registered"
        case Requested():
            what = f"version {event.version} should enter {event.stage}"
        case Approved() | Rejected():
            asked = state.requests[event.request].event
            signed = ", with a signature" if isinstance(event, Approved) and event.signature else ""
            what = f"request {event.request} (version {asked.version} to {asked.stage}) was {event.kind}{signed}"
        case Promoted():
            instead = f", in place of version {event.replaces}" if event.replaces else ""
            what = f"version {event.version}: {event.origin} -> {event.stage}{instead}"
        case RolledBack():
            what = f"{event.stage} went back from version {event.replaces} to version {event.version}"
        case Revoked():
            after = f"; {event.stage} holds version {event.fallback} again" if event.fallback else ""
            what = f"version {event.version} was withdrawn from {event.stage}{after}"
        case Reconciled():
            moved = (
                f"{alias} {there or 'nothing'} -> {to or 'nothing'}" for alias, (there, to) in event.aliases.items()
            )
            what = f"aliases were set right: {', '.join(moved)}"
        case Collected():
            what = f"the files of version {event.version} were deleted"
        case Reproduced():
            first = f", from {event.first} on" if event.first else ""
            what = f"version {event.version} was built again: {event.verdict}{first}"
    return what


def held_at(found: View, spec: RegistrySpec, at: datetime, worth: Worth) -> list[dict[str, Any]]:
    """What each stage held at a time, who put it there, and on what evidence.

    Returns:
        by stage: version, since, event (number and kind), actor, reason, digest; for a promotion the hashes of its gate
        report and rules, and the approvals.
    """
    events = {event.seq: event for event in takewhile(lambda event: event.time <= at, found.events)}
    state = fold(events.values(), spec)
    rows: list[dict[str, Any]] = []
    named = [stage for stage in state.holders if stage not in spec.stages]  # declared at that time
    for stage in (*spec.stages, *named):
        version = state.holder(stage)
        if version is None or stage in state.left_for or stage == spec.retired:
            continue
        rows.append({"stage": stage, "version": version, **evidence_of(version, stage, events, state, worth)})
    return rows


def evidence_of(version: int, stage: str, events: Mapping[int, Event], state: State, worth: Worth) -> dict[str, Any]:
    """Who brought a version to where it is, and on what evidence: that of its promotion, also if it came back."""
    event = events.get(state.places[version].seq)
    promotions = [one for one in events.values() if isinstance(one, Promoted)]
    promotion = next((one for one in reversed(promotions) if (one.version, one.stage) == (version, stage)), None)
    request = state.requests.get(promotion.request) if promotion and promotion.request else None
    return {
        "since": state.places[version].since,
        "event": event and {"seq": event.seq, "kind": event.kind},
        "actor": event and event.actor,
        "reason": event and event.reason,
        "digest": state.registered[version].digest,
        "report": promotion and promotion.report,
        "policy": promotion and promotion.policy,
        "requested_by": request and request.event.actor,
        "approvals": approval_rows(request, worth) if request else [],
    }


def approval_rows(request: Request, worth: Worth) -> list[dict[str, Any]]:
    """Approvals as they are shown; `signature` is what `worth` says of them."""
    return [
        {"actor": one.actor, "time": one.time, "signature": worth(request, one), "reason": one.reason}
        for one in request.approvals
    ]


def version_row(found: View, number: int) -> dict[str, Any]:
    """A version: where it is, since when, and what it is."""
    place, event = found.state.places[number], found.state.registered[number]
    ended = "revoked" if number in found.state.revoked else "deleted" if number in found.state.collected else None
    return {
        "version": number,
        "stage": place.stage,
        "since": place.since,
        "ended": ended,
        "recorded": number not in found.unrecorded,
        "digest": event.digest or None,
        "run_id": event.run_id,
        "registered": event.time,
    }


def request_rows(found: View, at: datetime, worth: Worth = unchecked) -> list[dict[str, Any]]:
    """Requests that may still be approved or carried out."""
    return [
        {
            "request": seq,
            "version": one.event.version,
            "stage": one.event.stage,
            "actor": one.event.actor,
            "time": one.event.time,
            "expires": one.event.expires,
            "reason": one.event.reason,
            "approvals": approval_rows(one, worth),
        }
        for seq, one in found.state.requests.items()
        if one.is_open(at)
    ]
