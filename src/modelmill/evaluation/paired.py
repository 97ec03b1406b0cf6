"""Statistics of two models that answered the same items.

`wins` are the items that the first alone had right, `losses` those that the second alone had right; what both had right
or wrong says nothing of their difference. All functions take numbers or arrays of them.
"""

from collections.abc import Callable

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]
BISECTIONS = 45
"""Halvings of an interval of length 2: to 6e-14."""


def quantile(probability: float) -> float:
    """Of the standard normal distribution."""
    from scipy.special import ndtri

    return float(ndtri(probability))


def share_bounds(count: ArrayLike, items: ArrayLike, confidence: float) -> tuple[Floats, Floats]:
    """One-sided bounds of a share, each at `confidence` (Clopper and Pearson 1934, Biometrika 26:404-413).

    0 of 20 is at most 0.139 with 95%, not 0.
    """
    from scipy.special import betaincinv

    k, n = np.asarray(count, float), np.asarray(items, float)
    low = np.where(k > 0, betaincinv(np.maximum(k, 1), n - k + 1, 1 - confidence), 0.0)
    high = np.where(k < n, betaincinv(k + 1, np.maximum(n - k, 1), confidence), 1.0)
    return low, high


def score_variance(wins: ArrayLike, losses: ArrayLike, items: ArrayLike, difference: ArrayLike) -> Floats:
    """Variance of one item's difference if the true difference of accuracies were `difference`, at its likeliest.

    Tango 1998, Statistics in Medicine 17:891-908, equations 20 and 21.
    """
    b, c, n, d = (np.asarray(one, float) for one in (wins, losses, items, difference))
    linear, constant = -b - c + (2 * n - b + c) * d, -c * d * (1 - d)
    lost = (np.sqrt(np.maximum(linear**2 - 8 * n * constant, 0)) - linear) / (4 * n)
    variance: Floats = np.maximum(2 * lost + d * (1 - d), 1e-15)
    return variance


def score(wins: ArrayLike, losses: ArrayLike, items: ArrayLike, difference: ArrayLike) -> Floats:
    """Tango's statistic: how many standard errors the found difference lies above `difference`."""
    b, c, n, d = (np.asarray(one, float) for one in (wins, losses, items, difference))
    z: Floats = (b - c - n * d) / np.sqrt(n * score_variance(b, c, n, d))
    return z


def score_bound(wins: ArrayLike, losses: ArrayLike, items: ArrayLike, confidence: float) -> Floats:
    """Lower one-sided bound of the difference of accuracies, first minus second (Tango 1998).

    The upper bound is minus this with wins and losses exchanged. It holds its level where a bootstrap does not: with no
    disagreement on n items it is -z^2 / (n + z^2).
    """
    b, c, n = (np.asarray(one, float) for one in (wins, losses, items))
    low, high, z = np.full(np.broadcast(b, c, n).shape, -1.0), (b - c) / n, quantile(confidence)
    for _ in range(BISECTIONS):
        middle = (low + high) / 2
        above = score(b, c, n, middle) > z
        low, high = np.where(above, middle, low), np.where(above, high, middle)
    return low


def worse(wins: ArrayLike, losses: ArrayLike, items: ArrayLike, margin: float) -> Floats:
    """Probability of so many losses, if the first were no more than `margin` less accurate than the second.

    With no margin McNemar's exact test, one-sided (McNemar 1947, Psychometrika 12:153-157), else Tango's score.
    """
    from scipy.special import bdtr, ndtr

    b, c = np.asarray(wins, float), np.asarray(losses, float)
    p: Floats = (
        ndtr(score(b, c, items, -margin))
        if margin
        else bdtr(b, np.asarray(b + c, int), 0.5)  # losses >= c is wins <= b
    )
    return p


def holm(p: ArrayLike) -> Floats:
    """Adjusted for many tests at once, over the last axis (Holm 1979, Scandinavian Journal of Statistics 6:65-70)."""
    p = np.asarray(p, float)
    order, tests = np.argsort(p, axis=-1), p.shape[-1]
    factors = tests - np.arange(tests)
    rising = np.maximum.accumulate(np.minimum(np.take_along_axis(p, order, -1) * factors, 1), axis=-1)
    adjusted = np.empty_like(p)
    np.put_along_axis(adjusted, order, rising, -1)
    return adjusted


def chance(items: int, win: float, loss: float, test: Callable[[Floats, Floats], NDArray[np.bool_]]) -> float:
    """Probability that a test says yes, counted out over all wins and losses that can come up (but for 1e-9 of them).

    Args:
        items: how many there are.
        win: probability that an item is a win.
        loss: that it is a loss.
        test: says yes or no for wins and losses.
    """
    from scipy.stats import binom

    rate = win + loss
    if not rate:
        return float(test(np.zeros(1), np.zeros(1))[0])
    tails = (5e-10, 1 - 5e-10)
    first, last = (int(binom.ppf(tail, items, rate)) for tail in tails)
    total = 0.0
    for both in range(first, last + 1):
        least, most = binom.ppf(tails, both, loss / rate)
        losses = np.arange(least, most + 1)
        likely = binom.pmf(losses, both, loss / rate)
        total += binom.pmf(both, items, rate) * (likely * test(both - losses, losses)).sum()
    return float(total)
