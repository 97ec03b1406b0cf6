"""What others rely on."""

import json

import pytest

from modelmill.errors import DataError
from modelmill.registry.gates.contract import compatible, test_use
from modelmill.registry.gates.run import run_gates
from modelmill.registry.version_files import Subject
from modelmill.specs.registry import Gate, Gates, UseGate
from tests.registry.gates.conftest import SIGNATURE, Bench

use, test_use = test_use, None  # pytest would take the gate for a test


def sign(subject: Subject, **changes: str) -> None:
    """Another signature."""
    (subject.model / "MLmodel").write_text(json.dumps({"signature": SIGNATURE | changes}))


def label(subject: Subject, *labels: str) -> None:
    """Other labels."""
    (subject.model / "artifacts/model/product.json").write_text(json.dumps({"labels": labels}))


def test_order_makes_no_difference(bench: Bench) -> None:
    """Labels and output columns the other way round."""
    version, incumbent = bench.version(2, set()), bench.version(1, set())
    label(version, "pos", "neg")
    sign(version, outputs=json.dumps(json.loads(SIGNATURE["outputs"])[::-1]))
    found = compatible(Gate(), bench.case(version, incumbent))
    assert found.status == "pass"
    assert found.reason == "2 labels, 1 input and 2 output columns as in version 1"


def test_what_is_gone_and_what_is_new_is_named(bench: Bench) -> None:
    """A label renamed, an input that is needed now."""
    version, incumbent = bench.version(2, set()), bench.version(1, set())
    label(version, "pos", "negative")
    more = [{"type": "string", "name": "text", "required": True}, {"type": "long", "name": "stars", "required": False}]
    sign(version, inputs=json.dumps(more))
    found = compatible(Gate(), bench.case(version, incumbent))
    assert found.status == "fail"
    assert found.reason == "not as in version 1: labels: gone neg, new negative; inputs: new stars (long, optional)"


def test_a_version_without_signature_is_refused(bench: Bench) -> None:
    """There is nothing to compare."""
    version, incumbent = bench.version(2, set()), bench.version(1, set())
    (version.model / "MLmodel").write_text("{}")
    with pytest.raises(DataError, match="version 2 has no signature in MLmodel"):
        compatible(Gate(), bench.case(version, incumbent))


def test_a_worn_test_split_warns(bench: Bench) -> None:
    """Above the limit, and not at it."""
    case = bench.case(bench.version(1, set()), None)
    assert use(UseGate(warn_above=3), case).status == "pass"
    found = use(UseGate(warn_above=2), case)
    assert (found.status, found.evidence) == ("warn", {"test_uses": 3, "warn_above": 2})
    assert found.reason.startswith("3 version(s) were judged by this test split, this one included: more than 2")


def test_they_are_asked_by_their_names(bench: Bench) -> None:
    """All seven of this part, through the report; those that look at evidence that is missing fail with its name."""
    names = ["non_inferiority", "slices", "robustness", "calibration", "cost", "compatible", "test_use"]
    case = bench.case(bench.version(1, set()), None)
    results = run_gates(Gates.model_validate({name: {} for name in names}), case)
    assert [result.gate for result in results] == names
    statuses = {result.gate: result.status for result in results}
    assert statuses.pop("non_inferiority") == "fail"
    assert "without evaluation.json" in results[0].reason
    assert set(statuses.values()) == {"pass"}
