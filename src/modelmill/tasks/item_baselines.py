"""What a recommender must beat: the most popular items, and the neighbours of what a user had."""

from collections.abc import Sequence
from itertools import product
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

NEIGHBOURS, LAST = (20, 100), (5, 20, None)
"""To choose from, on the validation split: neighbours of an item, and how many of the last items count (None: all)."""

CHUNK = 1000
"""Records scored at a time."""

Floats = NDArray[np.float64]


class Counted:
    """The interactions of training: who had which items."""

    def __init__(self, sequences: Sequence[Sequence[str]], names: Sequence[str]) -> None:
        from scipy.sparse import csr_array

        self.number = {name: i for i, name in enumerate(names)}
        rows = [self.known(items) for items in sequences]
        users = np.repeat(np.arange(len(rows)), [len(row) for row in rows])
        flat = np.concatenate([np.zeros(0, np.int64), *rows])
        had = csr_array((np.ones(len(flat)), (users, flat)), (len(rows), len(names)))
        had.data[:] = 1  # an item that somebody had twice
        self.had: Any = had
        self.popularity: Floats = np.asarray(had.sum(axis=0))

    def known(self, items: Sequence[str]) -> NDArray[np.int64]:
        """Their numbers."""
        return np.array([self.number[item] for item in items if item in self.number], np.int64)

    def nearest(self, neighbours: int) -> Any:
        """For each item its nearest ones, by the cosine of who had them, (items, items), sparse.

        Item-based collaborative filtering (Sarwar et al. 2001, https://doi.org/10.1145/371920.372071) with the model
        size of Deshpande and Karypis 2004 (https://doi.org/10.1145/963770.963776).
        """
        from scipy.sparse import csr_array

        together = (self.had.T @ self.had).tocsr()
        together.setdiag(0)
        together.eliminate_zeros()
        norms = np.sqrt(np.maximum(self.popularity, 1))
        indices, data, ends = [], [], [0]
        for item in range(together.shape[0]):
            span = slice(together.indptr[item], together.indptr[item + 1])
            others = together.indices[span]
            cosine = together.data[span] / (norms[item] * norms[others])
            best = np.argsort(-cosine, kind="stable")[:neighbours]
            indices.append(others[best])
            data.append(cosine[best])
            ends.append(ends[-1] + len(best))
        return csr_array((np.concatenate(data), np.concatenate(indices), ends), together.shape)

    def neighbour_scores(self, histories: Sequence[Sequence[str]], nearest: Any, last: int | None) -> Floats:
        """Sum of the cosines to the last items of each history, (histories, items); popularity where all are 0."""
        scores = np.tile(self.popularity / (self.popularity.max() + 1) * 1e-9, (len(histories), 1))
        for row, items in enumerate(histories):
            scores[row] += nearest[self.known(items[-last:] if last else items)].sum(axis=0)
        return scores

    def without(self, scores: Floats, histories: Sequence[Sequence[str]]) -> Floats:
        """Items that stand in the history cannot be recommended."""
        for row, items in enumerate(histories):
            scores[row, self.known(items)] = -np.inf
        return scores


def choices() -> list[tuple[int, int | None]]:
    """Neighbours and last items to choose from."""
    return list(product(NEIGHBOURS, LAST))


def split_items(texts: pl.Series) -> list[list[str]]:
    """Histories as lists."""
    return [text.split() for text in texts]
