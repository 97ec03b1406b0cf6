"""Gates on what the evaluation of a version says."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from modelmill.errors import GateError
from modelmill.registry.gates.base import Case
from modelmill.registry.gates.quality import SECTIONS, card, floors, overlap
from modelmill.registry.version_files import Subject
from modelmill.specs.product import ProductSpec
from modelmill.specs.registry import Gate, OverlapGate
from tests.registry.conftest import BACKBONE, PRODUCT


def judged(folder: Path, report: dict[str, Any], **product: Any) -> Case:
    """A version with this evaluation."""
    (folder / "evaluation.json").write_text(json.dumps(report))
    spec = ProductSpec.model_validate({**PRODUCT.model_dump(mode="json"), **product})
    return Case(
        subject=Subject("mood", 1, "", "", "r", folder, folder), incumbent=None, product=spec, backbone=BACKBONE,
        stage="staging", root=folder, test=folder, test_uses=lambda: 1,
    )  # fmt: skip


def test_a_trained_version_meets_them(case: Case) -> None:
    """Floor, overlap and card of what `kedro run` registered."""
    findings = floors(Gate(), case), overlap(OverlapGate(), case), card(Gate(), case)
    assert [finding.status for finding in findings] == ["pass"] * 3
    assert findings[0].reason == "meets macro_f1 >= 0.6"
    assert findings[1].reason == "0 of 23 test texts in its training and 0 of 23 test texts in its backbone corpus"


@pytest.mark.parametrize(
    ("bounds", "status", "reason"),
    [
        ([{"metric": "accuracy", "at_least": 0.8}], "pass", "meets accuracy >= 0.8"),
        ([{"metric": "accuracy", "at_least": 0.81}], "fail", "misses accuracy >= 0.81 (is 0.8)"),
        (
            [{"metric": "accuracy", "at_least": 0.1}, {"metric": "calibration_error", "at_most": 0.05}],
            "fail",
            "misses calibration_error <= 0.05 (is 0.1)",
        ),
        ([{"metric": "macro_f1", "at_least": 0.1}], "fail", "cannot tell: the evaluation has no macro_f1"),
        (None, "warn", "the product declares no `gates: {staging: ...}`"),
    ],
)
def test_floors(tmp_path: Path, bounds: list[dict[str, Any]] | None, status: str, reason: str) -> None:
    """At the bound is enough; all that are missed are named; none at all is worth a warning."""
    metrics = {"accuracy": {"value": 0.8, "low": 0.7, "high": 0.9}, "calibration_error": {"value": 0.1}}
    case = judged(tmp_path, {"metrics": metrics}, gates={"staging": bounds} if bounds else {})
    finding = floors(Gate(), case)
    assert (finding.status, finding.reason) == (status, reason)
    assert len(finding.evidence["floors"]) == sum(one["metric"] in metrics for one in bounds or ())


@pytest.mark.parametrize(
    ("leaks", "at_most", "status", "reason"),
    [
        ((1, 0), 0.0, "fail", "test texts were read before: 1 of 20 in its training; at most 0.0% may"),
        ((1, 0), 0.05, "pass", "1 of 20 test texts in its training and 0 of 20 test texts in its backbone corpus"),
        ((0, 2), 0.05, "fail", "test texts were read before: 2 of 20 in its backbone corpus; at most 5.0% may"),
        (
            (0, None),
            0.0,
            "warn",
            "0 of 20 test texts in its training; nobody knows what the backbone was pretrained on",
        ),
        ((3, None), 0.0, "fail", "test texts were read before: 3 of 20 in its training; at most 0.0% may"),
    ],
)
def test_overlap(tmp_path: Path, leaks: tuple[int, int | None], at_most: float, status: str, reason: str) -> None:
    """Of the training split and of the backbone's corpus; a corpus that nobody knows is worth a warning."""
    report = {"items": 20, "leaks": {"in_training": leaks[0], "in_backbone_corpus": leaks[1]}}
    finding = overlap(OverlapGate(at_most=at_most), judged(tmp_path, report))
    assert (finding.status, finding.reason) == (status, reason)


def test_overlap_with_what_a_backbone_goes_on_from(tmp_path: Path) -> None:
    """The corpus that was read here is known, that of its beginning is not."""
    leaks = {"in_training": 0, "in_backbone_corpus": 0, "not_looked_in": "hf://a/b"}
    finding = overlap(OverlapGate(), judged(tmp_path, {"items": 20, "leaks": leaks}))
    assert finding.status == "warn"
    assert finding.reason.endswith("nobody knows what `hf://a/b` was pretrained on")


@pytest.mark.parametrize("section", SECTIONS)
def test_a_card_without_a_section(tmp_path: Path, section: str) -> None:
    """Missing, or there without a text."""
    case = judged(tmp_path, {})
    for own in ("", f"## {section}\n\n"):
        text = "# Title\n\n" + own + "".join(f"## {one}\n\ntext\n\n" for one in SECTIONS if one != section)
        (tmp_path / "model_card.md").write_text(text)
        finding = card(Gate(), case)
        assert (finding.status, finding.reason) == ("fail", f"the card lacks its section '{section}'")


def test_a_product_that_says_nothing_of_itself(case: Case) -> None:
    """Its card would have the name of a task for a title."""
    finding = card(Gate(), replace(case, product=PRODUCT.model_copy(update={"description": ""})))
    assert (finding.status, finding.reason) == ("fail", "the card lacks `description` of the product")


def test_without_evidence_nobody_can_tell(tmp_path: Path) -> None:
    """One message that names the file."""
    case = judged(tmp_path, {})
    (tmp_path / "evaluation.json").unlink()
    with pytest.raises(GateError, match=r"^cannot tell: version 1 was registered without evaluation.json"):
        floors(Gate(), case)
    with pytest.raises(GateError, match=r"^cannot tell: version 1 was registered without model_card.md"):
        card(Gate(), case)
