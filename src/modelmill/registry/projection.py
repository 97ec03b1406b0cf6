"""MLflow's aliases as a projection of the ledger: set after an event, and set right after a crash in between."""

from modelmill.errors import ConflictError, IntegrityError
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


def lost(name: str, chain: Chain, reader: Reader, spec: RegistrySpec) -> str | None:
    """What is wrong where nothing is written down, and yet aliases say that versions were promoted."""
    if chain.events or chain.problems:
        return None
    held = {alias: number for alias, number in reader.aliases(name).items() if alias in spec.holding_one}
    if not held:
        return None
    points = ", ".join(f"'{alias}' is version {number}" for alias, number in sorted(held.items()))
    return (
        f"it is empty, and yet aliases say that versions were promoted ({points}): it was deleted, or the aliases were "
        f"set before there was one. `kedro model reconcile {name} --new-ledger` begins a new one, in which "
        "every version is a candidate, and takes these aliases away."
    )


def moved(name: str, chain: Chain, reader: Reader, spec: RegistrySpec) -> Difference:
    """Aliases that somebody moved since they followed the last event; where they have yet to follow it there are none.

    After a crash between an event and its mark, what was moved cannot be told from what was left undone.
    """
    return differences(name, chain, reader, spec) if chain.events and chain.settled else {}


def project(ledger: Ledger, reader: Reader, writer: Writer, spec: RegistrySpec) -> Difference:
    """Make the aliases what the ledger says, then the mark that says so.

    Whoever sets an alias or the mark reads the ledger once more afterwards: another may have appended, and set it, in
    between. So the last one who sets it has seen the last event.

    Returns:
        what was changed.

    Raises:
        IntegrityError: when a stage holds a version that is gone from MLflow.
    """
    changed: Difference = {}
    for _ in range(ATTEMPTS):
        chain = ledger.read()
        if not chain.events:  # there is nothing yet that aliases could follow
            return changed
        wrong = differences(ledger.name, chain, reader, spec)
        if not wrong and chain.settled:
            return changed
        there = {None, *(row.number for row in reader.versions(ledger.name))}
        settable = {alias: pair for alias, pair in wrong.items() if pair[1] in there}
        if wrong and not settable:
            raise IntegrityError(
                f"'{ledger.name}': version {', '.join(str(number) for _, number in wrong.values())} of "
                f"{', '.join(wrong)} is gone from MLflow: bring it back from a backup, or withdraw it by "
                "`kedro model revoke`"
            )
        for alias, (found, number) in sorted(settable.items(), key=lambda item: item[1][1] is None):
            writer.set_alias(ledger.name, alias, number)
            changed[alias] = (changed.get(alias, (found,))[0], number)
        if not wrong:
            ledger.mark(chain)
    raise ConflictError(
        f"others set the aliases of '{ledger.name}' otherwise, {ATTEMPTS} times; do you share `registry.yml`?"
    )
