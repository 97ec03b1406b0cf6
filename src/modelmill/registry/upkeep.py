"""Looking after what is registered: is it whole, do aliases follow, what may go, and all that is known of a version."""

import tempfile
from dataclasses import asdict, dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any, cast

from modelmill.registry.approvals import standing
from modelmill.registry.desk import Desk
from modelmill.registry.events import Event, Reconciled, now
from modelmill.registry.exports.facts import Facts, read_facts
from modelmill.registry.ledger import Chain
from modelmill.registry.office import Office, Want, begin, tell
from modelmill.registry.projection import Difference
from modelmill.registry.readers import VersionRow
from modelmill.registry.summary import version_details
from modelmill.registry.view import Ref, find_version, named_stages, whole


@dataclass(frozen=True)
class Mended:
    """What was set right, or would be: versions that came into the ledger, and aliases as (found, should be)."""

    adopted: list[int]
    aliases: Difference
    event: Event | None = None


def problems_of(office: Office, name: str) -> list[dict[str, str]]:
    """Everything of a model that is not as it was written: what, where, what was expected, what to do."""
    from modelmill.registry.fetch import evidence_folder, model_folder
    from modelmill.registry.verify import verify

    desk = office.desk
    with tempfile.TemporaryDirectory() as scratch:

        def files_of(row: VersionRow) -> Path:
            return model_folder(desk.settings, name, row.number, Path(scratch, str(row.number)))

        def evidence_of(run_id: str) -> Path:
            return evidence_folder(desk.settings, run_id, Path(scratch, run_id))

        return [asdict(problem) for problem in verify(desk, office.root, name, files_of, evidence_of)]


def mend(office: Office, name: str, want: Want, *, new_ledger: bool = False) -> Mended:
    """Write into the ledger what it does not know, let the aliases follow, deliver what is in the outbox.

    Args:
        office: where that is done.
        name: of the model.
        want: who wants it, or only the plan.
        new_ledger: where the ledger is gone begin another one: every version is a candidate, and aliases of other
            stages go.

    Raises:
        IntegrityError: when the ledger is not whole, or is gone and no new one is wanted.
    """
    from modelmill.registry.register import adopt

    desk = office.desk
    begun = begin_again(desk, name, want) if new_ledger else None
    if begun and want.dry_run:
        return Mended([row.number for row in desk.reader.versions(name)], begun.aliases)
    found, aliases = whole(desk, name), desk.reader.aliases(name)
    if want.dry_run:
        return Mended(sorted(found.unrecorded), found.drift)
    event = begun or desk.act(name, lambda _: None, actor=want.by.actor).mended
    adopted = [one.version for one in adopt(desk, name, want.by.actor)]
    desk.act(name, lambda _: None, actor=want.by.actor)
    tell(office, name, event)
    after = desk.reader.aliases(name)
    pairs = {alias: (aliases.get(alias), after.get(alias)) for alias in desk.spec.stages}
    return Mended(adopted, {alias: pair for alias, pair in pairs.items() if pair[0] != pair[1]}, event)


def begin_again(desk: Desk, name: str, want: Want) -> Reconciled | None:
    """Begin a ledger where it is gone: its first event says which aliases of stages were found, and go.

    Returns:
        that event, or the plan of it; None where the ledger is there.
    """
    found: Difference = {
        alias: (number, None) for alias, number in desk.reader.aliases(name).items() if alias in desk.spec.holding_one
    }

    def decide(chain: Chain) -> Reconciled | None:
        if chain.events or not found:
            return None
        reason = f"a new ledger: {want.by.reason or 'the one before is gone'}"
        return Reconciled(actor=want.by.actor, reason=reason, aliases=found)

    ledger = desk.ledger(name)
    return decide(ledger.read()) if want.dry_run else cast("Reconciled | None", ledger.transact(decide))


def collect_garbage(office: Office, name: str, want: Want, age: timedelta) -> list[int]:
    """Delete versions that no stage, request or recent event needs.

    Returns:
        the versions that were deleted, or would be.
    """
    from modelmill.registry.collect import collect

    begin(office, name)
    if want.dry_run:
        gone: list[int] = collect(office.desk, name, want.by, age, dry_run=True)
        return gone
    office.desk.act(name, lambda _: None, actor=want.by.actor)  # aliases that were moved are written down first
    gone = collect(office.desk, name, want.by, age, dry_run=False)
    tell(office, name, None)
    return gone


def facts_about(office: Office, ref: Ref) -> Facts:
    """All that is known of a version; its files are downloaded where they are not on this disk.

    Raises:
        NotFoundError: when there is no such version.
        RegistryError: when its files are gone.
    """
    from modelmill.registry.fetch import fetch

    desk = office.desk
    found = whole(desk, ref.name)
    version = find_version(ref, found.state, named_stages(desk.spec))
    details: dict[str, Any] = version_details(found, version, desk, standing(office.root, desk.spec, ref.name))
    with tempfile.TemporaryDirectory() as scratch:
        row, registered = desk.row(ref.name, version), found.state.registered[version]
        subject = fetch(desk.settings, ref.name, row, registered, Path(scratch))
        return read_facts(details, now(), subject.model, subject.evidence)
