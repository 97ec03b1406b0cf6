"""Answers that are one class of a few: metrics, how they are shown, and what a model must beat."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import polars as pl

from modelmill.specs.kinds import TextClassificationSpec
from modelmill.specs.task import Better
from modelmill.tasks.outcome import Bools, Floats, Ints, PairOutcome, Resampling

CALIBRATION_BINS = 15
MOVES = 50
"""Answers that are changed at a time: 50 confusion matrices in memory."""


@dataclass(frozen=True)
class ClassOutcome(PairOutcome):
    """`true` and `predicted` hold label numbers, (items,); `confidence` the probability of the predicted label."""

    better: ClassVar[Mapping[str, Better]] = TextClassificationSpec.metrics
    by_counts: ClassVar[Mapping[str, Callable[[Ints], Floats]]]
    """Metrics that follow from confusion counts (resamples, true, predicted)."""

    confidence: Floats
    labels: list[str]

    @classmethod
    def of(cls, predictions: pl.DataFrame, labels: list[str]) -> "ClassOutcome":
        """Read a table of predictions."""
        number = {label: i for i, label in enumerate(labels)}
        probabilities = predictions.select([f"p_{label}" for label in labels]).to_numpy()
        return cls(
            np.array([number[label] for label in predictions["label"]]),
            np.array([number[label] for label in predictions["predicted"]]),
            probabilities.max(1),
            labels,
        )

    @classmethod
    def of_all(cls, tables: Sequence[pl.DataFrame]) -> list["ClassOutcome"]:
        """Answers to the same items, over all labels that are known or true; one that is not known has no chance."""
        known = {name.removeprefix("p_") for table in tables for name in table.columns if name.startswith("p_")}
        labels = sorted(known.union(*(table["label"] for table in tables)))
        missing = [[pl.lit(0.0).alias(f"p_{one}") for one in labels if f"p_{one}" not in t.columns] for t in tables]
        return [cls.of(table.with_columns(more), labels) for table, more in zip(tables, missing, strict=True)]

    def values(self, rows: Ints, metrics: Sequence[str]) -> dict[str, Floats]:
        """Metrics (resamples,) of item numbers (resamples, items)."""
        counts = confusion(self, rows) if {*metrics} - {"calibration_error"} else None
        return {
            name: calibration_error(self, rows)
            if counts is None or name not in self.by_counts
            else self.by_counts[name](counts)
            for name in metrics
        }

    def right(self) -> Bools:
        """Where the predicted label is the true one."""
        right: Bools = self.true == self.predicted
        return right

    def is_share_of_right(self, metric: str) -> bool:
        """Accuracy is."""
        return metric == "accuracy"

    def answer_weight(self, metric: str) -> float | None:
        """1 for accuracy; for macro-F1 an answer of a rare label counts more. Right and wrong get half the weight each,
        because an equally good version turns as many answers one way as the other. None for the calibration error,
        which changes without any other answer.
        """
        if metric not in self.by_counts:
            return None
        counts = confusion(self, np.arange(self.items)[None])[0]
        moves, weights = _moves(counts)
        base = self.by_counts[metric](counts[None])[0]
        changes = []
        for start in range(0, len(moves), MOVES):
            true, old, new = moves[start : start + MOVES].T
            moved, row = np.repeat(counts[None], len(true), 0), np.arange(len(true))
            np.add.at(moved, (row, true, old), -1)
            np.add.at(moved, (row, true, new), 1)
            changes.append(self.by_counts[metric](moved) - base)
        return float(self.items * np.sqrt((weights * np.concatenate(changes) ** 2).sum() / weights.sum()))

    def details(self, resampling: Resampling) -> dict[str, Any]:
        """Figures of each label, and the confusion matrix."""
        counts = confusion(self, np.arange(self.items)[None])[0]
        return {"labels": label_table(self, resampling), "confusion": counts.tolist()}


def _moves(counts: Ints) -> tuple[Ints, Floats]:
    """Changes of one answer, (moves, [true, old, new]), and how likely each is."""
    others = counts - np.diag(np.diag(counts) + 1)  # the label itself is never the likeliest wrong one
    right, wrong = np.flatnonzero(np.diag(counts)), np.argwhere(others > 0)
    lost = np.stack([right, right, others[right].argmax(1)], 1)
    won = np.stack([*wrong.T, wrong[:, 0]], 1)
    weights = [counts[true, old] / counts[true, old].sum() for true, old in (lost.T[:2], won.T[:2]) if len(true)]
    return np.concatenate([lost, won]), np.concatenate(weights)


def confusion(outcome: ClassOutcome, rows: Ints) -> Ints:
    """Counts (resamples, true, predicted) for item numbers (resamples, items)."""
    k = len(outcome.labels)
    cells = outcome.true * k + outcome.predicted
    counts = np.stack([np.bincount(cells[sample], minlength=k * k) for sample in rows])
    return counts.reshape(len(rows), k, k)


def _divide(a: Floats | Ints, b: Floats | Ints) -> Floats:
    """a / b, and 0 where b is 0 (a label that was never predicted, or never true)."""
    return np.divide(a, b, out=np.zeros(a.shape), where=b != 0)


def precision(counts: Ints) -> Floats:
    """Per label, (resamples, labels)."""
    return _divide(np.diagonal(counts, axis1=1, axis2=2), counts.sum(1))


def recall(counts: Ints) -> Floats:
    """Per label, (resamples, labels)."""
    return _divide(np.diagonal(counts, axis1=1, axis2=2), counts.sum(2))


def f1(counts: Ints) -> Floats:
    """Per label, (resamples, labels)."""
    return _divide(2 * np.diagonal(counts, axis1=1, axis2=2), counts.sum(1) + counts.sum(2))


def accuracy(counts: Ints) -> Floats:
    """Share of the answers that are right, (resamples,)."""
    return _divide(np.trace(counts, axis1=1, axis2=2), counts.sum((1, 2)))


def macro_f1(counts: Ints) -> Floats:
    """Mean over the labels that occur in a resample, as truth or as prediction, (resamples,)."""
    present = (counts.sum(1) + counts.sum(2)) > 0
    result: Floats = (f1(counts) * present).sum(1) / present.sum(1)
    return result


def weighted_f1(counts: Ints) -> Floats:
    """Mean over the labels, each weighing as often as it is true, (resamples,)."""
    return _divide((f1(counts) * counts.sum(2)).sum(1), counts.sum((1, 2)))


def calibration_error(outcome: ClassOutcome, rows: Ints) -> Floats:
    """Expected calibration error (Guo et al. 2017, arXiv:1706.04599), 15 bins of equal width, (resamples,)."""
    bins = np.minimum((outcome.confidence * CALIBRATION_BINS).astype(int), CALIBRATION_BINS - 1)
    gap = (outcome.true == outcome.predicted) - outcome.confidence
    return np.array(
        [np.abs(np.bincount(bins[r], weights=gap[r], minlength=CALIBRATION_BINS)).sum() / len(r) for r in rows]
    )


BY_COUNTS: dict[str, Callable[[Ints], Floats]] = {
    "accuracy": accuracy, "macro_f1": macro_f1, "weighted_f1": weighted_f1,
}  # fmt: skip
ClassOutcome.by_counts = BY_COUNTS


def label_table(outcome: ClassOutcome, resampling: Resampling) -> dict[str, dict[str, Any]]:
    """Precision, recall and F1 of each label with intervals, and how often it is true."""
    statistics = {"precision": precision, "recall": recall, "f1": f1}

    def all_statistics(rows: Ints) -> Floats:
        counts = confusion(outcome, rows)
        return np.stack([statistic(counts) for statistic in statistics.values()], axis=1)

    values = resampling.over(outcome.items, all_statistics)  # (resamples, statistics, labels)
    support = np.bincount(outcome.true, minlength=len(outcome.labels))
    return {
        label: {
            "support": int(support[i]),
            **{name: resampling.interval(values[:, j, i]) for j, name in enumerate(statistics)},
        }
        for i, label in enumerate(outcome.labels)
    }
