"""Statistics of two models on the same items, beside published figures and counts by hand."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from modelmill.evaluation.paired import chance, holm, score, score_bound, share_bounds, worse


def test_no_disagreement_on_twenty_items_is_not_no_disagreement() -> None:
    """The upper bound p of 0 of 20 solves (1 - p)^20 = 0.05; of 20 of 20 it is 1, and its lower one is the mirror."""
    low, high = share_bounds([0, 20, 5], 20, 0.95)
    assert high[:2] == pytest.approx([1 - 0.05 ** (1 / 20), 1])
    assert low[:2] == pytest.approx([0, 0.05 ** (1 / 20)])
    assert (low[2], high[2]) == pytest.approx((0.104, 0.456), abs=0.001)  # a usual table: 90% interval of 5 of 20


def test_score_interval_of_a_published_example() -> None:
    """PropCIs::scoreci.mp(40, 20, 160, 0.95) in R says 0.031 to 0.218."""
    assert score_bound(40, 20, 160, 0.975) == pytest.approx(0.0309, abs=1e-4)
    assert -score_bound(20, 40, 160, 0.975) == pytest.approx(0.2181, abs=1e-4)


@given(st.integers(0, 50), st.integers(0, 50), st.integers(0, 200))
def test_the_score_bound_is_where_the_test_turns(wins: int, losses: int, same: int) -> None:
    """At the bound the found difference lies 1.645 standard errors above; it lies below the difference."""
    items = wins + losses + same
    if not items:
        return
    bound = score_bound(wins, losses, items, 0.95)
    assert -1 <= bound <= (wins - losses) / items
    if losses < items:
        assert score(wins, losses, items, bound) == pytest.approx(1.6449, abs=1e-3)


def test_without_disagreement_the_bound_has_a_closed_form() -> None:
    """-z^2 / (n + z^2): a bootstrap would say 0."""
    z2 = 1.6448536**2
    assert score_bound(0, 0, [20, 2000], 0.95) == pytest.approx([-z2 / (20 + z2), -z2 / (2000 + z2)])


def test_mcnemar_counts_coins() -> None:
    """5 losses and no win: 1 of 32 throws of five coins; 4 and 1: 6 of 32."""
    assert worse([0, 1, 5], [5, 4, 0], 100, 0.0) == pytest.approx([1 / 32, 6 / 32, 1])
    assert worse(0, 0, 100, 0.0) == 1


def test_an_accepted_loss_makes_losses_likelier() -> None:
    """10 losses of 100 are clear against no margin, and nothing against one of 0.1."""
    assert worse(0, 10, 100, 0.0) < 0.001
    assert worse(0, 10, 100, 0.1) == pytest.approx(0.5)


def test_holm_by_hand() -> None:
    """0.01, 0.02, 0.03 times 3, 2, 1, never falling."""
    assert holm([0.03, 0.01, 0.02]) == pytest.approx([0.04, 0.03, 0.04])
    assert holm([[0.5, 0.9]])[0] == pytest.approx([1, 1])


def test_chance_counts_out_what_can_happen() -> None:
    """Two items, each a loss with probability one half: both are with one quarter; nothing can happen at no rate."""
    assert chance(2, 0.0, 0.5, lambda wins, losses: losses == 2) == pytest.approx(0.25)
    assert chance(9, 0.2, 0.3, lambda wins, losses: np.ones_like(wins, bool)) == pytest.approx(1)
    assert chance(9, 0.0, 0.0, lambda wins, losses: losses == 0) == 1


@pytest.mark.parametrize(("items", "rate", "loss"), [(500, 0.04, 0.02), (1771, 0.04, 0.01), (1771, 0.08, 0.02)])
def test_the_score_bound_holds_its_level(items: int, rate: float, loss: float) -> None:
    """A version that is worse by exactly the margin is called not inferior in 5 of 100 cases, counted out."""
    passed = chance(
        items, (rate - loss) / 2, (rate + loss) / 2, lambda wins, losses: score_bound(wins, losses, items, 0.95) > -loss
    )
    assert 0.04 < passed < 0.052
