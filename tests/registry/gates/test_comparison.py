"""The gates that compare answers to the same records."""

import json
from typing import Any

import polars as pl
import pytest

from modelmill.errors import DataError
from modelmill.registry.gates.comparison import calibration, non_inferiority, slices
from modelmill.specs.registry import CalibrationGate, NonInferiorityGate, SlicesGate
from tests.registry.gates.conftest import Bench

SEES = SlicesGate(detectable=0.1)
"""Would see a loss of that size in each part of the bench."""
RULE = NonInferiorityGate(metric="accuracy", margin=0.03)


def test_an_equally_good_version_passes_and_says_by_what(bench: Bench) -> None:
    """Five records won, five lost, of 600: the predictions that were kept are compared, nothing is asked."""
    case = bench.case(bench.version(2, set(range(5))), bench.version(1, set(range(5, 10))))
    found = non_inferiority(RULE, case)
    assert found.status == "pass"
    assert found.reason == (
        "accuracy 0.992 against 0.992 of version 1 on the same 600 records: difference 0.000, at least -0.010 (95%), "
        "margin 0.030"
    )
    assert found.evidence["predictions"] == "kept with the versions"
    assert json.loads(json.dumps(found.evidence)) == found.evidence
    assert not bench.asked


def test_a_worse_version_fails(bench: Bench) -> None:
    """40 of 600 lost."""
    found = non_inferiority(RULE, bench.case(bench.version(2, set(range(40))), bench.version(1, set())))
    assert found.status == "fail"
    assert found.reason.endswith("margin 0.030: it is worse")


def test_the_products_metric_is_the_default(bench: Bench) -> None:
    """macro_f1, by the bootstrap."""
    case = bench.case(bench.version(2, set(range(5))), bench.version(1, set(range(5, 10))))
    found = non_inferiority(NonInferiorityGate(margin=0.03), case)
    assert (found.status, found.evidence["metric"]) == ("pass", "macro_f1")


def test_a_metric_that_there_is_not_is_refused(bench: Bench) -> None:
    """With those that there are."""
    case = bench.case(bench.version(2, set()), bench.version(1, set()))
    with pytest.raises(DataError, match="is `f2`; expected one of accuracy, macro_f1"):
        non_inferiority(NonInferiorityGate(metric="f2"), case)


def test_too_small_a_test_set_cannot_tell(bench: Bench) -> None:
    """The same answers to 600 records, and a margin of 0.001: the reason says how many records would do."""
    found = non_inferiority(
        NonInferiorityGate(metric="accuracy", margin=0.001),
        bench.case(bench.version(2, set()), bench.version(1, set())),
    )
    assert found.status == "fail"
    assert found.reason.startswith("cannot tell: accuracy 1.000 against 1.000")
    assert "They answer 0 records differently, which may be up to 0.5% of all" in found.reason
    assert found.reason.endswith("records would do")


def test_another_test_split_is_answered_by_both(bench: Bench) -> None:
    """The incumbent was judged by other records: both answer the present ones, once for all three gates."""
    case = bench.case(bench.version(2, {0}), bench.version(1, {1}, judged_on="other"))
    every = (non_inferiority(RULE, case), slices(SEES, case), calibration(CalibrationGate(), case))
    for found in every:
        assert (found.status, found.evidence["predictions"]) == ("pass", "predicted now, for both")
    assert bench.asked == [(2, 600), (1, 600)]


def test_predictions_that_were_not_kept_are_made(bench: Bench) -> None:
    """A version from before predictions were kept."""
    case = bench.case(bench.version(2, {0}), bench.version(1, {1}, kept=False))
    assert non_inferiority(RULE, case).evidence["predictions"] == "predicted now, for both"


@pytest.mark.parametrize("there", [True, False])
def test_without_the_right_test_records_nothing_is_compared(bench: Bench, there: bool) -> None:
    """They are not on the disk, or are others: 'skip', which stops a required gate."""
    version = bench.version(2, set(), judged_on="mine" if there else "")
    case = bench.case(version, bench.version(1, set(), judged_on="other"))
    if not there:
        case.test.unlink()
    found = non_inferiority(RULE, case)
    assert found.status == "skip"
    assert ("are not those that version 2 was judged by" if there else "are not on this disk") in found.reason


def test_evidence_of_other_records_is_refused(bench: Bench) -> None:
    """Predictions that were changed after registration."""
    version, incumbent = bench.version(2, set()), bench.version(1, set())
    path = incumbent.evidence / "predictions.parquet"
    pl.read_parquet(path).reverse().write_parquet(path)
    with pytest.raises(DataError, match="of other records"):
        non_inferiority(RULE, bench.case(version, incumbent))


def test_a_label_more_can_be_compared(bench: Bench) -> None:
    """The incumbent knows a label that the version does not (what `compatible` objects to)."""
    version, incumbent = bench.version(2, set()), bench.version(1, set())
    path = incumbent.evidence / "predictions.parquet"
    pl.read_parquet(path).with_columns(p_mixed=pl.lit(0.05)).write_parquet(path)
    assert non_inferiority(RULE, bench.case(version, incumbent)).status == "pass"


def report(items: int, low: float, high: float, **other: Any) -> str:
    """An evaluation with one baseline."""
    figure = {
        "metrics": {"macro_f1": {"value": 0.8}},
        "difference": {"value": (low + high) / 2, "low": low, "high": high},
    }
    return json.dumps(
        {"metric": "macro_f1", "items": items, "confidence": 0.95, "metrics": {"macro_f1": {"value": 0.85}}}
        | {"baselines": {"majority": figure, "linear": figure}}
        | other
    )


@pytest.mark.parametrize(
    ("items", "low", "high", "status", "words"),
    [
        (
            1771,
            0.02,
            0.08,
            "pass",
            "a first version, so compared with the baselines: macro_f1 0.850 against majority 0.800",
        ),
        (1771, -0.01, 0.03, "pass", "(difference at least -0.010)"),
        (1771, -0.05, 0.03, "fail", "cannot tell: "),
        (20, 0.0, 0.0, "fail", "cannot tell: "),
        (1771, -0.09, -0.05, "fail", "a first version, so compared"),
    ],
)
def test_a_first_version_is_compared_with_the_baselines(
    bench: Bench, items: int, low: float, high: float, status: str, words: str
) -> None:
    """By the paired intervals of its evaluation; 20 records tell nothing, whatever their interval."""
    version = bench.version(1, set())
    (version.evidence / "evaluation.json").write_text(report(items, low, high))
    found = non_inferiority(NonInferiorityGate(margin=0.03), bench.case(version, None))
    assert found.status == status
    assert words in found.reason
    assert found.reason.startswith("cannot tell") == (words == "cannot tell: ")


def test_a_first_version_by_other_rules_than_its_evaluation_is_refused(bench: Bench) -> None:
    """Another metric, or more confidence than the stored intervals have: the user is told what to declare."""
    version = bench.version(1, set())
    (version.evidence / "evaluation.json").write_text(report(1771, 0.0, 0.1))
    for rule, words in ((RULE, "evaluation.metric"), (NonInferiorityGate(confidence=0.99), "evaluation.confidence")):
        with pytest.raises(DataError, match=words):
            non_inferiority(rule, bench.case(version, None))


def test_a_loss_in_one_part_is_named_with_its_records(bench: Bench) -> None:
    """20 of the 300 negative records are lost, as many positive ones won: the whole is as good as before."""
    case = bench.case(bench.version(2, set(range(0, 40, 2))), bench.version(1, set(range(1, 41, 2))))
    assert non_inferiority(NonInferiorityGate(metric="accuracy", margin=0.05), case).status == "pass"
    found = slices(SlicesGate(by=["label"]), case)
    assert found.status == "fail"
    assert "worse than version 1 on label neg: accuracy 0.933 against 1.000 of 300 records" in found.reason
    assert found.reason.endswith("20 records that version 1 had right are wrong now")
    assert found.evidence["negative_flips"] == [f"r{i:04}" for i in range(0, 40, 2)]
    assert "Book" not in json.dumps(found.evidence)


def test_parts_by_text_need_the_texts(bench: Bench) -> None:
    """By length and source the test records are read; by label alone they need not be there."""
    case = bench.case(bench.version(2, {0}), bench.version(1, {1}))
    found = slices(SlicesGate(by=["label", "length", "source"], detectable=0.1), case)
    assert found.status == "pass"
    assert [part["name"].split()[0] for part in found.evidence["parts"]] == ["label"] * 2 + ["length"] * 3 + [
        "source"
    ] * 2
    assert "none of 7 parts is shown to be worse" in found.reason
    assert "a loss would have been seen with 80% from" in found.reason
    case.test.unlink()
    assert slices(SlicesGate(by=["length"]), case).status == "skip"
    assert slices(SlicesGate(by=["label"], detectable=0.1), case).status == "pass"


def test_a_part_that_would_hide_a_loss_makes_slices_warn(bench: Bench) -> None:
    """200 records of each length cannot show a loss of 3 points, which is named; of 301 wanted ones none is tested."""
    case = bench.case(bench.version(2, {0}), bench.version(1, {1}))
    found = slices(SlicesGate(by=["label", "length"], detectable=0.03), case)
    assert found.status == "warn"
    assert found.reason.startswith("cannot tell: a loss of 3.0% would not have been found with 80% on label neg (from ")
    assert "none of 5 parts is shown to be worse" in found.reason
    assert len(found.evidence["parts"]) == 5
    small = slices(SlicesGate(by=["label", "length"], detectable=0.5, min_items=250), case)
    assert small.status == "warn"
    for part in found.evidence["parts"][2:]:
        assert f"{part['name']} ({part['items']} records)" in small.reason
    assert "label neg (" not in small.reason


def test_parts_that_are_all_too_small_cannot_tell(bench: Bench) -> None:
    """301 records are wanted of each label, there are 300."""
    found = slices(
        SlicesGate(by=["label"], min_items=301), bench.case(bench.version(2, set()), bench.version(1, set()))
    )
    assert (found.status, found.reason) == ("fail", "cannot tell: no part has 301 records")


@pytest.mark.parametrize(("wrong", "status"), [(0, "pass"), (9, "warn"), (60, "fail")])
def test_calibration_by_the_difference(bench: Bench, wrong: int, status: str) -> None:
    """All are 90% sure. The incumbent is right in 90 of 100; a version that is right in fewer is off by as much."""
    version = bench.version(2, set(range(60 + wrong)))
    found = calibration(CalibrationGate(margin=0.02), bench.case(version, bench.version(1, set(range(60)))))
    assert found.status == status
    assert f"difference {wrong / 600:.3f}, at most" in found.reason


@pytest.mark.parametrize(("gate", "rule"), [(slices, SlicesGate()), (calibration, CalibrationGate())])
def test_a_first_version_has_nothing_to_be_compared_with(bench: Bench, gate: Any, rule: Any) -> None:
    """It passes, and says why."""
    found = gate(rule, bench.case(bench.version(1, set()), None))
    assert (found.status, found.reason) == ("pass", "a first version: nothing to be compared with")
