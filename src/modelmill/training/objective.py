"""What every objective of pretraining has in common: rows of an epoch, batches of rows, all following from seeds."""

from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from modelmill.tokenization.tokens import Tokens

Batch = dict[str, NDArray[Any]]
"""What the model's `forward` takes, by the names of its arguments."""


class Rows(Protocol):
    """The rows of an epoch in their order; slices of them are arrays."""

    def __len__(self) -> int: ...

    def __getitem__(self, rows: slice) -> NDArray[Any]: ...


class Objective(Protocol):
    """Makes batches of one corpus. It has no state: what it answers follows from its arguments."""

    @property
    def tokens(self) -> Tokens:
        """The corpus."""

    @property
    def count(self) -> int:
        """Rows of an epoch."""

    def rows(self, epoch_seed: tuple[int, int]) -> Rows:
        """All rows of an epoch in their order."""

    def batch(self, rows: NDArray[Any], seed: tuple[int, ...]) -> Batch:
        """The batch that some rows make."""


class Stream:
    """Batches of `size` rows by number, epoch after epoch, without end; each follows from seed, epoch and first row."""

    def __init__(self, objective: Objective, size: int, seed: int) -> None:
        self._objective, self._size, self._seed = objective, size, seed
        self._each = objective.count // size
        assert self._each, "the corpus is smaller than one batch"
        self._epoch, self._rows = -1, None  # type: int, Rows | None

    def __getitem__(self, number: int) -> Batch:
        epoch, place = divmod(number, self._each)
        if self._rows is None or epoch != self._epoch:
            self._epoch, self._rows = epoch, self._objective.rows((self._seed, epoch))
        start = place * self._size
        return self._objective.batch(self._rows[start : start + self._size], (self._seed, epoch, start))


def fixed_batches(objective: Objective, parts: int, seed: int) -> list[Batch]:
    """All rows once, in up to so many batches that stay the same: what validation looks at."""
    rows = objective.rows((seed, 0))[:]
    return [objective.batch(part, (seed, i)) for i, part in enumerate(np.array_split(rows, min(parts, len(rows))))]
