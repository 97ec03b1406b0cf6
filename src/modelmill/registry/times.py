"""How long a version has to wait before it enters a stage."""

from datetime import datetime

from modelmill.errors import GateError
from modelmill.registry.state import State
from modelmill.specs.registry import RegistrySpec


def check_times(state: State, spec: RegistrySpec, version: int, stage: str, at: datetime) -> None:
    """Raise `GateError` when the soak time or the cool-down of a stage is not over."""
    check_soak(state, spec, version, stage, at)
    check_cool_down(state, spec, stage, at)


def check_soak(state: State, spec: RegistrySpec, version: int, stage: str, at: datetime) -> None:
    """Raise `GateError` when a version is not long enough where it is."""
    place, soak = state.places[version], spec.stages[stage].soak
    if soak:
        _not_before(place.since + soak, at, stage, f"version {version} is in '{place.stage}' since {place.since}")


def check_cool_down(state: State, spec: RegistrySpec, stage: str, at: datetime) -> None:
    """Raise `GateError` when a stage changed a short time ago."""
    changed, rest = state.changed.get(stage), spec.stages[stage].cool_down
    if changed and rest:
        _not_before(changed + rest, at, stage, f"'{stage}' changed at {changed}")


def _not_before(until: datetime, at: datetime, stage: str, why: str) -> None:
    if at < until:
        raise GateError(f"too early: {why}; it may enter '{stage}' from {until} on")
