"""Metrics of a classifier, and bootstrap intervals for all of them at once."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

CALIBRATION_BINS = 15
CHUNK = 50
"""Resamples held in memory at a time: 80 MB for 100,000 items."""

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


@dataclass(frozen=True)
class Outcome:
    """What was true and what was said, item by item.

    `true` and `predicted` hold label numbers, (items,); `confidence` the probability of the predicted label.
    """

    true: Ints
    predicted: Ints
    confidence: Floats
    labels: list[str]

    @classmethod
    def of(cls, predictions: pl.DataFrame, labels: list[str]) -> "Outcome":
        """Read a table of predictions."""
        number = {label: i for i, label in enumerate(labels)}
        probabilities = predictions.select([f"p_{label}" for label in labels]).to_numpy()
        return cls(
            np.array([number[label] for label in predictions["label"]]),
            np.array([number[label] for label in predictions["predicted"]]),
            probabilities.max(1),
            labels,
        )


def confusion(outcome: Outcome, rows: Ints) -> Ints:
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


def calibration_error(outcome: Outcome, rows: Ints) -> Floats:
    """Expected calibration error (Guo et al. 2017, arXiv:1706.04599), 15 bins of equal width, (resamples,)."""
    bins = np.minimum((outcome.confidence * CALIBRATION_BINS).astype(int), CALIBRATION_BINS - 1)
    gap = (outcome.true == outcome.predicted) - outcome.confidence
    return np.array(
        [np.abs(np.bincount(bins[r], weights=gap[r], minlength=CALIBRATION_BINS)).sum() / len(r) for r in rows]
    )


def _present(counts: Ints) -> NDArray[np.bool_]:
    """Labels that occur in a resample, as truth or as prediction, (resamples, labels)."""
    present: NDArray[np.bool_] = (counts.sum(1) + counts.sum(2)) > 0
    return present


def _macro_f1(counts: Ints) -> Floats:
    present = _present(counts)
    result: Floats = (f1(counts) * present).sum(1) / present.sum(1)
    return result


METRICS: dict[str, Callable[[Outcome, Ints, Ints], Floats]] = {
    "accuracy": lambda _, rows, counts: np.trace(counts, axis1=1, axis2=2) / rows.shape[1],
    "macro_f1": lambda _, rows, counts: _macro_f1(counts),
    "weighted_f1": lambda _, rows, counts: (f1(counts) * counts.sum(2)).sum(1) / rows.shape[1],
    "calibration_error": lambda outcome, rows, _: calibration_error(outcome, rows),
}
"""Each: (outcome, item numbers (resamples, items), confusion counts) -> values (resamples,)."""


@dataclass(frozen=True)
class Resampling:
    """How the intervals are made: percentile bootstrap over items (Efron and Tibshirani 1993, chapter 13)."""

    samples: int
    confidence: float
    seed: int

    def over(self, items: int, statistic: Callable[[Ints], Floats]) -> Floats:
        """A statistic of the items themselves and of every resample, (1 + samples, ...).

        Args:
            items: how many there are.
            statistic: of item numbers (resamples, items); asked for a few resamples at a time, so that memory does not
                grow with their number.
        """
        rng = np.random.default_rng(self.seed)
        values = [statistic(np.arange(items)[None])]
        for start in range(0, self.samples, CHUNK):
            values.append(statistic(rng.integers(0, items, (min(CHUNK, self.samples - start), items))))
        return np.concatenate(values)

    def interval(self, values: Floats) -> dict[str, float]:
        """The value on the items themselves (first of `values`) and the bounds of the interval."""
        tail = (1 - self.confidence) / 2
        low, high = np.quantile(values[1:], [tail, 1 - tail])
        return {"value": float(values[0]), "low": float(low), "high": float(high)}


def metric_table(outcome: Outcome, resampling: Resampling) -> dict[str, dict[str, float]]:
    """Every metric with its interval."""

    def all_metrics(rows: Ints) -> Floats:
        counts = confusion(outcome, rows)
        return np.stack([metric(outcome, rows, counts) for metric in METRICS.values()], axis=1)

    values = resampling.over(len(outcome.true), all_metrics)
    return {name: resampling.interval(values[:, i]) for i, name in enumerate(METRICS)}


def label_table(outcome: Outcome, resampling: Resampling) -> dict[str, dict[str, Any]]:
    """Precision, recall and F1 of each label with intervals, and how often it is true."""
    statistics = {"precision": precision, "recall": recall, "f1": f1}

    def all_statistics(rows: Ints) -> Floats:
        counts = confusion(outcome, rows)
        return np.stack([statistic(counts) for statistic in statistics.values()], axis=1)

    values = resampling.over(len(outcome.true), all_statistics)  # (resamples, statistics, labels)
    support = np.bincount(outcome.true, minlength=len(outcome.labels))
    return {
        label: {
            "support": int(support[i]),
            **{name: resampling.interval(values[:, j, i]) for j, name in enumerate(statistics)},
        }
        for i, label in enumerate(outcome.labels)
    }


def difference(first: Outcome, second: Outcome, metric: str, resampling: Resampling) -> dict[str, float]:
    """`metric` of the first minus that of the second on the same items, with a paired interval."""
    assert np.array_equal(first.true, second.true), "a paired comparison needs the same items"

    def gap(rows: Ints) -> Floats:
        one, other = (METRICS[metric](outcome, rows, confusion(outcome, rows)) for outcome in (first, second))
        return one - other

    return resampling.interval(resampling.over(len(first.true), gap))
