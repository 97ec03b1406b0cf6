"""Batches and blocks."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from modelmill.tokenization.tokens import Tokens
from modelmill.training.batches import length_buckets, mixed_batches, padded


def ragged(*texts: list[int]) -> Tokens:
    """Tokens of texts."""
    return Tokens.of(texts, [-1] * len(texts))


@given(
    st.lists(st.integers(1, 50), min_size=1, max_size=60),
    st.integers(1, 200),
    st.none() | st.tuples(st.integers(0, 9), st.integers(0, 9)),
)
def test_every_text_is_in_one_batch_within_budget(
    lengths: list[int], budget: int, seed: tuple[int, int] | None
) -> None:
    """No text is lost or doubled; only a text longer than the budget exceeds it, alone."""
    batches = length_buckets(np.array(lengths), budget, seed)
    assert sorted(np.concatenate(batches)) == list(range(len(lengths)))
    for batch in batches:
        assert max(lengths[i] for i in batch) * len(batch) <= budget or len(batch) == 1


@given(st.lists(st.integers(1, 50), min_size=1, max_size=60), st.integers(1, 400), st.integers(0, 9))
def test_a_training_batch_mixes_lengths_within_the_budget(lengths: list[int], budget: int, epoch: int) -> None:
    """No text is lost or doubled; a batch of more than one text stays within the budget, padding included."""
    batches = mixed_batches(np.array(lengths), budget, (0, epoch))
    assert sorted(row for batch in batches for bucket in batch for row in bucket) == list(range(len(lengths)))
    for batch in batches:
        cost = sum(max(lengths[i] for i in bucket) * len(bucket) for bucket in batch)
        assert cost <= budget or sum(map(len, batch)) == 1


def test_training_batches_mix_lengths() -> None:
    """Two buckets to a batch, drawn from as many short as long ones: about half of the batches hold both."""
    lengths = np.repeat([5, 50], [1800, 200])
    both = [
        len({int(lengths[i]) for bucket in batch for i in bucket}) == 2 for batch in mixed_batches(lengths, 400, (0, 0))
    ]
    assert 0.3 < np.mean(both) < 0.7


def test_order_follows_from_seed_and_epoch() -> None:
    """Same pair, same batches; another epoch, another order."""
    lengths = np.arange(1, 100) % 17 + 1
    first, again, other = ([b.tolist() for b in length_buckets(lengths, 64, seed)] for seed in ((0, 0), (0, 0), (0, 1)))
    assert first == again != other


def test_padding_is_masked() -> None:
    """Two texts of 1 and 3 tokens, pad 9."""
    ids, mask = padded(ragged([5], [6, 7, 8]), np.array([0, 1]), 9)
    assert ids.tolist() == [[5, 9, 9], [6, 7, 8]]
    assert mask.tolist() == [[1, 0, 0], [1, 1, 1]]
