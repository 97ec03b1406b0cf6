"""Answers that are numbers: metrics, and how they are shown."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import polars as pl

from modelmill.specs.kinds import RegressionSpec
from modelmill.specs.task import Better
from modelmill.tasks.outcome import Floats, Ints, PairOutcome, Resampling

if TYPE_CHECKING:
    from plotly.graph_objects import Figure


@dataclass(frozen=True)
class NumberOutcome(PairOutcome):
    """`true` and `predicted` hold a number for each item, (items,)."""

    better: ClassVar[Mapping[str, Better]] = RegressionSpec.metrics

    @classmethod
    def of(cls, predictions: pl.DataFrame) -> "NumberOutcome":
        """Read a table of predictions."""
        true, predicted = (predictions[name].cast(pl.Float64).to_numpy() for name in ("label", "predicted"))
        return cls(true, predicted)

    def values(self, rows: Ints, metrics: Sequence[str]) -> dict[str, Floats]:
        """Metrics (resamples,) of item numbers (resamples, items)."""
        true, predicted = self.true[rows], self.predicted[rows]
        return {name: METRICS[name](true, predicted) for name in metrics}

    def details(self, resampling: Resampling) -> dict[str, Any]:
        """What the true numbers are like: an error says little without it."""
        true = self.true
        return {"truth": {"mean": true.mean(), "deviation": true.std(), "least": true.min(), "most": true.max()}}


def r2(true: Floats, predicted: Floats) -> Floats:
    """Coefficient of determination; of truths that are all the same 1 where they were met, else 0, as scikit-learn."""
    left = ((true - predicted) ** 2).sum(-1)
    spread = ((true - true.mean(-1, keepdims=True)) ** 2).sum(-1)
    share = np.divide(left, spread, out=(left > 0).astype(float), where=spread > 0)
    result: Floats = 1 - share
    return result


def rmse(true: Floats, predicted: Floats) -> Floats:
    """Root of the mean squared error."""
    result: Floats = np.sqrt(((true - predicted) ** 2).mean(-1))
    return result


def mae(true: Floats, predicted: Floats) -> Floats:
    """Mean absolute error."""
    result: Floats = np.abs(true - predicted).mean(-1)
    return result


def spearman(true: Floats, predicted: Floats) -> Floats:
    """Correlation of the ranks (Spearman 1904, American Journal of Psychology 15:72-101), ties in the middle of theirs;
    0 where all numbers of one side are the same, and nothing is ranked.
    """
    from scipy.stats import rankdata

    first, second = (rankdata(numbers, axis=-1) - (true.shape[-1] + 1) / 2 for numbers in (true, predicted))
    scale = np.sqrt((first**2).sum(-1) * (second**2).sum(-1))
    result: Floats = np.divide((first * second).sum(-1), scale, out=np.zeros(scale.shape), where=scale > 0)
    return result


METRICS: dict[str, Callable[[Floats, Floats], Floats]] = {"r2": r2, "rmse": rmse, "mae": mae, "spearman": spearman}
"""Of true and predicted numbers, both (..., items)."""


def truth_section(report: Mapping[str, Any]) -> str:
    """For the model card: what the errors are to be seen beside."""
    truth = report["truth"]
    return (
        f"### The true numbers\n\nBetween {truth['least']:.4g} and {truth['most']:.4g}, mean {truth['mean']:.4g}, "
        f"standard deviation {truth['deviation']:.4g}."
    )


def scatter(outcome: NumberOutcome) -> "Figure":
    """A point for each item, answers over truth; on the diagonal both are the same."""
    import plotly.graph_objects as go

    both = np.concatenate([outcome.true, outcome.predicted])
    ends = [float(both.min()), float(both.max())]
    figure = go.Figure()
    figure.add_scatter(
        x=outcome.true.tolist(), y=outcome.predicted.tolist(), mode="markers", name="records",
        marker={"color": "#2f6f9f", "opacity": 0.5},
    )  # fmt: skip
    figure.add_scatter(x=ends, y=ends, mode="lines", name="the same", line={"color": "#d1603d", "dash": "dash"})
    figure.update_layout(title="Answers over truth (test split)", template="plotly_white", legend_title_text="")
    figure.update_xaxes(title_text="true")
    figure.update_yaxes(title_text="predicted")
    return figure
