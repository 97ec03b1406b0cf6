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
    """Packed blocks; a text begins with the tokenizer's begin token, and `ended` has its end token behind it."""

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
    """Texts that end with the end token; where that is the begin token, the next text's says it (GPT-2)."""
    if tokenizer.eos_token_id == tokenizer.bos_token_id:
        return tokens
    return Tokens.of([np.append(tokens[i], tokenizer.eos_token_id) for i in range(len(tokens))], tokens.labels.tolist())
