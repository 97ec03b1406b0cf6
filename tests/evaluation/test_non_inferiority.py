"""What the gate's rule does to equally good, to worse, and to too few."""

import numpy as np
import pytest

from modelmill.evaluation.non_inferiority import (
    Comparison,
    accuracy_bounds,
    compare,
    least_items,
)
from modelmill.specs.registry import NonInferiorityGate
from modelmill.tasks.classes import ClassOutcome

RULE = NonInferiorityGate(margin=0.02)
SEEDS = 200
SLIPS = 2.33 * np.sqrt(0.05 * 0.95 / SEEDS)
"""Of a share of 5% in so many seeds, one-sided 99%."""


def draw(items: int, wins: float, losses: float, seed: int) -> tuple[ClassOutcome, ClassOutcome]:
    """A version and an incumbent (85% right) on two labels, which each alone is right with these probabilities."""
    rng = np.random.default_rng(seed)
    true, luck, both = rng.integers(0, 2, items), rng.random(items), 0.85 - losses
    ours = luck < both + wins
    theirs = (luck < both) | ((luck >= both + wins) & (luck < both + wins + losses))
    first, second = (
        ClassOutcome(true, np.where(right, true, 1 - true), np.full(items, 0.9), ["a", "b"]) for right in (ours, theirs)
    )
    return first, second


def planted(right_alone: int, wrong_alone: int, items: int) -> tuple[ClassOutcome, ClassOutcome]:
    """A version that alone is right on the first items, alone wrong on the last ones."""
    true = np.arange(items) % 2
    ours, theirs = np.ones(items, bool), np.ones(items, bool)
    theirs[:right_alone], ours[items - wrong_alone :] = False, False
    first, second = (
        ClassOutcome(true, np.where(right, true, 1 - true), np.full(items, 0.9), ["a", "b"]) for right in (ours, theirs)
    )
    return first, second


@pytest.mark.parametrize("metric", ["accuracy", "macro_f1"])
def test_four_verdicts(metric: str) -> None:
    """Equal on many items; clearly worse; worse, but perhaps by little; and the same answers on 20 items."""
    verdicts = [
        compare(*planted(*counts), metric, RULE).verdict
        for counts in [(10, 10, 1000), (0, 60, 1000), (17, 27, 1000), (0, 0, 20)]
    ]
    assert verdicts == ["not worse", "worse", "may be worse", "cannot tell"]


@pytest.mark.parametrize("metric", ["accuracy", "macro_f1", "weighted_f1"])
def test_too_few_items_cannot_tell_though_the_bound_would_pass(metric: str) -> None:
    """The same answers to 20 items: resampling alone would bound the loss by 0, but 14% might differ."""
    found = compare(*planted(0, 0, 20), metric, RULE)
    assert (found.verdict, found.disagreements) == ("cannot tell", 0)
    assert found.bounds["disagreement"] == pytest.approx(0.139, abs=0.001)
    assert found.bounds["power"] < 0.1
    assert 1500 < found.bounds["needed"] < 3000
    assert found.bounds["low"] == pytest.approx(-0.119, abs=0.01)


def test_so_many_as_are_said_to_do_do() -> None:
    """With the number that is named, and disagreement at the bound that it was reckoned with, the power is there."""
    rate = 0.0278
    first = accuracy_bounds(20, 20, 1000, NonInferiorityGate(margin=0.01))
    needed = int(first.needed)
    assert first.power < 0.8
    again = round(needed * rate / 2)
    assert accuracy_bounds(again, again, needed, NonInferiorityGate(margin=0.01)).disagreement < first.disagreement
    assert accuracy_bounds(again, again, needed, NonInferiorityGate(margin=0.01)).power >= 0.8


def test_the_least_items_are_the_least() -> None:
    """One fewer, and even two models that never disagree could not be told to be equal."""
    least = least_items(RULE)
    assert 150 < least < 300
    assert accuracy_bounds(0, 0, least, RULE).power >= 0.8 > accuracy_bounds(0, 0, least - 1, RULE).power


def test_smaller_calibration_error_is_a_gain() -> None:
    """A version that is sure of what it has right gains; one that is unsure loses, and fails."""
    version, incumbent = planted(0, 0, 400)
    sure = ClassOutcome(version.true, version.predicted, np.full(400, 1.0), version.labels)
    better, worse = (compare(*pair, "calibration_error", RULE) for pair in ((sure, incumbent), (incumbent, sure)))
    assert (better.verdict, worse.verdict) == ("not worse", "worse")
    assert better.bounds["gain"] == pytest.approx(0.1)
    assert better.version == pytest.approx(0)


def test_an_answer_of_a_rare_label_counts_more() -> None:
    """Three items of one label, one of another, all right. By hand: macro-F1 falls from 1 to (4/5 + 2/3) / 2 when one
    of the three becomes wrong, to (6/7 + 0) / 2 when the other does; accuracy by a quarter each time."""
    outcome = ClassOutcome(np.array([0, 0, 0, 1]), np.array([0, 0, 0, 1]), np.full(4, 0.9), ["a", "b"])
    falls = np.array([1 - (4 / 5 + 2 / 3) / 2, 1 - 6 / 7 / 2])
    assert outcome.answer_weight("macro_f1") == pytest.approx(4 * np.sqrt((falls**2 * [0.75, 0.25]).sum()))
    assert outcome.answer_weight("accuracy") == pytest.approx(1)


def rates(metric: str, items: int, disagreement: float, seeds: int) -> tuple[list[Comparison], list[Comparison]]:
    """Equally good ones, and those that lose exactly the margin."""
    rule, half, loss = NonInferiorityGate(margin=0.02, resamples=400), disagreement / 2, 0.01
    equal = [compare(*draw(items, half, half, seed), metric, rule) for seed in range(seeds)]
    lost = [compare(*draw(items, half - loss, half + loss, seed), metric, rule) for seed in range(seeds)]
    return equal, lost


@pytest.mark.parametrize("disagreement", [0.04, 0.08])
def test_over_seeds_equal_versions_pass_and_worse_ones_do_not(disagreement: float) -> None:
    """200 seeds by accuracy: with enough items as often as `power` says, by the margin worse ones in 5 of 100."""
    equal, lost = rates("accuracy", 1771, disagreement, SEEDS)
    told = [one for one in equal if one.bounds["power"] >= 0.8]
    assert len(told) > 0.9 * SEEDS
    assert np.mean([one.verdict == "not worse" for one in told]) >= 0.8
    assert np.mean([one.verdict == "not worse" for one in lost]) <= 0.05 + SLIPS


@pytest.mark.parametrize("disagreement", [0.04, 0.08])
def test_over_seeds_too_few_items_cannot_tell(disagreement: float) -> None:
    """250 items never let an equally good version pass, nor a worse one; nearly always the answer is 'cannot tell'."""
    equal, lost = rates("accuracy", 250, disagreement, SEEDS)
    assert not [one for one in equal + lost if one.verdict == "not worse"]
    assert np.mean([one.verdict == "cannot tell" for one in equal]) > 0.9


@pytest.mark.parametrize("disagreement", [0.04, 0.08])
def test_over_seeds_by_bootstrap(disagreement: float) -> None:
    """200 seeds by macro-F1."""
    equal, lost = rates("macro_f1", 1771, disagreement, SEEDS)
    told = [one for one in equal if one.bounds["power"] >= 0.8]
    assert len(told) > 0.8 * SEEDS
    assert np.mean([one.verdict == "not worse" for one in told]) >= 0.8
    assert np.mean([one.verdict == "not worse" for one in lost]) <= 0.05 + SLIPS
