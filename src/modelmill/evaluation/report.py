"""The evaluation of one product as plain data: what the card, MLflow and the gates read."""

import json
from pathlib import Path
from typing import Any

import polars as pl

from modelmill.digest import tensor_digest
from modelmill.errors import DataError
from modelmill.records import table_digest
from modelmill.specs.product import EvaluationSpec, GateSpec
from modelmill.specs.task import Better, TaskSpec
from modelmill.tables import AnyTable
from modelmill.tasks.outcome import Resampling, difference, metric_table
from modelmill.tasks.run import BASELINE
from modelmill.tasks.task import task_of


def evaluate(
    task: TaskSpec,
    predictions: pl.DataFrame,
    baseline_predictions: pl.DataFrame,
    seen: dict[str, Any],
    spec: EvaluationSpec,
) -> dict[str, Any]:
    """Judge a model.

    Args:
        task: its kind.
        predictions: of the model, on the test split.
        baseline_predictions: of each baseline, same items, see `predict_baselines`.
        seen: what `leak_report` found.
        spec: the figure that counts, and the intervals.

    Returns:
        what was judged, metrics with intervals, details of the kind, baselines with paired differences, leaks.
    """
    resampling, metric = _resampling(spec), _metric(spec)
    others = baseline_predictions.partition_by(BASELINE, maintain_order=True, include_key=False, as_dict=True)
    outcome, *rest = task_of(task).outcomes(predictions, *others.values())
    baselines = {
        name: {
            "metrics": metric_table(other, resampling),
            "difference": difference(outcome, other, metric, resampling),
        }
        for (name,), other in zip(others, rest, strict=True)
    }
    return {
        "judged": seen["judged"],
        "metric": metric,
        "items": predictions.height,
        "confidence": spec.confidence,
        "metrics": metric_table(outcome, resampling),
        **outcome.details(resampling),
        "baselines": baselines,
        "leaks": {name: value for name, value in seen.items() if name != "judged"},
    }


def compare_random_start(
    task: TaskSpec, report: dict[str, Any], predictions: pl.DataFrame, control: pl.DataFrame, spec: EvaluationSpec
) -> dict[str, Any]:
    """The report with what pretraining added: the paired difference to a control trained from a random start."""
    resampling = _resampling(spec)
    outcome, other = task_of(task).outcomes(predictions, control)
    gained = difference(outcome, other, _metric(spec), resampling)
    return {
        **report,
        "random_start": {"metrics": metric_table(other, resampling), "difference": gained},
    }


def leak_report(
    model: Path,
    train: pl.DataFrame,
    test: pl.DataFrame,
    backbone: Path | None = None,
    *corpora: AnyTable,
) -> dict[str, Any]:
    """How many test records are given away by the training split or by what the backbone has read: for most kinds of
    task, texts that are, or stand inside, one of theirs (`Task.given_away`).

    Args:
        model: the model folder; it knows what it was trained on.
        train: training records, augmented.
        test: test records.
        backbone: its folder, which knows its corpora, or that it has none; None when it was not made here.
        corpora: records that it was pretrained on; then those of the backbone that it goes on from, and so on.

    Returns:
        the counts, and the digests of the model and the test records that they are about; `not_looked_in` is the
        address of a backbone that was not made here, which this one goes on from.

    Raises:
        DataError: when the model was trained on other records, or the backbone on other corpora.
    """
    product = json.loads((model / "product.json").read_text(encoding="utf-8"))
    if product["trained_on_sha256"] != table_digest(train):
        raise DataError(
            "the model was trained on other records than the training split that is there now, so its test split may "
            "not be unseen. Run tokenization and fine_tuning again before evaluation."
        )
    start = _check_corpora(backbone, corpora) if backbone else {}
    task = task_of(product["task"])
    return {
        "judged": {"model": tensor_digest(model), "test": table_digest(test)},
        "in_training": task.given_away(test, [train]),
        "in_backbone_corpus": task.given_away(test, corpora) if backbone else None,
        **({"not_looked_in": start["taken_from"]} if "taken_from" in start else {}),
    }


def _check_corpora(backbone: Path, corpora: tuple[AnyTable, ...]) -> dict[str, Any]:
    """Raise `DataError` when a backbone was pretrained on other corpora; answers what it started from otherwise."""
    made: dict[str, Any] = json.loads((backbone / "backbone.json").read_text(encoding="utf-8"))
    read = []
    while "corpus_sha256" in made:
        read.append(made["corpus_sha256"])
        made = made.get("from", {})
    if read != [table_digest(corpus) for corpus in corpora]:
        raise DataError(
            "the backbone was pretrained on another corpus than the one that is there now, so it may have read the "
            "test split. Make the backbone again: `kedro run --pipelines <product>` does, and the product with it."
        )
    return made


def describe_gate(gate: GateSpec) -> str:
    """'macro_f1 >= 0.85'."""
    return f"{gate.metric} >= {gate.at_least}" if gate.at_least is not None else f"{gate.metric} <= {gate.at_most}"


def gate_passes(gate: GateSpec, figure: dict[str, float]) -> bool:
    """Whether a figure's value is within the gate's bound."""
    if gate.at_least is not None:
        return figure["value"] >= gate.at_least
    assert gate.at_most is not None
    return figure["value"] <= gate.at_most


def better(direction: Better, difference: dict[str, float]) -> str:
    """'better', 'worse' or 'cannot tell', from the interval of a difference."""
    low, high = difference["low"], difference["high"]
    if direction == "smaller":
        low, high = -high, -low
    return "better" if low > 0 else "worse" if high < 0 else "cannot tell"


def _metric(spec: EvaluationSpec) -> str:
    assert spec.metric, "a product's spec names it"
    return spec.metric


def _resampling(spec: EvaluationSpec) -> Resampling:
    return Resampling(spec.bootstrap, spec.confidence, spec.seed)
