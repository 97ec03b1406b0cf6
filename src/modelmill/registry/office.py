"""Where verbs are carried out: the registry in its project, who wants something, and how a decision is carried out."""

import logging
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from modelmill.errors import NotFoundError
from modelmill.registry.desk import Desk, Done
from modelmill.registry.events import Event, Promoted, Reconciled, Revoked, RolledBack
from modelmill.registry.state import State
from modelmill.registry.verbs import By, Expected, check_stage
from modelmill.registry.view import Ref, View, find_version, named_stages, whole

if TYPE_CHECKING:
    from modelmill.registry.gates.base import Declared
    from modelmill.registry.gates.run import GateReport

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Office:
    """A registry in its project: `declared` finds a product by name, `announce` calls the hook `on_promoted`."""

    desk: Desk
    root: Path
    declared: "Callable[[str], Declared]"
    announce: Callable[[dict[str, Any], str, int], None]


@dataclass(frozen=True)
class Want:
    """Who wants a change, whether only its plan, and what the stage is taken to hold."""

    by: By
    dry_run: bool = False
    expected: Expected = "any"


@dataclass(frozen=True)
class Outcome:
    """What was done to a model, or would be; `report` where gates were asked."""

    name: str
    done: Done
    already: str
    """Why nothing happened, if nothing did."""
    report: "GateReport | None" = None


def begin(office: Office, name: str, stage: str | None = None) -> View:
    """The model, and that a stage is declared. What the ledger does not know only `reconcile` writes down."""
    if stage is not None:
        check_stage(office.desk.spec, stage)
    return whole(office.desk, name)


def version_of(office: Office, found: View, ref: Ref) -> int:
    """The number of the version that is meant.

    Raises:
        NotFoundError: when there is none, or the ledger does not know it yet.
    """
    version = find_version(ref, found.state, named_stages(office.desk.spec))
    if version in found.unrecorded:
        raise NotFoundError(
            f"version {version} of '{ref.name}' is in MLflow, and not in the ledger yet: `kedro model reconcile "
            f"{ref.name}` writes it down"
        )
    return version


def act(office: Office, found: View, want: Want, decide: Callable[[State], Event | None], already: str) -> Outcome:
    """Append what is decided, let the aliases follow, and tell others; a plan only says what that would be."""
    done = office.desk.act(found.name, decide, actor=want.by.actor, dry_run=want.dry_run)
    if done.mended:
        log.warning("aliases of '%s' had been moved, and are set right: %s", found.name, _moves(done.mended))
    if not want.dry_run:
        tell(office, found.name, done.event)
    return Outcome(found.name, done, already)


def _moves(event: Reconciled) -> str:
    moves = event.aliases.items()
    return f"{', '.join(f'{alias} {there} -> {to}' for alias, (there, to) in moves)} (event {event.seq})"


def tell(office: Office, name: str, event: Event | None) -> None:
    """Deliver what is in the outbox, and call the hook when a stage got another version. What was done stays done."""
    from modelmill.registry.notify import deliver_or_warn

    deliver_or_warn(office.desk, name)
    version = event.fallback if isinstance(event, Revoked) else getattr(event, "version", None)
    if isinstance(event, Promoted | RolledBack | Revoked) and version is not None:
        try:
            office.announce(event.model_dump(mode="json"), name, version)
        except Exception:
            log.exception("a hook `on_promoted` failed; the stage holds version %d all the same", version)
