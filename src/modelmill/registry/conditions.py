"""What a stage wants of a version beside its gates, as it stands now: approvals, soak time, cool-down."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Literal

from modelmill.errors import RegistryError
from modelmill.registry.state import State
from modelmill.registry.times import check_cool_down, check_soak
from modelmill.registry.verbs import Judged, Verified, check_approvals
from modelmill.specs.registry import RegistrySpec


@dataclass(frozen=True)
class Condition:
    """One of them: whether it is met, and if not what is missing or from when on it is."""

    condition: Literal["approvals", "soak", "cool_down"]
    met: bool
    reason: str


def conditions(state: State, spec: RegistrySpec, judged: Judged, at: datetime, verified: Verified) -> list[Condition]:
    """Those that the stage declares, each by the rule that `promote` goes by.

    Args:
        state: of the model.
        spec: the stages and their rules.
        judged: the version and the stage. Approvals are of the report of the open request, which `promote` looks at
            again: that a newer report was just written voids none.
        at: the time for which it is said.
        verified: whether the signature of an approval is trusted.
    """
    version, stage, rules = judged.version, judged.stage, spec.stages[judged.stage]
    asked = state.request_for(version, stage, at)
    bound = replace(judged, report=asked.event.report) if asked else judged
    found = []
    if rules.approvals:
        found.append(_condition("approvals", lambda: check_approvals(state, spec, bound, asked, verified)))
    if rules.soak:
        found.append(_condition("soak", lambda: check_soak(state, spec, version, stage, at)))
    if rules.cool_down:
        found.append(_condition("cool_down", lambda: check_cool_down(state, spec, stage, at)))
    return found


def _condition(name: Literal["approvals", "soak", "cool_down"], check: Callable[[], None]) -> Condition:
    try:
        check()
    except RegistryError as error:
        return Condition(name, False, error.message)
    return Condition(name, True, "")
