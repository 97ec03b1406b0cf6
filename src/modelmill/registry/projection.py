"""MLflow's aliases as a projection of the ledger: set after an event, and set right after a crash in between."""

from modelmill.errors import ConflictError, IntegrityError
from modelmill.registry.events import Event, Reconciled
from modelmill.registry.ledger import ATTEMPTS, Chain, Ledger, Writer
from modelmill.registry.readers import Reader
from modelmill.registry.state import aliases_of, fold
from modelmill.specs.registry import RegistrySpec

Difference = dict[str, tuple[int | None, int | None]]
"""Alias to (found, should be)."""


def differences(name: str, chain: Chain, reader: Reader, spec: RegistrySpec) -> Difference:
    """Aliases that are not what the ledger says. Aliases that no stage has are none of our business."""
    found, wanted = reader.aliases(name), aliases_of(fold(chain.events, spec), spec)
    return {alias: (found.get(alias), number) for alias, number in wanted.items() if found.get(alias) != number}


def project(ledger: Ledger, reader: Reader, writer: Writer, spec: RegistrySpec) -> Difference:
    """Make the aliases what the ledger says.

    Whoever sets an alias reads the ledger once more afterwards: another may have appended, and set it, in between. So
    the last one who sets an alias has seen the last event.

    Returns:
        what was changed.

    Raises:
        IntegrityError: when a stage holds a version that is gone from MLflow.
    """
    changed: Difference = {}
    for _ in range(ATTEMPTS):
        wrong = differences(ledger.name, ledger.read(), reader, spec)
        if not wrong:
            return changed
        there = {None, *(row.number for row in reader.versions(ledger.name))}
        settable = {alias: pair for alias, pair in wrong.items() if pair[1] in there}
        if not settable:
            raise IntegrityError(
                f"'{ledger.name}': version {', '.join(str(number) for _, number in wrong.values())} of "
                f"{', '.join(wrong)} is gone from MLflow: bring it back from a backup, or withdraw it by "
                "`kedro model revoke`"
            )
        for alias, (found, number) in sorted(settable.items(), key=lambda item: item[1][1] is None):
            writer.set_alias(ledger.name, alias, number)
            changed[alias] = (changed.get(alias, (found,))[0], number)
    raise ConflictError(
        f"others set the aliases of '{ledger.name}' otherwise, {ATTEMPTS} times; do you share `registry.yml`?"
    )


def reconcile(ledger: Ledger, reader: Reader, writer: Writer, spec: RegistrySpec, actor: str) -> Event | None:
    """Set the aliases and the mark of the last event right, and write down which aliases were wrong; None when none."""
    changed = project(ledger, reader, writer, spec)
    ledger.mark()
    if not changed:
        return None
    return ledger.transact(lambda _: Reconciled(actor=actor, reason="aliases set right", aliases=changed))
