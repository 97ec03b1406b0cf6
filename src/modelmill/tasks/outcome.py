"""What the answers of a model come to: metrics of any selection of the items that it answered."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from modelmill.specs.task import Better

CHUNK = 50
"""Resamples held in memory at a time: 80 MB for 100,000 items."""

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]
Figure = dict[str, float]
"""value, low and high."""


class Outcome(ABC):
    """What was true and what was said, item by item."""

    better: ClassVar[Mapping[str, Better]]
    """Every metric, and which of its values are better."""

    @property
    @abstractmethod
    def items(self) -> int:
        """How many there are."""

    @property
    @abstractmethod
    def truth(self) -> NDArray[Any]:
        """What was true, (items, ...), to see whether two models answered the same items."""

    @property
    @abstractmethod
    def said(self) -> NDArray[Any]:
        """The answers, (items, ...), to see where two models differ."""

    @abstractmethod
    def values(self, rows: Ints, metrics: Sequence[str]) -> dict[str, Floats]:
        """Metrics (resamples,) of item numbers (resamples, items)."""

    def value(self, metric: str) -> float:
        """A metric of all items."""
        return float(self.values(np.arange(self.items)[None], [metric])[metric][0])

    def right(self) -> Bools | None:
        """Which answers are right, (items,); None for a kind whose answers are more or less good."""
        return None

    def is_share_of_right(self, metric: str) -> bool:
        """Whether a metric is the share of the answers that are right."""
        return False

    def answer_weight(self, metric: str) -> float | None:
        """How much one right or wrong answer counts: root mean square of (items * change of the metric); None where
        that cannot be said."""
        return None

    def details(self, resampling: "Resampling") -> dict[str, Any]:
        """What a reader wants to know beside the metrics, as plain data."""
        return {}


@dataclass(frozen=True)
class PairOutcome(Outcome):
    """`true` and `predicted` hold what was true and what was said, (items, ...)."""

    true: NDArray[Any]
    predicted: NDArray[Any]

    @property
    def items(self) -> int:
        """How many there are."""
        return len(self.true)

    @property
    def truth(self) -> NDArray[Any]:
        """See `Outcome.truth`."""
        return self.true

    @property
    def said(self) -> NDArray[Any]:
        """See `Outcome.said`."""
        return self.predicted


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

    def interval(self, values: Floats) -> Figure:
        """The value on the items themselves (first of `values`) and the bounds of the interval."""
        tail = (1 - self.confidence) / 2
        low, high = np.quantile(values[1:], [tail, 1 - tail])
        return {"value": float(values[0]), "low": float(low), "high": float(high)}


def metric_table(outcome: Outcome, resampling: Resampling) -> dict[str, Figure]:
    """Every metric with its interval."""
    names = [*outcome.better]

    def all_metrics(rows: Ints) -> Floats:
        found = outcome.values(rows, names)
        return np.stack([found[name] for name in names], axis=1)

    values = resampling.over(outcome.items, all_metrics)
    return {name: resampling.interval(values[:, i]) for i, name in enumerate(names)}


def difference(first: Outcome, second: Outcome, metric: str, resampling: Resampling) -> Figure:
    """`metric` of the first minus that of the second on the same items, with a paired interval."""
    assert np.array_equal(first.truth, second.truth), "a paired comparison needs the same items"

    def gap(rows: Ints) -> Floats:
        one, other = (outcome.values(rows, [metric])[metric] for outcome in (first, second))
        return one - other

    return resampling.interval(resampling.over(first.items, gap))
