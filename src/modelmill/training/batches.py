"""Which texts make a batch, and how ragged ids become a rectangle."""

import numpy as np
from numpy.typing import NDArray

from modelmill.tokenization.tokens import Tokens

Rows = NDArray[np.int64]


def length_buckets(lengths: NDArray[np.int64], budget: int, epoch_seed: tuple[int, int] | None) -> list[Rows]:
    """Batches of texts of like length, each within a budget of tokens, padding included.

    Args:
        lengths: tokens of each text.
        budget: largest rows x longest of a batch; a longer text is a batch of its own.
        epoch_seed: (seed, epoch) for a random order; None keeps the order by length.
    """
    keys = lengths.astype(np.float64)
    rng = np.random.default_rng(epoch_seed) if epoch_seed else None
    if rng:
        keys *= rng.uniform(0.9, 1.1, len(keys))  # neighbours change from epoch to epoch
    batches: list[list[int]] = []
    longest = 0
    for row in np.argsort(keys, kind="stable"):
        longest = max(longest, int(lengths[row]))
        if not batches or longest * (len(batches[-1]) + 1) > budget:
            batches.append([])
            longest = int(lengths[row])
        batches[-1].append(int(row))
    if rng:
        rng.shuffle(batches)
    return [np.array(batch) for batch in batches]


MIX = 2
"""Buckets that make a training batch. Two cost 9% more time than one bucket of the whole budget, four 30%."""


def mixed_batches(lengths: NDArray[np.int64], budget: int, epoch_seed: tuple[int, int]) -> list[list[Rows]]:
    """Training batches of a few buckets each, drawn from all lengths.

    Where the label goes with the length, a batch of one length is a skewed sample of the labels, and its step goes
    astray (docs/log.md has the figures).

    Args:
        lengths: tokens of each text.
        budget: largest sum of rows x longest over a batch's buckets; a longer text is a batch of its own.
        epoch_seed: (seed, epoch).
    """
    batches: list[list[Rows]] = []
    room = 0
    for bucket in length_buckets(lengths, budget // MIX, epoch_seed):
        cost = int(lengths[bucket].max()) * len(bucket)
        if not batches or cost > room:
            batches.append([])
            room = budget
        batches[-1].append(bucket)
        room -= cost
    return [_joined(batch, lengths, budget) for batch in batches]


WASTE = 1.2
"""More padding than this, and buckets stay apart: a second pass through the model costs less."""


def _joined(batch: list[Rows], lengths: NDArray[np.int64], budget: int) -> list[Rows]:
    """Buckets of nearly one length as one, within the budget."""
    rows = np.concatenate(batch)
    apart = sum(len(bucket) * int(lengths[bucket].max()) for bucket in batch)
    return [rows] if len(rows) * int(lengths[rows].max()) <= min(WASTE * apart, budget) else batch


def padded(tokens: Tokens, rows: Rows, pad: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Ids and attention mask, each (batch, longest)."""
    texts = [tokens[int(row)] for row in rows]
    ids = np.full((len(texts), max(map(len, texts))), pad, np.int64)
    mask = np.zeros_like(ids)
    for i, text in enumerate(texts):
        ids[i, : len(text)] = text
        mask[i, : len(text)] = 1
    return ids, mask
