"""Whether everything is still as it was written: the ledger, MLflow's versions, aliases and tags, and the files."""

import hashlib
import struct
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from modelmill.digest import folder_digest, tensor_digest
from modelmill.errors import NotFoundError, UserError
from modelmill.registry.approvals import unapproved
from modelmill.registry.desk import Desk
from modelmill.registry.events import Promoted, Registered, Requested
from modelmill.registry.evidence import evidence_digest
from modelmill.registry.fetch import GATES
from modelmill.registry.ledger import HEAD, SUFFIX, Chain
from modelmill.registry.notify import CURSOR
from modelmill.registry.projection import differences
from modelmill.registry.readers import VersionRow
from modelmill.registry.state import fold
from modelmill.registry.version_files import weights

FilesOf = Callable[[VersionRow], Path]
"""The folder that MLflow logged of a version, on this disk; raises `UserError` when it cannot be had."""

EvidenceOf = Callable[[str], Path]
"""The folder of what is kept with a run, on this disk; raises `UserError` when it cannot be had."""

LOOKS, PAUSE = 10, 0.5
"""How often to look again as long as something is found, and seconds in between; once is enough if it stays."""

RESTORE = "find out who changed it, and bring it back from a backup"


@dataclass(frozen=True)
class Problem:
    """Something that is not as it was written."""

    what: str
    where: str
    expected: str
    todo: str


def verify(
    desk: Desk, root: Path, name: str, files_of: FilesOf | None, evidence_of: EvidenceOf | None
) -> list[Problem]:
    """Everything that is wrong with a model; nothing is changed.

    What is wrong with ledger, aliases and approvals is looked at again a moment later: while an event is being written
    its mark and its aliases are behind it.

    A ledger whose every event was written again, mark and all, holds together and is not noticed; signed approvals and
    what was sent to others by notifications tell it.

    Args:
        desk: of the registry.
        root: the project's folder, with the keys of those who approve.
        name: of the model.
        files_of: gives the files of a version; None leaves them unread.
        evidence_of: gives the evidence of a run; None leaves it unread.

    Returns:
        problems, those of the ledger first; of a ledger that is not whole, aliases and approvals are not judged.

    Raises:
        NotFoundError: when there is no such model and no ledger of it.
        RegistryError: when MLflow cannot be reached.
    """
    if name not in (names := desk.names()):
        raise NotFoundError(f"there is no model '{name}'; there are {', '.join(names) or 'none'}")
    seen = _look(desk, root, name)
    for _ in range(LOOKS):
        if not seen.problems:
            break
        time.sleep(PAUSE)
        before, seen = seen, _look(desk, root, name)
        if seen.problems == before.problems:
            break
    state, found = fold(seen.chain.events, desk.spec), list(seen.problems)
    reports = _reports(seen.chain, {state.holder(stage) for stage in desk.spec.stages if stage != desk.spec.retired})
    for number, event in state.registered.items():
        if number not in seen.rows or number in state.collected:
            continue
        where = f"{name}@{number}"
        if files_of:
            found += _of_the_files(where, event, seen.rows[number], files_of)
        if evidence_of and event.run_id and event.evidence:
            found += _of_the_evidence(where, event, reports.get(number, {}), evidence_of)
    return found


@dataclass(frozen=True)
class _Seen:
    """What MLflow's registry held, and what of it is wrong."""

    chain: Chain
    rows: dict[int, VersionRow]
    problems: list[Problem]


def _look(desk: Desk, root: Path, name: str) -> _Seen:
    gone = [Problem("the model is gone from MLflow", name, "a registered model of this name", RESTORE)]
    found = [] if name in desk.reader.names() else gone
    sent = desk.reader.tags(name + SUFFIX).get(CURSOR, "0")  # before the ledger, which is at least as long afterwards
    chain = desk.ledger(name).inspect()
    rows = {row.number: row for row in desk.reader.versions(name)}
    found += [*_of_the_ledger(name, chain, sent), *_of_the_versions(desk, name, chain, rows)]
    if not chain.problems:
        found += [*_of_the_aliases(desk, name, chain), *_of_the_approvals(desk, root, name, chain)]
    return _Seen(chain, rows, found)


def _reports(chain: Chain, held: set[int | None]) -> dict[int, dict[str, int]]:
    """Of versions that a stage holds, the gate reports that events name by their hash: report to event."""
    named: dict[int, dict[str, int]] = {}
    for event in chain.events:
        if isinstance(event, Promoted | Requested) and event.version in held:
            named.setdefault(event.version, {}).setdefault(event.report, event.seq)
    return named


def _of_the_ledger(name: str, chain: Chain, sent: str) -> Iterator[Problem]:
    where = name + SUFFIX
    for problem in chain.problems:
        yield Problem(problem, where, "events that each hold the hash of the one before", RESTORE)
    last = chain.events[-1] if chain.events else None
    if last and not chain.problems and chain.marked != f"{last.seq} {last.hash}":
        yield Problem(
            f"the tag `{HEAD}` is '{chain.marked}'", where, f"'{last.seq} {last.hash}', which is the last event",
            f"a process was killed, or the tag was edited: `kedro model reconcile {name}` sets it",
        )  # fmt: skip
    if not chain.problems and not (sent.isdecimal() and int(sent) <= (last.seq if last else 0)):
        yield Problem(
            f"the tag `{CURSOR}` is '{sent}'", where, "the number of the last event that others were told of",
            f"later events were deleted, or the tag was edited: {RESTORE}",
        )  # fmt: skip


def _of_the_versions(desk: Desk, name: str, chain: Chain, rows: dict[int, VersionRow]) -> Iterator[Problem]:
    state = fold(chain.events, desk.spec)
    for number, event in state.registered.items():
        where = f"{name}@{number}"
        if number in state.collected:
            continue
        if number not in rows:
            yield Problem("the version is gone from MLflow", where, "a version, since it was not collected", RESTORE)
            continue
        row = rows[number]
        for what, is_, should in (
            ("tag `digest`", row.tags.get("digest"), event.digest),
            ("tag `product`", row.tags.get("product"), name),
            ("run", row.run_id, event.run_id),
        ):
            if is_ != should:
                yield Problem(f"the {what} is '{is_}'", where, f"'{should}'", "find out who edited it, and set it back")
    for number in sorted(rows.keys() - state.registered.keys() if not chain.problems else ()):
        yield Problem(
            "the version is in MLflow, and the ledger does not know it", f"{name}@{number}", "an event `registered`",
            "a process was killed while it registered, or somebody made it by hand: find out, then let "
            f"`kedro model reconcile {name}` take it in, or delete it in MLflow",
        )  # fmt: skip
    for number in sorted(rows.keys() & state.collected):
        yield Problem(
            "the version was to be deleted, and is still there", f"{name}@{number}", "no such version",
            f"a process was killed while it deleted: `kedro model gc {name}` goes on",
        )  # fmt: skip


def _of_the_aliases(desk: Desk, name: str, chain: Chain) -> Iterator[Problem]:
    for alias, (is_, should) in differences(name, chain, desk.reader, desk.spec).items():
        yield Problem(
            f"the alias points to {_shown(is_)}", f"{name}@{alias}", _shown(should),
            f"find out who moved it; `kedro model reconcile {name}` sets it right",
        )  # fmt: skip


def _of_the_approvals(desk: Desk, root: Path, name: str, chain: Chain) -> Iterator[Problem]:
    for stage, why in unapproved(root, desk.spec, name, chain.events).items():
        yield Problem(
            why, f"{name}@{stage}", "the approvals that `registry.yml` wants",
            "promote a version that has them; if the rules were never otherwise, find out who wrote the event",
        )  # fmt: skip


def _of_the_files(where: str, event: Registered, row: VersionRow, files_of: FilesOf) -> Iterator[Problem]:
    try:
        folder = files_of(row)
    except UserError as error:
        yield Problem("the files cannot be had", where, "files as they were registered", error.message)
        return
    if (is_ := folder_digest(folder)) == event.files:
        return
    try:
        found = tensor_digest(weights(folder))
    except (OSError, ValueError, KeyError, AssertionError, struct.error):
        found = "unreadable"
    if found != event.digest:
        yield Problem(f"the digest of the weights is {found}", where, event.digest, RESTORE)
    else:
        yield Problem(f"a file beside the weights is not as it was: all files have {is_}", where, event.files, RESTORE)


def _of_the_evidence(
    where: str, event: Registered, reports: dict[str, int], evidence_of: EvidenceOf
) -> Iterator[Problem]:
    assert event.run_id
    assert event.evidence
    try:
        folder = evidence_of(event.run_id)
        is_ = evidence_digest(folder)
    except UserError as error:
        yield Problem("the evidence cannot be had", where, "evidence as it was registered", error.message)
        return
    if is_ != event.evidence:
        what = f"what the version is judged by is not as it was: the evidence has {is_}"
        yield Problem(what, where, event.evidence, RESTORE)
    there = {hashlib.sha256(path.read_bytes()).hexdigest() for path in (folder / GATES).glob("*.json")}
    for report, seq in reports.items():
        if report not in there:
            yield Problem(f"the gate report of event {seq} is gone, or was edited", where, report, RESTORE)


def _shown(version: int | None) -> str:
    return "nothing" if version is None else f"version {version}"
