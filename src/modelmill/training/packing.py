"""Texts packed into blocks of one length, without padding; nothing is read before it is asked for."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from modelmill.tokenization.tokens import Tokens

Blocks = NDArray[np.int64]


class PackedBlocks:
    """All texts in random order, end to end, cut into blocks in random order; a rest shorter than a block is left out.

    Takes 16 bytes a text and 8 a block; ids stay where they are.

    Args:
        parts: ids, and what else is known of each token, texts of the same lengths; of each a layer of the blocks.
        block: tokens of a block.
        epoch_seed: (seed, epoch), from which both orders follow.
        end: id that is put behind each text, in all parts.
    """

    def __init__(
        self, parts: Sequence[Tokens], block: int, epoch_seed: tuple[int, int], end: int | None = None
    ) -> None:
        rng = np.random.default_rng(epoch_seed)
        self._parts, self._block, self._end = parts, block, end
        self._texts = rng.permutation(len(parts[0]))
        self._ends = np.cumsum(parts[0].lengths[self._texts] + (end is not None))
        self._order = rng.permutation(count_blocks(parts[0], block, end))

    def __len__(self) -> int:
        return len(self._order)

    def __getitem__(self, rows: slice) -> Blocks:
        """Some of the blocks: (blocks, parts + 1, block); the last layer numbers the texts of each block."""
        found = np.empty((len(self._order[rows]), len(self._parts) + 1, self._block), np.int64)
        for row, place in enumerate(self._order[rows]):
            self._fill(found[row], int(place) * self._block)
        return found

    def _fill(self, block: NDArray[np.int64], start: int) -> None:
        """Lay the texts from place `start` on into a block."""
        filled, text = 0, int(np.searchsorted(self._ends, start, "right"))
        while filled < self._block:
            first, last = (int(self._ends[text - 1]) if text else 0), int(self._ends[text])
            begin = start + filled - first
            stop = filled + min(self._block - filled, last - first - begin)
            for layer, part in enumerate(self._parts):
                some = part[int(self._texts[text])][begin : begin + stop - filled]
                block[layer, filled : filled + len(some)] = some
                if self._end is not None:
                    block[layer, filled + len(some) : stop] = self._end
            block[-1, filled:stop] = text
            filled, text = stop, text + 1


def count_blocks(tokens: Tokens, block: int, end: int | None = None) -> int:
    """Blocks that the texts make."""
    return int((tokens.lengths + (end is not None)).sum()) // block


def separated(texts: Blocks, *, causal: bool = False) -> tuple[NDArray[np.bool_], Blocks]:
    """Attention within each text of a block only, and positions that begin anew with each.

    Args:
        texts: number of the text of each token, (blocks, block).
        causal: whether a token sees no later one.

    Returns:
        which token sees which, (blocks, 1, block, block), and the position of each token in its text, (blocks, block).
    """
    sees = texts[:, None, :, None] == texts[:, None, None, :]
    if causal:
        sees &= np.tri(texts.shape[1], dtype=bool)
    places = np.arange(texts.shape[1])
    begins = np.concatenate([np.ones((len(texts), 1), bool), texts[:, 1:] != texts[:, :-1]], axis=1)
    return sees, places - np.maximum.accumulate(np.where(begins, places, 0), axis=1)
