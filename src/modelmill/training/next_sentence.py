"""Masked language modelling and the question whether one piece of text follows on another (Devlin et al. 2019, 3.1)."""

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from modelmill.tokenization.tokens import Tokens
from modelmill.training.masked_lm import Masking, mask_tokens
from modelmill.training.objective import Batch

Span = tuple[int, int, int]
"""Number of a text, its first token (special ones not counted), number of tokens."""


@dataclass(frozen=True)
class NextSentence:
    """Pairs `[CLS] A [SEP] B [SEP]`: a stretch of a text, cut in two; in half of the pairs B is from another text.

    Texts begin with [CLS] and end with [SEP], as BERT's tokenizers make them. A pair is cut at a random token, not at
    the end of a sentence, and a B from elsewhere is as long as the one that it stands for.
    """

    tokens: Tokens
    starts: Tokens | None
    masking: Masking
    pad: int
    block: int

    @cached_property
    def _lengths(self) -> NDArray[np.int64]:
        """Tokens of each text without [CLS] and [SEP]."""
        return self.tokens.lengths - 2

    @cached_property
    def _by_length(self) -> NDArray[np.int64]:
        """Texts, the shortest first."""
        return np.argsort(self._lengths, kind="stable")

    @cached_property
    def _sorted_lengths(self) -> NDArray[np.int64]:
        """Lengths, the least first."""
        return self._lengths[self._by_length]

    @cached_property
    def _longest(self) -> int:
        """Tokens of the second longest text: each text has another one that is as long."""
        return int(self._lengths[self._by_length[-2]]) if len(self.tokens) > 1 else 0

    @cached_property
    def _stretches(self) -> NDArray[np.int64]:
        """All texts in stretches that fill a block: (stretches, 3), each a span; one that cannot be cut is left out."""
        if self._longest < 1:
            return np.zeros((0, 3), np.int64)
        room = self.block - 3
        counts = -(-self._lengths // room)
        texts = np.repeat(np.arange(len(counts)), counts)
        begins = (np.arange(len(texts)) - np.repeat(np.cumsum(counts) - counts, counts)) * room
        found = np.stack([texts, begins, np.minimum(self._lengths[texts] - begins, room)], axis=1)
        return found[found[:, 2] >= 2]

    @property
    def count(self) -> int:
        """Pairs of an epoch."""
        return len(self._stretches)

    def rows(self, epoch_seed: tuple[int, int]) -> NDArray[Any]:
        """Stretches in random order, (pairs, 3)."""
        return np.random.default_rng(epoch_seed).permutation(self._stretches)

    def batch(self, rows: NDArray[Any], seed: tuple[int, ...]) -> Batch:
        """Pairs, padded to a block, under masks; the label is 0 where B follows on A, 1 where it does not."""
        rng = np.random.default_rng((*seed, 1))
        pairs = [self._pair((int(text), int(begin), int(length)), rng) for text, begin, length in rows]
        ids = np.full((len(pairs), self.block), self.pad, np.int64)
        types, shown, starts = np.zeros_like(ids), np.zeros_like(ids), np.ones(ids.shape, bool)
        for i, (first, second, _) in enumerate(pairs):
            middle, end = first[2] + 2, first[2] + second[2] + 3
            ids[i, :end] = self._joined(first, second)
            types[i, middle:end] = 1
            shown[i, :end] = 1
            if self.starts is not None:
                starts[i, 2 : middle - 1] = _span(self.starts, first)[1:]
                starts[i, middle + 1 : end - 1] = _span(self.starts, second)[1:]
        masked, labels = mask_tokens(ids, self.masking, seed, starts)
        follows = np.array([int(other) for _, _, other in pairs])
        return {
            "input_ids": masked,
            "token_type_ids": types,
            "attention_mask": shown,
            "labels": labels,
            "next_sentence_label": follows,
        }

    def _pair(self, stretch: Span, rng: np.random.Generator) -> tuple[Span, Span, bool]:
        """A, B, and whether B is from another text."""
        text, begin, length = stretch
        cut = int(rng.integers(1, length))
        second = (text, begin + cut, min(length - cut, self._longest))
        other = bool(rng.random() < 0.5)
        return (text, begin, cut), self._elsewhere(second, rng) if other else second, other

    def _elsewhere(self, span: Span, rng: np.random.Generator) -> Span:
        """As many tokens from a random place in a random other text that has them."""
        text, _, length = span
        shorter = int(np.searchsorted(self._sorted_lengths, length))
        candidates = self._by_length[shorter:]
        chosen = int(candidates[rng.integers(0, len(candidates) - 1)])
        chosen = int(candidates[-1]) if chosen == text else chosen
        return chosen, int(rng.integers(0, self._lengths[chosen] - length + 1)), length

    def _joined(self, first: Span, second: Span) -> NDArray[np.int32]:
        begin, end = self.tokens[0][0], self.tokens[0][-1]
        return np.concatenate([[begin], _span(self.tokens, first), [end], _span(self.tokens, second), [end]])


def _span(tokens: Tokens, span: Span) -> NDArray[np.int32]:
    text, begin, length = span
    return tokens[text][1 + begin : 1 + begin + length]
