"""What a stage wants beside its gates."""

from datetime import datetime
from typing import Any

from modelmill.registry.conditions import conditions
from modelmill.registry.events import Approved, Event, Requested
from modelmill.registry.state import fold
from modelmill.specs.registry import RegistrySpec
from tests.registry.stages import at, judged, promotion, registered, spec_of


def said(spec: RegistrySpec, events: list[Event], time: datetime, **changed: Any) -> dict[str, tuple[bool, str]]:
    """By name what is said of version 1, which was judged again just now."""
    state = fold(events, spec)
    case = judged(state, 1, report="n" * 64, **changed)
    return {one.condition: (one.met, one.reason) for one in conditions(state, spec, case, time, lambda *_: True)}


def numbered(*events: Event) -> list[Event]:
    """As they would stand in a ledger."""
    return [event.model_copy(update={"seq": seq}) for seq, event in enumerate(events, 1)]


def asked() -> Requested:
    """That version 1 enters production, where nothing is."""
    return Requested(
        actor="ann", time=at(1), version=1, stage="production", incumbent=None, digest=registered(1).digest,
        policy="p" * 64, report="r" * 64, expires=at(100),
    )  # fmt: skip


def test_only_what_a_stage_declares_is_said() -> None:
    """Nothing of a stage that wants nothing."""
    assert said(spec_of(), numbered(registered(1)), at(0)) == {}


def test_times_say_from_when_on() -> None:
    """Five hours in its stage, four hours after the last change."""
    spec = spec_of(soak="5h", cool_down="4h")
    events = numbered(registered(1), registered(2))
    promoted = promotion(spec_of(), 2)(fold(events, spec_of()))
    assert promoted is not None
    events = numbered(*events, promoted.model_copy(update={"time": at(0)}))
    early, late = said(spec, events, at(3)), said(spec, events, at(4))
    assert early["soak"][1] == (
        f"too early: version 1 is in 'candidate' since {at(0)}; it may enter 'production' from {at(5)} on"
    )
    assert f"from {at(4)} on" in early["cool_down"][1]
    assert (late["soak"][0], late["cool_down"]) == (False, (True, ""))
    assert said(spec, events, at(5))["soak"] == (True, "")


def test_approvals_are_those_of_the_open_request() -> None:
    """One is missing, then it is there, though a newer report was written; with other rules it counts no more."""
    spec = spec_of(approvals=1)
    events = numbered(registered(1), asked())
    assert said(spec, events[:1], at(2))["approvals"][1].startswith("'production' wants 1 approval(s): ask for them")
    assert said(spec, events, at(2))["approvals"] == (False, "'production' wants 1 approval(s); so far: nobody")
    events = numbered(*events, Approved(actor="bob", time=at(2), request=2))
    assert said(spec, events, at(3)) == {"approvals": (True, "")}
    assert "changed since it was asked for" in said(spec, events, at(3), policy="q" * 64)["approvals"][1]
    assert "ask for them" in said(spec, events, at(100))["approvals"][1]
