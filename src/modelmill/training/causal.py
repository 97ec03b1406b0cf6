"""Causal language modelling: each token is predicted from those before it (Radford et al. 2018)."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from modelmill.tokenization.tokens import Tokens
from modelmill.training.batches import packed_blocks
from modelmill.training.objective import Batch


@dataclass(frozen=True)
class CausalLm:
    """Packed blocks of texts that are `ended`."""

    tokens: Tokens
    block: int

    @property
    def count(self) -> int:
        """Blocks of an epoch."""
        return int(self.tokens.lengths.sum()) // self.block

    def rows(self, epoch_seed: tuple[int, int]) -> NDArray[Any]:
        """Blocks of ids, (blocks, block)."""
        return packed_blocks(self.tokens, self.block, epoch_seed)

    def batch(self, rows: NDArray[Any], _: tuple[int, ...]) -> Batch:
        """The ids are their own labels: transformers shifts them by one."""
        ids = rows.astype(np.int64)
        return {"input_ids": ids, "labels": ids}


def ended(tokens: Tokens, tokenizer: Any) -> Tokens:
    """Texts with the end token behind them; where texts begin with that very token, the next one's says it (GPT-2)."""
    end = tokenizer.eos_token_id
    if len(tokens.ids) and tokens.ids[0] == end:
        return tokens
    behind = tokens.offsets + np.arange(len(tokens.offsets))
    return Tokens(np.insert(tokens.ids, tokens.offsets[1:], end), behind, tokens.labels)
