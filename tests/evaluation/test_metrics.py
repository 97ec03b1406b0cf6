"""Metrics against scikit-learn and against figures made by hand; intervals."""

import json
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from safetensors.numpy import save_file
from sklearn.metrics import f1_score, precision_recall_fscore_support

from modelmill.errors import DataError
from modelmill.evaluation.report import better, gate_passes, leak_report
from modelmill.records import table_digest
from modelmill.specs.kinds import TextClassificationSpec
from modelmill.specs.product import GateSpec
from modelmill.tasks.classes import ClassOutcome, label_table
from modelmill.tasks.outcome import Resampling, difference, metric_table

RNG = np.random.default_rng(0)
TRUE = RNG.integers(0, 3, 500)
PREDICTED = np.where(RNG.random(500) < 0.7, TRUE, RNG.integers(0, 3, 500))
OUTCOME = ClassOutcome(TRUE, PREDICTED, RNG.uniform(0.4, 1, 500), ["a", "b", "c"])
RESAMPLING = Resampling(500, 0.95, 0)


def test_figures_agree_with_scikit_learn() -> None:
    """Accuracy, macro-F1, weighted F1, and per-label precision and recall."""
    table = metric_table(OUTCOME, RESAMPLING)
    assert table["accuracy"]["value"] == pytest.approx((TRUE == PREDICTED).mean())
    assert table["macro_f1"]["value"] == pytest.approx(f1_score(TRUE, PREDICTED, average="macro"))
    assert table["weighted_f1"]["value"] == pytest.approx(f1_score(TRUE, PREDICTED, average="weighted"))
    precisions, recalls, _, support = precision_recall_fscore_support(TRUE, PREDICTED)
    labels = label_table(OUTCOME, RESAMPLING)
    assert [labels[name]["precision"]["value"] for name in "abc"] == pytest.approx(precisions)
    assert [labels[name]["recall"]["value"] for name in "abc"] == pytest.approx(recalls)
    assert [labels[name]["support"] for name in "abc"] == support.tolist()


def test_calibration_by_hand() -> None:
    """Four answers at 0.75, three right: perfectly calibrated. At 0.95 with half right the gap is 0.45."""
    true = np.zeros(4, int)
    good = ClassOutcome(true, np.array([0, 0, 0, 1]), np.full(4, 0.75), ["a", "b"])
    bad = ClassOutcome(true, np.array([0, 0, 1, 1]), np.full(4, 0.95), ["a", "b"])
    assert metric_table(good, RESAMPLING)["calibration_error"]["value"] == pytest.approx(0)
    assert metric_table(bad, RESAMPLING)["calibration_error"]["value"] == pytest.approx(0.45)


def test_the_interval_of_an_accuracy_is_the_binomial_one() -> None:
    """Percentile bootstrap of a mean: close to +-1.96 standard errors."""
    figure = metric_table(OUTCOME, Resampling(4000, 0.95, 1))["accuracy"]
    error = 1.96 * np.sqrt(figure["value"] * (1 - figure["value"]) / 500)
    assert figure["low"] == pytest.approx(figure["value"] - error, abs=0.006)
    assert figure["high"] == pytest.approx(figure["value"] + error, abs=0.006)


def test_a_difference_is_paired() -> None:
    """A model against itself differs by exactly nothing; against a worse one it is better."""
    worse = ClassOutcome(TRUE, RNG.integers(0, 3, 500), OUTCOME.confidence, OUTCOME.labels)
    assert difference(OUTCOME, OUTCOME, "macro_f1", RESAMPLING) == {"value": 0, "low": 0, "high": 0}
    assert better("larger", difference(OUTCOME, worse, "macro_f1", RESAMPLING)) == "better"


def test_smaller_calibration_error_is_better() -> None:
    """The direction of a metric is known."""
    assert better("smaller", {"value": -0.1, "low": -0.2, "high": -0.05}) == "better"
    assert better("larger", {"value": 0.0, "low": -0.1, "high": 0.1}) == "cannot tell"


def test_every_metric_has_a_figure() -> None:
    """What a product file may name is what the evaluation gives."""
    assert [*metric_table(OUTCOME, RESAMPLING)] == [*TextClassificationSpec.metrics]


def test_resamples_do_not_depend_on_how_many_are_held_in_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    """All at once, or seven at a time: the same figures."""
    whole = metric_table(OUTCOME, RESAMPLING)
    monkeypatch.setattr("modelmill.tasks.outcome.CHUNK", 7)
    assert metric_table(OUTCOME, RESAMPLING) == whole


def test_gates_look_at_the_value() -> None:
    """At the bound passes."""
    figure = {"value": 0.85, "low": 0.8, "high": 0.9}
    assert gate_passes(GateSpec(metric="macro_f1", at_least=0.85), figure)
    assert not gate_passes(GateSpec(metric="macro_f1", at_least=0.851), figure)
    assert gate_passes(GateSpec(metric="calibration_error", at_most=0.9), figure)


def model_trained_on(train: pl.DataFrame, folder: Path) -> Path:
    """A model folder with one tensor."""
    folder.mkdir()
    save_file({"weight": np.ones(2)}, folder / "model.safetensors")
    (folder / "product.json").write_text(
        json.dumps({"task": {"kind": "text_classification"}, "trained_on_sha256": table_digest(train)})
    )
    return folder


def test_leaks_are_counted(tmp_path: Path) -> None:
    """A test text in training (other case) and one in the corpus are found; an unknown corpus is not called clean."""
    test = pl.DataFrame({"id": list("cde"), "text": ["Good book", "bad book", "other"], "label": list("xyx")})
    train = pl.DataFrame({"id": ["a", "b"], "text": ["good BOOK", "more"], "label": ["x", "y"]})
    model = model_trained_on(train, tmp_path / "model")
    (tmp_path / "backbone.json").write_text(json.dumps({"corpus_sha256": table_digest(train)}))
    found = leak_report(model, train, test, tmp_path, train)
    assert (found["in_training"], found["in_backbone_corpus"]) == (1, 1)
    assert leak_report(model, train, test)["in_backbone_corpus"] is None


def test_a_backbone_of_another_corpus_is_not_called_clean(tmp_path: Path) -> None:
    """The corpus on disk was made again, the backbone was not: nobody knows what it has read."""
    train = pl.DataFrame({"id": ["a", "b"], "text": ["one", "two"], "label": ["x", "y"]})
    model = model_trained_on(train, tmp_path / "model")
    (tmp_path / "backbone.json").write_text(json.dumps({"corpus_sha256": table_digest(train)}))
    assert leak_report(model, train, train, tmp_path, train)["in_backbone_corpus"] == 2
    with pytest.raises(DataError, match="pretrained on another corpus"):
        leak_report(model, train, train, tmp_path, train.head(1))


def test_leaks_are_looked_for_in_all_that_a_backbone_has_read(tmp_path: Path) -> None:
    """Its own corpus, and that of the backbone that it goes on from; where that one was taken from is named."""
    first, second = (pl.DataFrame({"id": ["a"], "text": [text], "label": ["x"]}) for text in ("one", "two"))
    both = pl.concat([first, second])
    model = model_trained_on(second, tmp_path / "model")
    start = {"name": "base", "corpus_sha256": table_digest(first), "from": {"name": "start", "taken_from": "hf://o/n"}}
    (tmp_path / "backbone.json").write_text(json.dumps({"corpus_sha256": table_digest(second), "from": start}))
    found = leak_report(model, second, both, tmp_path, second, first)
    assert found["in_backbone_corpus"] == 2
    assert found["not_looked_in"] == "hf://o/n"
    for corpora in ([second], [first, second], [second, both]):
        with pytest.raises(DataError, match="pretrained on another corpus"):
            leak_report(model, second, both, tmp_path, *corpora)


def test_a_model_of_other_records_is_not_judged(tmp_path: Path) -> None:
    """After a new split the old model may have seen the new test records: evaluation stops."""
    train = pl.DataFrame({"id": ["a", "b"], "text": ["one", "two"], "label": ["x", "y"]})
    with pytest.raises(DataError, match="trained on other records"):
        leak_report(model_trained_on(train, tmp_path / "model"), train.head(1), train)
