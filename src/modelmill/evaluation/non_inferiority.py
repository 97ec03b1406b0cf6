"""Is a version not worse than the incumbent on the same items, and could these items tell?"""

from dataclasses import asdict, dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike

from modelmill.evaluation.paired import quantile, score_bound, score_variance, share_bounds
from modelmill.specs.registry import NonInferiorityGate
from modelmill.tasks.outcome import Bools, Floats, Outcome, Resampling, difference

Verdict = Literal["not worse", "worse", "may be worse", "cannot tell"]


@dataclass(frozen=True)
class Bounds:
    """How much better a version is, in units of the metric, and what the items can tell; numbers or arrays.

    `low` and `high` are one-sided bounds of `gain`, `disagreement` is one of the share of items that the two answer
    otherwise. `power` is the chance of an equally good version to pass with so many items and that disagreement, and
    `needed` how many items would give the wanted one.
    """

    gain: Floats
    low: Floats
    high: Floats
    disagreement: Floats
    power: Floats
    needed: Floats

    def verdicts(self, rule: NonInferiorityGate) -> Any:
        """`Verdict` of each: 'cannot tell' comes before a bound that would pass, but not before a proven loss."""
        short = self.low <= -rule.margin
        cases = {"worse": short & (self.high < 0), "cannot tell": self.power < rule.power, "may be worse": short}
        return np.select(list(cases.values()), list(cases), "not worse")


@dataclass(frozen=True)
class Comparison:
    """A version beside the incumbent; `bounds` are as in `Bounds`, in units of gain."""

    metric: str
    items: int
    version: float
    incumbent: float
    disagreements: int
    bounds: dict[str, float]
    verdict: Verdict


def compare(version: Outcome, incumbent: Outcome, metric: str, rule: NonInferiorityGate) -> Comparison:
    """Compare two models on the same items.

    A share of right answers by the score interval for paired shares (Tango 1998), other metrics by the paired
    percentile bootstrap (Efron and Tibshirani 1993, chapter 13).

    Args:
        version: that wants to come.
        incumbent: that is there; the same items in the same order.
        metric: one of the outcomes'.
        rule: margin, confidence (one-sided) and power.
    """
    items = version.items
    ours, theirs = version.right(), incumbent.right()
    if ours is not None and theirs is not None and version.is_share_of_right(metric):
        differ = ours != theirs
        bounds = accuracy_bounds((ours & ~theirs).sum(), (theirs & ~ours).sum(), items, rule)
    else:
        differ = _differ(version, incumbent)
        bounds = bootstrap_bounds(version, incumbent, metric, rule)
    return Comparison(
        metric,
        items,
        version.value(metric),
        incumbent.value(metric),
        int(differ.sum()),
        {name: float(value) for name, value in asdict(bounds).items()},
        bounds.verdicts(rule).item(),
    )


def accuracy_bounds(wins: ArrayLike, losses: ArrayLike, items: int, rule: NonInferiorityGate) -> Bounds:
    """Bounds of the accuracy from the items that one of the two alone had right."""
    b, c = np.asarray(wins, float), np.asarray(losses, float)
    _, rate = share_bounds(b + c, items, rule.confidence)
    power, needed = _power(items, *_deviations(rate, rule.margin), rule)
    low, high = score_bound(b, c, items, rule.confidence), -score_bound(c, b, items, rule.confidence)
    return Bounds((b - c) / items, low, high, rate, power, needed)


def bootstrap_bounds(version: Outcome, incumbent: Outcome, metric: str, rule: NonInferiorityGate) -> Bounds:
    """Bounds of any metric by paired resampling.

    Resamples of few disagreements vary too little, and of none not at all. So the bounds are widened by as much as the
    score interval of the same answers' accuracy is wider than the normal one, and the power is reckoned with the upper
    bound of the disagreement; both in units of `Outcome.answer_weight`, where there is one.
    """
    found = difference(version, incumbent, metric, Resampling(rule.resamples, 2 * rule.confidence - 1, rule.seed))
    gain, low, high = found["value"], found["low"], found["high"]
    if version.better[metric] == "smaller":
        gain, low, high = -gain, -high, -low
    items, differ = version.items, int(_differ(version, incumbent).sum())
    spread = (high - low) / (2 * quantile(rule.confidence)) * np.sqrt(items)
    rate = share_bounds(differ, items, rule.confidence)[1]
    assumed = true = np.array(spread)
    if (weight := incumbent.answer_weight(metric)) is not None:
        weight = max(weight, 1e-9)
        below, above = _widening(version, incumbent, rule.confidence)
        low, high = low - weight * below, high + weight * above
        scaled = spread * np.sqrt(rate * items / max(differ, 1))
        assumed, true = (np.maximum(scaled, weight * one) for one in _deviations(rate, rule.margin / weight))
    power, needed = _power(items, assumed, true, rule)
    return Bounds(np.array(gain), np.array(low), np.array(high), rate, power, needed)


def _widening(version: Outcome, incumbent: Outcome, confidence: float) -> tuple[float, float]:
    """By how much the score interval of the accuracy reaches farther than the normal one, down and up."""
    ours, theirs = version.right(), incumbent.right()
    assert ours is not None, "what has weights is right or wrong"
    assert theirs is not None, "as above"
    wins, losses, items = int((ours & ~theirs).sum()), int((theirs & ~ours).sum()), len(ours)
    gain = (wins - losses) / items
    normal = quantile(confidence) * np.sqrt(((wins + losses) / items - gain**2) / items)
    reaches = (
        gain - score_bound(wins, losses, items, confidence),
        -score_bound(losses, wins, items, confidence) - gain,
    )
    below, above = (max(0.0, float(reach - normal)) for reach in reaches)
    return below, above


def _differ(version: Outcome, incumbent: Outcome) -> Bools:
    """Where the two answer otherwise, (items,)."""
    differ: Bools = (version.said != incumbent.said).reshape(version.items, -1).any(1)
    return differ


def _deviations(rate: Floats, margin: float) -> tuple[Floats, Floats]:
    """Standard deviations of one item's difference, at a loss of the margin as the score test takes it, and at none."""
    return np.sqrt(score_variance(rate / 2, rate / 2, 1, -min(margin, 0.99))), np.sqrt(rate)


def least_items(rule: NonInferiorityGate) -> int:
    """With fewer items nothing can be told, even where the two never disagree."""
    low, high = 1, 2
    while accuracy_bounds(0, 0, high, rule).power < rule.power:
        low, high = high, 2 * high
    while high - low > 1:
        middle = (low + high) // 2
        enough = bool(accuracy_bounds(0, 0, middle, rule).power >= rule.power)
        low, high = (low, middle) if enough else (middle, high)
    return high


def _power(items: int, assumed: Floats, true: Floats, rule: NonInferiorityGate) -> tuple[Floats, Floats]:
    """Chance of an equally good version to pass, and how many items would give the wanted one.

    Args:
        items: how many there are.
        assumed: standard deviation of one item's difference as the test takes it, at a loss of the margin.
        true: as it is when the two are equally good.
        rule: the test.
    """
    from scipy.special import ndtr

    z = quantile(rule.confidence)
    reach = rule.margin * np.sqrt(items) - z * assumed
    power = ndtr(np.divide(reach, true, out=np.full(np.shape(true), np.inf), where=true > 0))
    needed = np.ceil(((z * assumed + quantile(rule.power) * true) / rule.margin) ** 2)
    return power, needed
