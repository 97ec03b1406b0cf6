"""A process that is killed at one of its writes."""

import os
import signal
from collections.abc import Callable
from typing import Any

from modelmill.registry.desk import Desk
from modelmill.registry.events import Event
from modelmill.registry.state import State
from modelmill.registry.verbs import rollback
from modelmill.specs.mlflow import MlflowSpec
from modelmill.specs.registry import RegistrySpec
from tests.registry.stages import by, promotion, registered

KILLED = -signal.SIGKILL


class Killer:
    """A writer whose process is killed before or after its k-th write, counted from 1."""

    def __init__(self, writer: Any, at: int, when: str) -> None:
        self._writer, self._at, self._when, self._count = writer, at, when, 0

    def __getattr__(self, name: str) -> Callable[..., Any]:
        write = getattr(self._writer, name)

        def counted(*arguments: Any) -> Any:
            self._count += 1
            if (self._count, self._when) == (self._at, "before"):
                os.kill(os.getpid(), signal.SIGKILL)
            answer = write(*arguments)
            if self._count == self._at:
                os.kill(os.getpid(), signal.SIGKILL)
            return answer

        return counted


def decision(verb: str, spec: RegistrySpec) -> Callable[[State], Event | None]:
    """What each verb of these tests decides: register version 1, promote version 2, or roll it back."""
    if verb == "register":
        return lambda state: None if state.registered else registered(1)
    if verb == "promote":
        return promotion(spec, 2)
    return lambda state: rollback(state, "production", by(), 2) if state.holder("production") == 2 else None


def do(settings: MlflowSpec, spec: RegistrySpec, name: str, verb: str, kill: tuple[int, str]) -> None:
    """What the process does: a verb, on the way of which it is killed."""
    desk = Desk(settings, spec)
    desk.writer = Killer(desk.writer, *kill)
    desk.act(name, decision(verb, spec))
