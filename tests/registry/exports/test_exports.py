"""Documents of a version."""

import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator

from modelmill.registry.events import now
from modelmill.registry.exports import FORMATS
from modelmill.registry.exports.facts import Facts, read_facts
from tests.cli.conftest import DIGESTS, START, write_version

DETAILS: dict[str, Any] = {
    "name": "mood", "version": 2, "stage": "production", "since": START, "ended": None, "digest": DIGESTS[2],
    "registered": START, "run_id": "r2", "git_commit": "c2", "git_dirty": "true", "environment_lock_sha256": "e" * 64,
    "metrics": {},
    "evidence": {"approvals": [{"actor": "bob", "time": START, "signature": "verified", "reason": "fine | good"}]},
    "events": [
        {"seq": 7, "kind": "promoted", "time": "2026-05-02T12:00:00Z", "actor": "ann", "reason": "",
         "what": "version 2: staging -> production", "version": 2, "stage": "production", "replaces": 1},
        {"seq": 9, "kind": "rolled_back", "time": "2026-05-04T12:00:00Z", "actor": "ann", "reason": "",
         "what": "back to version 2", "version": 2, "stage": "production", "replaces": 3},
    ],
}  # fmt: skip


@pytest.fixture
def facts(tmp_path: Path) -> Facts:
    """Version 2, with all that a version can have but the words of people."""
    subject = write_version(tmp_path, 2)
    return read_facts(DETAILS, now(), subject.model, subject.evidence)


@pytest.fixture
def bare(tmp_path: Path) -> Facts:
    """A version of which nothing but its number is known."""
    details = DETAILS | {"git_commit": None, "git_dirty": None, "environment_lock_sha256": None, "events": []}
    details |= {"evidence": {"approvals": []}, "run_id": None}
    return read_facts(details, now(), tmp_path / "no", tmp_path / "nothing")


def test_the_mlbom_is_valid_cyclonedx(facts: Facts, bare: Facts) -> None:
    """By the strict schema of CycloneDX 1.6, also where almost nothing is known."""
    validator = JsonStrictValidator(SchemaVersion.V1_6)
    with_words = replace(facts, declared={**facts.declared, "mood": {**facts.own, "card": {"intended_use": "x"}}})
    for one in (facts, bare, with_words):
        assert validator.validate_str(FORMATS["mlbom"](one)) is None
    broken = FORMATS["mlbom"](facts).replace('"machine-learning-model"', '"model"')
    assert validator.validate_str(broken) is not None


def test_the_mlbom_has_model_data_backbone_and_packages(facts: Facts) -> None:
    """Hashes of source files, digests of splits, licence, purl; every part is a dependency of the model."""
    bom = json.loads(FORMATS["mlbom"](facts))
    assert (bom["bomFormat"], bom["specVersion"]) == ("CycloneDX", "1.6")
    model = bom["metadata"]["component"]
    assert (model["type"], model["name"], model["version"]) == ("machine-learning-model", "mood", "2")
    assert model["licenses"] == [{"expression": "Apache-2.0"}]
    card = model["modelCard"]
    assert card["modelParameters"]["modelArchitecture"] == "ModernBertForSequence"
    assert [one["format"] for one in card["modelParameters"]["outputs"]] == ["label (any), of neg, pos"]
    (overall, *by_label) = card["quantitativeAnalysis"]["performanceMetrics"]
    assert overall == {
        "type": "macro_f1", "value": "0.72", "slice": "test split",
        "confidenceInterval": {"lowerBound": "0.6", "upperBound": "0.8"},
    }  # fmt: skip
    assert [one["slice"] for one in by_label] == ["label pos"] * 3
    parts = {part["bom-ref"]: part for part in bom["components"]}
    assert parts["source:reviews/pos.txt"]["hashes"] == [{"alg": "SHA-256", "content": "5" * 64}]
    assert "hashes" not in parts["split:train"]
    assert {"name": "modelmill:records_sha256", "value": "2" * 64} in parts["split:train"]["properties"]
    backbone = {one["name"]: one["value"] for one in parts["backbone:tiny"]["properties"]}
    assert backbone["modelmill:taken_from"] == "package://x/y"
    assert backbone["modelmill:corpus_sha256_0"] == "7" * 64
    assert parts["pkg:pypi/scikit-learn@1.9.0"]["name"] == "scikit_learn"
    assert {ref["ref"] for ref in card["modelParameters"]["datasets"]} == {"source:reviews/pos.txt", "split:train"}
    assert set(bom["dependencies"][0]["dependsOn"]) == set(parts)


@pytest.mark.parametrize(
    ("licence", "expected"),
    [
        ("MIT OR Apache-2.0", [{"expression": "MIT OR Apache-2.0"}]),
        ("our own terms, see below", [{"license": {"name": "our own terms, see below"}}]),
        ("unknown", None),
        (None, None),
    ],
)
def test_a_licence_is_an_expression_a_name_or_nothing(facts: Facts, licence: str | None, expected: Any) -> None:
    """What is not known is not claimed."""
    tiny = {"licence": licence}
    bom = json.loads(FORMATS["mlbom"](replace(facts, declared={**facts.declared, "tiny": tiny})))
    assert bom["metadata"]["component"].get("licenses") == expected


def test_annex_iv_has_its_nine_points(facts: Facts, bare: Facts) -> None:
    """In their order, whatever is known; a point of which nothing is known is to be written."""
    for one in (facts, bare):
        text = FORMATS["annex4"](one)
        headings = re.findall(r"^## (\d)\. .+$", text, flags=re.MULTILINE)
        assert headings == [str(i) for i in range(1, 10)]
        for point in re.split(r"^## \d\. ", text, flags=re.MULTILINE)[1:]:
            assert "**To be written by the provider:**" in point


def test_annex_iv_is_filled_from_the_evidence(facts: Facts) -> None:
    """Figures, data, origin, approvals and changes; what people wrote takes the place of what was to be written."""
    text = FORMATS["annex4"](facts)
    for known in (
        "Fine-tuned from the backbone `tiny` (licence: Apache-2.0; digest `6666",
        "commit `c2`, with changes that were not committed",
        "| macro_f1 | 0.720 | 0.600 to 0.800 |",
        f"| reviews/pos.txt | source file | `{'5' * 64}` |",
        "| staging | floors | pass | macro_f1 is 0.71 |",
        "| bob | 2026-05-01 12:00:00 UTC | signature verified | fine \\| good |",
        "in `production` it followed on version 1",
        "torch==2.13.2",
    ):
        assert known in text
    assert "the intended purpose." in text
    words = {"intended_use": "Sorting reviews.", "limitations": "Short texts.", "owner": "Shop team"}
    written = FORMATS["annex4"](replace(facts, declared={**facts.declared, "mood": {**facts.own, "card": words}}))
    assert "the intended purpose." not in written
    assert all(word in written for word in words.values())


def test_the_card_goes_on_with_what_the_registry_knows(facts: Facts, bare: Facts) -> None:
    """The evaluated card stays as it was; stage, approvals, gates and events follow."""
    text = FORMATS["card"](facts)
    assert text.startswith("# Mood of reviews\n\n## Registry\n\nVersion 2 of `mood` is in the stage `production`")
    assert "### Approvals" in text
    assert "### Gates of the registry" in text
    assert "This version has no model card." in FORMATS["card"](bare)
    assert "### Gates" not in FORMATS["card"](bare)
