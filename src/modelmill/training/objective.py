"""What every objective of pretraining has in common: rows of an epoch, batches of rows, all following from seeds."""

from collections.abc import Iterator
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from modelmill.tokenization.tokens import Tokens

Batch = dict[str, NDArray[np.int64]]
"""What the model's `forward` takes, by the names of its arguments."""


class Objective(Protocol):
    """Makes batches of one corpus. It has no state: what it answers follows from its arguments."""

    @property
    def tokens(self) -> Tokens:
        """The corpus."""

    @property
    def count(self) -> int:
        """Rows of an epoch."""

    def rows(self, epoch_seed: tuple[int, int]) -> NDArray[Any]:
        """All rows of an epoch in their order, (rows, ...)."""

    def batch(self, rows: NDArray[Any], seed: tuple[int, ...]) -> Batch:
        """The batch that some rows make."""


def endless_batches(objective: Objective, size: int, seed: int) -> Iterator[Batch]:
    """Batches of `size` rows, epoch after epoch, without end; each follows from seed, epoch and its first row."""
    epoch = 0
    while True:
        rows = objective.rows((seed, epoch))
        assert len(rows) >= size, "the corpus is smaller than one batch"
        for start in range(0, len(rows) - size + 1, size):
            yield objective.batch(rows[start : start + size], (seed, epoch, start))
        epoch += 1


def fixed_batches(objective: Objective, parts: int, seed: int) -> list[Batch]:
    """All rows once, in up to so many batches that stay the same: what validation looks at."""
    rows = objective.rows((seed, 0))
    return [objective.batch(part, (seed, i)) for i, part in enumerate(np.array_split(rows, min(parts, len(rows))))]
