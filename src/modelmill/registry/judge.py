"""Judging a version for a stage: its gates are asked, and the report is kept with its run."""

import hashlib
import json
import tempfile
from collections.abc import Iterable
from pathlib import Path

from modelmill.errors import IntegrityError, NotFoundError
from modelmill.registry.desk import Desk
from modelmill.registry.events import now
from modelmill.registry.evidence import LINEAGE
from modelmill.registry.fetch import GATES, fetch, read_text
from modelmill.registry.gates.base import Case, Declared
from modelmill.registry.gates.contents import changed
from modelmill.registry.gates.run import GateReport, Result, run_gates
from modelmill.registry.state import State
from modelmill.registry.store import log_text
from modelmill.registry.verbs import Judged, stands
from modelmill.registry.version_files import Subject, tested_on
from modelmill.specs.product import ProductSpec


def judge(
    desk: Desk, name: str, version: int, stage: str, declared: Declared, *, keep: bool = True
) -> tuple[Judged, GateReport]:
    """Ask the gates of a stage about a version, against what the stage holds.

    Args:
        desk: of the registry.
        name: of the model.
        version: that wants to enter.
        stage: that it wants to enter.
        declared: what the project says of the model.
        keep: the report, with the run of the version.

    Raises:
        NotFoundError: when the ledger does not know the version.
        TransitionError: when there is no such stage.
        IntegrityError: when files or evidence of the incumbent are not those of the ledger; or the version's, and no
            gate `digest` is there to say so.
        RegistryError: when files of the version or the incumbent cannot be had.
    """
    state, incumbent, policy = _stands(desk, name, version, stage, declared.product)
    with tempfile.TemporaryDirectory() as scratch:
        wanted = {version} if incumbent is None else {version, incumbent}
        subjects = {one: _subject(desk, name, one, state, Path(scratch)) for one in wanted}
        if desk.spec.stages[stage].gates.digest:  # it looks at the version, and then the report says what changed
            wanted -= {version}
        _check_unchanged([subjects[one] for one in sorted(wanted)])
        case = Case(
            subject=subjects[version],
            incumbent=None if incumbent is None else subjects[incumbent],
            stage=stage,
            test_uses=lambda: _test_uses(desk, state, subjects[version]),
            signing=desk.spec.signing,
            **vars(declared),
        )
        results = run_gates(desk.spec.stages[stage].gates, case)
    registered = state.registered[version]
    report = GateReport(name, version, registered.digest, stage, incumbent, policy, now().isoformat(), results)
    assert registered.run_id, "without a run there is no evidence"
    if keep:
        log_text(desk.settings, registered.run_id, report_path(stage, report.hash), report.text())
    return _judged(report, report.hash), report


def known_report(
    desk: Desk, name: str, version: int, stage: str, product: ProductSpec
) -> tuple[Judged, GateReport] | None:
    """The report that an open request is about, if it still holds: same rules, incumbent and files.

    Args:
        desk: of the registry.
        name: of the model.
        version: that wants to enter.
        stage: that it wants to enter.
        product: whose floors belong to the rules.

    Returns:
        None when nobody asked, the rules or the incumbent changed, or the report is gone: judge again.

    Raises:
        IntegrityError: when the report, or the files of the version, are not those of the request.
    """
    state, incumbent, policy = _stands(desk, name, version, stage, product)
    registered, asked = state.registered[version], state.request_for(version, stage, now())
    if asked is None or registered.run_id is None:
        return None
    about = (asked.event.policy, asked.event.incumbent, asked.event.digest)
    if about != (policy, incumbent, registered.digest):
        return None
    with tempfile.TemporaryDirectory() as scratch:
        try:
            text = read_text(desk.settings, registered.run_id, report_path(stage, asked.event.report), Path(scratch))
        except NotFoundError:
            return None
        wrong = changed(_subject(desk, name, version, state, Path(scratch)))
    if hashlib.sha256(text.encode()).hexdigest() != asked.event.report:
        wrong.append("gate report")
    if wrong:
        raise IntegrityError(f"since version {version} of '{name}' was asked for, its {', '.join(wrong)} changed")
    report = read_report(text)
    return _judged(report, asked.event.report), report


def report_path(stage: str, report: str) -> str:
    """Where a report is kept in the version's run; `report` is its hash."""
    return f"{GATES}/{stage}-{report[:12]}.json"


def read_report(text: str) -> GateReport:
    """A report from its file."""
    fields = json.loads(text)
    del fields["schema"], fields["passed"]
    return GateReport(**{**fields, "results": [Result(**result) for result in fields["results"]]})


def _stands(desk: Desk, name: str, version: int, stage: str, product: ProductSpec) -> tuple[State, int | None, str]:
    """What the ledger says, which version the stage holds that another would replace, and the hash of the rules."""
    state = desk.state(name)
    return state, *stands(state, desk.spec, version, stage, product.floors(stage))


def _subject(desk: Desk, name: str, version: int, state: State, scratch: Path) -> Subject:
    folder = scratch / str(version)
    return fetch(desk.settings, name, desk.row(name, version), state.registered[version], folder)


def _check_unchanged(subjects: Iterable[Subject]) -> None:
    """What gates believe without looking: raise `IntegrityError` when it is not as the ledger says."""
    for subject in subjects:
        if wrong := changed(subject):
            raise IntegrityError(
                f"{', '.join(wrong)} of version {subject.version} of '{subject.name}' are not as they were registered, "
                f"so nothing is compared with them; `kedro model verify {subject.name}` shows what is wrong"
            )


def _test_uses(desk: Desk, state: State, subject: Subject) -> int:
    """How many versions were judged by the test split of this one, by their lineage; also those that are deleted."""
    splits = {event.run_id: _test_split(desk, event.run_id) for event in state.registered.values()}
    return sum(splits[event.run_id] == subject.test_split for event in state.registered.values())


def _test_split(desk: Desk, run_id: str | None) -> str | None:
    if run_id is None:
        return None
    with tempfile.TemporaryDirectory() as scratch:
        try:
            return tested_on(read_text(desk.settings, run_id, LINEAGE, Path(scratch)))
        except NotFoundError:
            return None


def _judged(report: GateReport, hash_: str) -> Judged:
    return Judged(report.version, report.stage, report.incumbent, report.policy, hash_, report.passed)
