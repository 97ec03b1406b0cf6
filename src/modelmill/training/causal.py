"""Causal language modelling: each token is predicted from those before it (Radford et al. 2018)."""

from dataclasses import dataclass
from typing import Any

from numpy.typing import NDArray

from modelmill.tokenization.tokens import Tokens
from modelmill.training.objective import Batch
from modelmill.training.packing import PackedBlocks, count_blocks, separated


@dataclass(frozen=True)
class CausalLm:
    """Packed blocks; a text begins with the tokenizer's begin token, and has `end` behind it.

    With `separate` no token sees another text of its block; behind the last one the next text's first is expected.
    """

    tokens: Tokens
    end: int | None
    block: int
    separate: bool = False

    @property
    def count(self) -> int:
        """Blocks of an epoch."""
        return count_blocks(self.tokens, self.block, self.end)

    def rows(self, epoch_seed: tuple[int, int]) -> PackedBlocks:
        """Blocks of ids, and of the numbers of their texts."""
        return PackedBlocks([self.tokens], self.block, epoch_seed, self.end)

    def batch(self, rows: NDArray[Any], _: tuple[int, ...]) -> Batch:
        """The ids are their own labels: transformers shifts them by one."""
        ids = rows[:, 0]
        if not self.separate:
            return {"input_ids": ids, "labels": ids}
        sees, positions = separated(rows[:, -1], causal=True)
        return {"input_ids": ids, "labels": ids, "attention_mask": sees, "position_ids": positions}


def end_token(tokens: Tokens, tokenizer: Any) -> int | None:
    """What is put behind a text; None where texts begin with that very token, for the next one's says it (GPT-2)."""
    end: int = tokenizer.eos_token_id
    return None if len(tokens) and tokens[0][0] == end else end
