"""Masked language modelling (Devlin et al. 2019, arXiv:1810.04805, 3.1)."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from modelmill.tokenization.tokens import Tokens
from modelmill.training.objective import Batch
from modelmill.training.packing import PackedBlocks, count_blocks, separated

Grid = NDArray[np.int64]


@dataclass(frozen=True)
class Masking:
    """Which share of the ordinary tokens is to be predicted, and what may stand in their places.

    `ordinary` are the ids of all tokens but the special ones, `mask` is the id of [MASK].
    """

    share: float
    ordinary: NDArray[np.int64]
    mask: int

    @classmethod
    def by(cls, tokenizer: Any, share: float) -> "Masking":
        """For the tokens of a tokenizer."""
        ordinary = np.setdiff1d(np.arange(len(tokenizer)), tokenizer.all_special_ids)
        return cls(share, ordinary, tokenizer.mask_token_id)


def mask_tokens(
    ids: Grid, masking: Masking, seed: tuple[int, ...], starts: NDArray[np.bool_] | None = None
) -> tuple[Grid, Grid]:
    """BERT's corruption: of the chosen tokens 80% become [MASK], 10% a random token, 10% stay.

    Args:
        ids: (batch, length).
        masking: how many, and by what.
        seed: what the choice follows from.
        starts: where words begin, (batch, length): all tokens of a word are chosen, or none.

    Returns:
        corrupted ids and labels (-100 where nothing is to be predicted), each (batch, length).
    """
    rng = np.random.default_rng(seed)
    draws = rng.random(ids.shape)
    if starts is not None:
        first = np.maximum.accumulate(np.where(starts, np.arange(ids.shape[1]), 0), axis=1)
        draws = np.take_along_axis(draws, first, axis=1)
    chosen = (draws < masking.share) & np.isin(ids, masking.ordinary)
    way = rng.random(ids.shape)
    corrupted = np.where(chosen & (way < 0.8), masking.mask, ids)
    random_ids = masking.ordinary[rng.integers(0, len(masking.ordinary), ids.shape)]
    corrupted = np.where(chosen & (way >= 0.9), random_ids, corrupted)
    return corrupted, np.where(chosen, ids, -100)


@dataclass(frozen=True)
class MaskedLm:
    """Packed blocks with masks; with `starts`, which are 1 where a word of `tokens` begins, whole words are masked.

    With `separate` no token sees another text of its block.
    """

    tokens: Tokens
    starts: Tokens | None
    masking: Masking
    block: int
    separate: bool = False

    @property
    def count(self) -> int:
        """Blocks of an epoch."""
        return count_blocks(self.tokens, self.block)

    def rows(self, epoch_seed: tuple[int, int]) -> PackedBlocks:
        """Blocks of ids, of the starts of their words, if known, and of the numbers of their texts."""
        parts = [part for part in (self.tokens, self.starts) if part is not None]
        return PackedBlocks(parts, self.block, epoch_seed)

    def batch(self, rows: NDArray[Any], seed: tuple[int, ...]) -> Batch:
        """Blocks under masks."""
        starts = rows[:, 1].astype(bool) if self.starts is not None else None
        ids, labels = mask_tokens(rows[:, 0], self.masking, seed, starts)
        batch: Batch = {"input_ids": ids, "labels": labels}
        if self.separate:
            batch["attention_mask"], batch["position_ids"] = separated(rows[:, -1])
        return batch
