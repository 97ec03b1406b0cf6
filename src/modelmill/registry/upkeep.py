"""Looking after what is registered: is it whole, do aliases follow, what may go, and all that is known of a version."""

import tempfile
from dataclasses import asdict, dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

from modelmill.registry.approvals import standing
from modelmill.registry.events import Event, now
from modelmill.registry.exports.facts import Facts, read_facts
from modelmill.registry.office import Office, Want, begin, tell
from modelmill.registry.projection import Difference
from modelmill.registry.readers import VersionRow
from modelmill.registry.summary import version_details
from modelmill.registry.view import Ref, find_version, named_stages, view, whole


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


def mend(office: Office, name: str, want: Want) -> Mended:
    """Write into the ledger what it does not know, let the aliases follow, deliver what is in the outbox."""
    from modelmill.registry.projection import reconcile

    before = view(office.desk, name)
    if want.dry_run:
        return Mended(sorted(before.unrecorded), before.drift)
    desk, event = office.desk, None
    if before.state.registered:  # else there is no ledger yet that aliases could follow
        event = reconcile(desk.ledger(name), desk.reader, desk.writer, desk.spec, want.by.actor)
    after = begin(office, name, want)
    tell(office, name, event)
    return Mended(sorted(before.unrecorded - after.unrecorded), before.drift, event)


def collect_garbage(office: Office, name: str, want: Want, age: timedelta) -> list[int]:
    """Delete versions that no stage, request or recent event needs.

    Returns:
        the versions that were deleted, or would be.
    """
    from modelmill.registry.collect import collect

    found = begin(office, name, want)
    gone: list[int] = collect(office.desk, found.name, want.by, age, dry_run=want.dry_run)
    if not want.dry_run:
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
