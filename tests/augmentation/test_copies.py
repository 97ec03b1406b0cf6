"""Which records get copies."""

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from modelmill.augmentation.copies import plan_copies


def test_numbers_go_on_where_steps_are_of_one_kind() -> None:
    """A step of another kind, or one that balances, in between too."""
    steps = [("flip", 1), ("crop", 1), ("flip", "balance"), ("flip", 1)]
    assert plan_copies(["x", "x", "y"], steps) == [
        [(0, 1), (1, 1), (2, 1)],
        [(0, 1), (1, 1), (2, 1)],
        [(2, 2)],
        [(0, 5), (1, 5), (2, 5)],
    ]


@given(st.lists(st.sampled_from("xyz")))
def test_balance_brings_all_labels_to_the_most_frequent(labels: list[str]) -> None:
    """By turns: no record has two copies more than another of its label."""
    (rows,) = plan_copies(labels, [("flip", "balance")])
    totals = Counter([*labels, *(labels[row] for row, _ in rows)])
    assert len(set(totals.values())) <= 1
    assert len(set(rows)) == len(rows)
    copies = Counter(row for row, _ in rows)
    for label in set(labels):
        counts = [copies[row] for row, other in enumerate(labels) if other == label]
        assert max(counts) - min(counts) <= 1
