"""Parts of the items: how they are cut, what is found in them, and how often."""

from dataclasses import replace

import numpy as np
import polars as pl
import pytest

from modelmill.evaluation.slices import (
    Bools,
    Part,
    chance_to_find,
    compare_parts,
    negative_flips,
    parts_of,
    visible_loss,
)
from modelmill.specs.registry import SlicesGate

SEEDS = 200
RULE = SlicesGate()


def test_parts_by_label_length_and_source() -> None:
    """Six records: two of each length, two labels, two files; what a part holds is told by its name."""
    records = pl.DataFrame(
        {
            "label": list("aabbab"),
            "text": ["x" * size for size in (1, 2, 3, 4, 50, 60)],
            "origin": ["one.txt:1", "one.txt:2", "two:part.csv:3", "one.txt:4", "one.txt:5", "two:part.csv:6"],
        }
    )
    found = {
        name: np.flatnonzero(inside).tolist()
        for name, inside in parts_of(records, ["label", "length", "source"]).items()
    }
    assert found == {
        "label a": [0, 1, 4],
        "label b": [2, 3, 5],
        "length up to 2 characters": [0, 1],
        "length 3 to 4 characters": [2, 3],
        "length over 4 characters": [4, 5],
        "source one.txt": [0, 1, 3, 4],
        "source two:part.csv": [2, 5],
    }


def test_texts_of_one_length_are_one_part() -> None:
    """A part that nothing is in is none."""
    records = pl.DataFrame({"text": ["abc", "def"]})
    assert list(parts_of(records, ["length"])) == ["length up to 3 characters"]


def test_a_planted_loss_by_hand() -> None:
    """Seven losses and no win in a part: 2^-7, times two parts; none in the other; a small part is not judged."""
    theirs, ours = np.ones(100, bool), np.ones(100, bool)
    ours[:7] = False
    parts = {"first": np.arange(100) < 50, "second": np.arange(100) >= 50, "small": np.arange(100) < 5}
    first, second, small = compare_parts(ours, theirs, parts, RULE)
    assert (first.wins, first.losses, first.items) == (0, 7, 50)
    assert (first.p, first.adjusted) == pytest.approx((2**-7, 2**-6))
    assert first.is_worse(RULE)
    assert second.adjusted == 1
    assert not second.is_worse(RULE)
    assert (small.losses, small.p, small.visible, small.is_worse(RULE)) == (5, None, None, False)


def test_a_loss_within_the_margin_is_accepted() -> None:
    """7 of 50 lost: too many beside nothing, few beside an accepted loss of 20 points."""
    theirs, ours = np.ones(50, bool), np.arange(50) >= 7
    rule = SlicesGate(margin=0.2, detectable=0.5)
    (part,) = compare_parts(ours, theirs, {"all": theirs}, rule)
    assert not part.is_worse(rule)


def test_a_part_can_tell_what_it_would_have_shown() -> None:
    """A loss that is at least the visible one; a part that is not tested cannot tell anything."""
    seen = Part("a", 100, 1.0, 1.0, 0, 0, 1.0, 1.0, visible=0.05)
    assert seen.can_tell(SlicesGate(detectable=0.05))
    assert not seen.can_tell(SlicesGate(detectable=0.049))
    assert not replace(seen, visible=None).can_tell(SlicesGate(detectable=0.9))


def test_negative_flips_are_what_was_lost() -> None:
    """Right before and wrong now; what both have wrong, or was won, is none."""
    ours, theirs = np.array([True, False, False, True]), np.array([True, True, False, False])
    assert negative_flips(list("abcd"), ours, theirs) == ["b"]


def test_the_visible_loss_is_found_and_a_smaller_one_is_not() -> None:
    """With 80%, at the level of five parts; more items show smaller losses."""
    seen = visible_loss(600, 0.05, 0.0, 0.01)
    assert chance_to_find(600, seen, 0.05, 0.0, 0.01) >= 0.8 > chance_to_find(600, seen - 0.001, 0.05, 0.0, 0.01)
    assert visible_loss(2400, 0.05, 0.0, 0.01) < 0.6 * seen
    assert visible_loss(5, 0.5, 0.0, 0.01) == 1  # five losses have p 1/32


def right(parts: int, size: int, disagreement: float, loss: float, seed: int) -> tuple[Bools, Bools, dict[str, Bools]]:
    """Who is right in `parts` parts of one size, 90% of the incumbent's; the first loses `loss` beside the noise."""
    rng = np.random.default_rng(seed)
    luck, part = rng.random(parts * size), np.repeat(np.arange(parts), size)
    wins, both = disagreement / 2, 0.9 - disagreement / 2
    lost = np.where(part == 0, loss, 0.0)
    ours = (luck < both - lost) | ((luck >= 0.9) & (luck < 0.9 + wins))
    return ours, luck < 0.9, {f"part {one}": part == one for one in range(parts)}


def blocked(parts: int, size: int, disagreement: float, loss: float) -> float:
    """Share of the seeds in which a part is called worse."""
    found = [compare_parts(*right(parts, size, disagreement, loss, seed), RULE) for seed in range(SEEDS)]
    return float(np.mean([any(part.is_worse(RULE) for part in parts) for parts in found]))


@pytest.fixture
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """What would have been seen is not asked here, and takes most of the time."""
    monkeypatch.setattr("modelmill.evaluation.slices.visible_loss", lambda *_: 1.0)


@pytest.mark.usefixtures("_quick")
@pytest.mark.parametrize(("disagreement", "size"), [(0.0, 400), (0.04, 1250), (0.08, 2000)])
def test_a_planted_loss_of_three_points_in_one_of_five_parts_is_blocked(disagreement: float, size: int) -> None:
    """In 95 of 100 cases and more, when the part has so many records; counted out, and over 200 seeds."""
    assert chance_to_find(size, 0.03, disagreement + 0.03, 0.0, 0.05 / 5) >= 0.95
    assert blocked(5, size, disagreement, 0.03) >= 0.95


@pytest.mark.usefixtures("_quick")
def test_a_part_that_is_too_small_hides_such_a_loss() -> None:
    """200 records: in more than half of the cases nothing is found."""
    assert blocked(5, 200, 0.04, 0.03) < 0.5


@pytest.mark.usefixtures("_quick")
@pytest.mark.parametrize("size", [200, 2000])
def test_equally_good_versions_are_hardly_ever_blocked(size: int) -> None:
    """In 5 of 100 cases at most, for all five parts together."""
    assert blocked(5, size, 0.08, 0.0) <= 0.05 + 2.33 * np.sqrt(0.05 * 0.95 / SEEDS)
