"""Judging a version for a stage, in an MLflow of its own."""

import hashlib
import json
from dataclasses import replace
from pathlib import Path

import polars as pl
import pytest

from modelmill.errors import IntegrityError, NotFoundError, TransitionError
from modelmill.registry import judge as judging
from modelmill.registry import verbs
from modelmill.registry.desk import Desk
from modelmill.registry.events import now
from modelmill.registry.fetch import read_text
from modelmill.registry.gates import run
from modelmill.registry.gates.base import Case, Declared, Finding
from modelmill.registry.judge import judge, known_report, read_report, report_path
from modelmill.registry.register import adopt
from modelmill.registry.store import connected
from modelmill.specs.registry import RegistrySpec
from tests.registry.conftest import BACKBONE, PRODUCT, Registry

STAGES = {
    "candidate": {},
    "staging": {"from": "candidate", "gates": {"digest": {}, "floors": {}, "overlap": {}, "card": {}}},
    "archived": {"from": "staging"},
}


@pytest.fixture
def desk(registry: Registry, tmp_path: Path) -> Desk:
    """Two versions of the same files are candidates."""
    own = replace(registry, desk=Desk(registry.desk.settings, RegistrySpec.model_validate({"stages": STAGES})))
    desk = own.copy(tmp_path, 2)
    adopt(desk, "mood", "ann")
    return desk


@pytest.fixture
def declared(registry: Registry) -> Declared:
    """The product as it is declared."""
    root = registry.project.root
    test = root / "data/03_primary/mood/test.parquet"
    return Declared(product=PRODUCT, backbone=BACKBONE, root=root, test=test)


def by(actor: str) -> verbs.By:
    """Somebody, now."""
    return verbs.By(actor, "", now())


def request(desk: Desk, judged: verbs.Judged) -> None:
    """Ask for approvals."""
    desk.act("mood", lambda state: verbs.request(state, desk.spec, judged, by("ann")))


def enter(desk: Desk, judged: verbs.Judged) -> None:
    """Let a version enter."""
    desk.act("mood", lambda state: verbs.promote(state, desk.spec, judged, by("ann"), "any", lambda *_: True))


def report_file(desk: Desk, version: int) -> Path:
    """The report that was kept, where MLflow has it."""
    run_id = desk.row("mood", version).run_id
    (path,) = (Path(desk.settings.artifacts) / str(run_id) / "artifacts/gates").iterdir()
    return path


def test_a_version_is_judged(desk: Desk, declared: Declared) -> None:
    """Every gate answers, and the report is kept with the run under its hash."""
    judged, report = judge(desk, "mood", 1, "staging", declared)
    assert [(result.gate, result.status) for result in report.results] == [
        ("digest", "pass"), ("floors", "pass"), ("overlap", "pass"), ("card", "pass"),
    ]  # fmt: skip
    policy = verbs.policy_hash(desk.spec, "staging", PRODUCT.floors("staging"))
    assert judged == verbs.Judged(1, "staging", None, policy, report.hash, True)
    path = report_file(desk, 1)
    assert f"gates/{path.name}" == report_path("staging", report.hash)
    text = path.read_text()
    assert hashlib.sha256(text.encode()).hexdigest() == judged.report
    assert json.loads(text)["passed"] is True
    assert read_report(text) == report


def test_a_version_that_fails(desk: Desk, declared: Declared) -> None:
    """Other gates are asked all the same; verbs refuse it; the floors are part of the rules."""
    product = PRODUCT.model_copy(update={"description": ""})
    judged, report = judge(desk, "mood", 1, "staging", replace(declared, product=product))
    assert [result.status for result in report.results] == ["pass", "pass", "pass", "fail"]
    assert not judged.passed
    assert json.loads(report_file(desk, 1).read_text())["passed"] is False
    floors = {"staging": [PRODUCT.floors("staging")[0].model_copy(update={"at_least": 0.99})]}
    stricter = PRODUCT.model_copy(update={"gates": floors})
    assert judge(desk, "mood", 1, "staging", replace(declared, product=stricter))[0].policy != judged.policy


def test_gates_see_the_incumbent(desk: Desk, declared: Declared, monkeypatch: pytest.MonkeyPatch) -> None:
    """What the stage holds, with its files; how often the test split was used, by lineages that are read when asked."""
    seen: list[Case] = []
    read: list[str] = []
    monkeypatch.setattr(judging, "read_text", lambda *given: read.append(given[2]) or read_text(*given))
    monkeypatch.setitem(run.CHECKS, "card", lambda _, case: seen.append(case) or Finding("pass", ""))
    enter(desk, judge(desk, "mood", 1, "staging", declared)[0])
    judged, report = judge(desk, "mood", 2, "staging", declared)
    assert (judged.incumbent, report.incumbent) == (1, 1)
    first, second = seen
    assert first.incumbent is None
    assert read == []
    assert first.test_uses() == 2
    assert read == ["lineage.json"] * 2
    assert second.incumbent is not None
    assert second.incumbent.version == 1
    assert second.incumbent.model != second.subject.model
    assert second.stage == "staging"


def test_what_gates_believe_unseen_is_checked(desk: Desk, declared: Declared) -> None:
    """Evidence of the incumbent; that of the version where no gate `digest` is asked, which would tell it."""

    def edit(version: int) -> None:
        run_id = desk.row("mood", version).run_id
        path = Path(desk.settings.artifacts) / f"{run_id}/artifacts/predictions.parquet"
        pl.read_parquet(path).with_columns(predicted=pl.lit("x")).write_parquet(path)

    enter(desk, judge(desk, "mood", 1, "staging", declared)[0])
    edit(2)
    judged, report = judge(desk, "mood", 2, "staging", declared)
    assert (judged.passed, report.results[0].reason) == (False, "not as registered: evidence")
    with pytest.raises(IntegrityError, match="evidence of version 2 of 'mood' are not as they were registered"):
        judge(desk, "mood", 2, "archived", declared)
    edit(1)
    with pytest.raises(IntegrityError, match="evidence of version 1 of 'mood' are not as they were registered"):
        judge(desk, "mood", 2, "staging", declared)


def test_an_open_request_is_not_judged_again(desk: Desk, declared: Declared) -> None:
    """As long as rules and incumbent are the same, and the report is there."""
    assert known_report(desk, "mood", 1, "staging", PRODUCT) is None
    judged, report = judge(desk, "mood", 1, "staging", declared)
    request(desk, judged)
    assert known_report(desk, "mood", 1, "staging", PRODUCT) == (judged, report)
    assert known_report(desk, "mood", 1, "staging", PRODUCT.model_copy(update={"gates": {}})) is None
    path = report_file(desk, 1)
    path.rename(path.with_suffix(".away"))
    assert known_report(desk, "mood", 1, "staging", PRODUCT) is None
    path.with_suffix(".away").rename(path)
    enter(desk, judge(desk, "mood", 2, "staging", declared)[0])
    assert known_report(desk, "mood", 1, "staging", PRODUCT) is None


def test_what_changed_since_a_request_is_an_error(desk: Desk, declared: Declared, tmp_path: Path) -> None:
    """The report, the files or the evidence."""
    judged, _ = judge(desk, "mood", 1, "staging", declared)
    request(desk, judged)
    run_id = desk.row("mood", 1).run_id
    more, evaluation = (
        tmp_path / "model-0/more.json",
        Path(desk.settings.artifacts) / f"{run_id}/artifacts/evaluation.json",
    )
    for path, what in ((report_file(desk, 1), "gate report"), (more, "files"), (evaluation, "evidence")):
        before = path.read_text() if path.exists() else ""
        path.write_text(before.replace("0.6", "0.5") + " ")
        with pytest.raises(IntegrityError, match=f"since version 1 of 'mood' was asked for, its {what} changed"):
            known_report(desk, "mood", 1, "staging", PRODUCT)
        path.write_text(before) if before else path.unlink()
    assert known_report(desk, "mood", 1, "staging", PRODUCT)


def test_what_cannot_be_judged(desk: Desk, declared: Declared) -> None:
    """A stage or a version that is not there."""
    with pytest.raises(TransitionError, match="no stage 'prod'; expected one of candidate, staging, archived"):
        judge(desk, "mood", 1, "prod", declared)
    with pytest.raises(NotFoundError, match="no version 3"):
        judge(desk, "mood", 3, "staging", declared)
    with connected(desk.settings) as client:
        client.create_model_version("mood", "/no/such/folder")
    adopt(desk, "mood", "ann")
    with pytest.raises(NotFoundError, match="no version 3"):
        judge(desk, "mood", 3, "staging", declared)
