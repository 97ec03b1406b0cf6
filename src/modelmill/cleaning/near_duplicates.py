"""Texts that are nearly the same: found by bands of their MinHash signatures, verified by the whole signatures.

Broder 1997, On the resemblance and containment of documents; Leskovec et al., Mining of Massive Datasets, 3.4.

Signatures are rensa's; ours are the shingles, the bands and the choice of what stays.
"""

from collections.abc import Iterable, Iterator
from typing import Protocol

import numpy as np
import polars as pl
from numpy.typing import NDArray

from modelmill.specs.cleaning import NearDuplicatesSpec
from modelmill.tables import pieces

DEPTH = 32
"""Known texts of a bucket that a text is compared with: those that share a template fill buckets."""

FOUND = 0.95
"""Share of the pairs exactly at the threshold that the bands must find; of more similar pairs they find more."""


def signatures(texts: pl.Series, spec: NearDuplicatesSpec) -> NDArray[np.uint32]:
    """MinHash signatures (texts, permutations): two agree in as many places as the shingle sets have in common."""
    from rensa import RMinHash

    from modelmill.cleaning.shingles import shingles

    result = np.empty((len(texts), spec.permutations), np.uint32)
    at = 0
    for batch in pieces(texts.to_frame()):  # shingles take eight times their text, a signature some 5 kB on its way
        hashes, bounds = shingles(batch.to_series(), spec.words)
        matrix = RMinHash.digest_matrix_from_flat_token_hashes(
            hashes, bounds.astype(np.uint64), spec.permutations, spec.seed
        )
        result[at : at + len(batch)] = matrix.to_rows()
        at += len(batch)
    return result


def banding(threshold: float, permutations: int) -> tuple[int, int]:
    """Bands and rows of a band: the longest bands that still find `FOUND` of the pairs at the threshold."""
    fitting = [r for r in range(1, permutations + 1) if found_share(threshold, permutations // r, r) >= FOUND]
    rows = max(fitting, default=1)
    return permutations // rows, rows


def found_share(similarity: float, bands: int, rows: int) -> float:
    """The S-curve: probability that a pair of that similarity shares a band."""
    return 1 - (1 - similarity**rows) ** bands


def band_hashes(signed: NDArray[np.uint32], threshold: float) -> NDArray[np.uint64]:
    """Hashes of the bands of signatures, (bands, texts)."""
    bands, rows = banding(threshold, signed.shape[1])
    weights = np.array([pow(0x9E3779B97F4A7C15, k + 1, 2**64) for k in range(rows)], np.uint64)
    parts = (signed[:, band * rows : (band + 1) * rows] for band in range(bands))
    return np.stack([(part * weights).sum(1, dtype=np.uint64) for part in parts])


class Signed(Protocol):
    """Signatures of texts."""

    threshold: float

    def similarity(self, row: int, other: int) -> float:
        """Share of equal places."""


def resolved(
    pairs: Iterable[tuple[int, int, float]], stays: NDArray[np.int64], signed: Signed
) -> Iterator[tuple[int, int, float]]:
    """Each row that repeats another, with the one that stays for it, and how similar they are.

    Args:
        pairs: (later, earlier, similarity) of similar texts, in order.
        stays: by row, the row that stays in its place, -1 for none; filled here.
        signed: the signatures.
    """
    for row, earlier, similarity in pairs:
        if stays[row] >= 0:
            continue
        kept = int(stays[earlier]) if stays[earlier] >= 0 else earlier
        alike = similarity if kept == earlier else signed.similarity(row, kept)
        if alike >= signed.threshold:
            stays[row] = kept
            yield row, kept, alike


def neighbours(hashes: NDArray[np.uint64]) -> NDArray[np.int64]:
    """Pairs (later, earlier) of equal hashes: each row with the first of its bucket, and with the one before it.

    All pairs of a bucket would be too many where texts share much (a thousand letters from one template); a similar
    pair shares several bands, in some of which its bucket is small.
    """
    order = np.argsort(hashes, kind="stable")
    first = np.arange(len(order))
    first[np.flatnonzero(hashes[order[1:]] == hashes[order[:-1]]) + 1] = 0
    first = np.maximum.accumulate(first)
    later = np.flatnonzero(first < np.arange(len(order)))
    third = later[later - 1 > first[later]]  # the second one's first and the one before it are the same
    pairs = np.stack([np.concatenate([later, third]), np.concatenate([first[later], third - 1])], 1)
    found: NDArray[np.int64] = order[pairs]
    return found


class Known:
    """Texts that others must not repeat, such as a test split; they may repeat each other."""

    def __init__(self, texts: pl.Series, spec: NearDuplicatesSpec) -> None:
        self._spec = spec
        self._signed = signatures(texts, spec)
        hashes = band_hashes(self._signed, spec.threshold)
        self._orders = np.argsort(hashes, axis=1, kind="stable")
        self._hashes = np.take_along_axis(hashes, self._orders, axis=1)

    def near(self, texts: pl.Series) -> pl.DataFrame:
        """Which of the texts nearly repeat a known one: row, similarity, and `of`, the one most like it."""
        signed = signatures(texts, self._spec)
        found = [np.empty((0, 2), np.int64)]
        for hashes, order, known in zip(
            band_hashes(signed, self._spec.threshold), self._orders, self._hashes, strict=True
        ):
            start, end = (np.searchsorted(known, hashes, side) for side in ("left", "right"))
            for step in range(min(DEPTH, int((end - start).max(initial=0)))):
                rows = np.flatnonzero(start + step < end)
                found.append(np.stack([rows, order[start[rows] + step]], 1))
        pairs = np.unique(np.concatenate(found), axis=0)
        alike = pl.DataFrame(pairs, schema=["row", "of"], orient="row").with_columns(
            similarity=_similarity(signed, self._signed, pairs)
        )
        best = alike.sort("row", -pl.col("similarity"), "of").unique("row", keep="first", maintain_order=True)
        return best.filter(pl.col("similarity") >= self._spec.threshold)


def _similarity(
    signed: NDArray[np.uint32], others: NDArray[np.uint32], pairs: NDArray[np.int64]
) -> NDArray[np.float64]:
    """Share of equal places in the signatures of pairs (row of `signed`, row of `others`)."""
    parts = [
        (signed[part[:, 0]] == others[part[:, 1]]).mean(1)
        for part in np.array_split(pairs, max(1, len(pairs) // 100_000))
    ]
    return np.concatenate(parts)
