"""Texts that are nearly the same: found by bands of their MinHash signatures, verified by the whole signatures.

Broder 1997, On the resemblance and containment of documents; Leskovec et al., Mining of Massive Datasets, 3.4.

Signatures are rensa's; ours are the shingles, the bands and the choice of what stays.
"""

from collections.abc import Iterator

import numpy as np
import polars as pl
from numpy.typing import NDArray

from modelmill.specs.cleaning import NearDuplicatesSpec

BATCH_BYTES, BATCH_ROWS = 8 << 20, 10_000
"""Text that is hashed at once: its shingles take eight times as much memory, a signature some 5 kB on its way."""

DEPTH = 16
"""Rows of a bucket, first ones and nearest ones, that a row is compared with where some rows are fixed."""

FOUND = 0.95
"""Share of the pairs exactly at the threshold that the bands must find; of more similar pairs they find more."""

PAIRS = {"row": pl.Int64, "of": pl.Int64, "similarity": pl.Float64}


def signatures(texts: pl.Series, spec: NearDuplicatesSpec) -> NDArray[np.uint32]:
    """MinHash signatures (texts, permutations): two agree in as many places as the shingle sets have in common."""
    from rensa import RMinHash

    from modelmill.cleaning.shingles import shingles

    result = np.empty((len(texts), spec.permutations), np.uint32)
    at = 0
    for batch in _batches(texts):
        hashes, bounds = shingles(batch, spec.words)
        matrix = RMinHash.digest_matrix_from_flat_token_hashes(
            hashes, bounds.astype(np.uint64), spec.permutations, spec.seed
        )
        result[at : at + len(batch)] = matrix.to_rows()
        at += len(batch)
    return result


def _batches(texts: pl.Series) -> Iterator[pl.Series]:
    """Slices of `BATCH_BYTES`, or of a single larger text."""
    ends = texts.str.len_bytes().cast(pl.Int64).cum_sum().to_numpy()
    start = 0
    while start < len(texts):
        before = ends[start - 1] if start else 0
        stop = max(start + 1, int(np.searchsorted(ends, before + BATCH_BYTES, "right")))
        stop = min(stop, start + BATCH_ROWS)
        yield texts[start:stop]
        start = stop


def banding(threshold: float, permutations: int) -> tuple[int, int]:
    """Bands and rows of a band: the longest bands that still find `FOUND` of the pairs at the threshold."""
    fitting = [r for r in range(1, permutations + 1) if found_share(threshold, permutations // r, r) >= FOUND]
    rows = max(fitting, default=1)
    return permutations // rows, rows


def found_share(similarity: float, bands: int, rows: int) -> float:
    """The S-curve: probability that a pair of that similarity shares a band."""
    return 1 - (1 - similarity**rows) ** bands


def near_duplicates(signed: NDArray[np.uint32], threshold: float, fixed: int = 0) -> pl.DataFrame:
    """Which texts nearly repeat an earlier one that stays.

    Args:
        signed: signatures, (texts, permutations).
        threshold: least share of common shingles, as the signatures tell it.
        fixed: so many first texts stay whatever they repeat.

    Returns:
        columns `PAIRS`: row, the earlier row that it repeats (which is in no pair itself), similarity.
    """
    pairs = _alike(signed, threshold, fixed)
    repeats: dict[int, tuple[int, float]] = {}
    for row, earlier in pairs.tolist():
        if row in repeats:
            continue
        stays = repeats[earlier][0] if earlier in repeats else earlier
        similarity = float((signed[row] == signed[stays]).mean())
        if similarity >= threshold:
            repeats[row] = (stays, similarity)
    return pl.DataFrame([(row, *found) for row, found in repeats.items()], schema=PAIRS, orient="row")


def _alike(signed: NDArray[np.uint32], threshold: float, fixed: int) -> NDArray[np.int64]:
    """Pairs (later, earlier) that share a band and are similar, in order."""
    bands, rows = banding(threshold, signed.shape[1])
    found = [np.empty((0, 2), np.int64)]
    for band in range(bands):
        pairs = _neighbours(signed[:, band * rows : (band + 1) * rows], DEPTH if fixed else 1)
        pairs = pairs[pairs[:, 0] >= fixed]
        found.append(pairs[_similarity(signed, pairs) >= threshold])
    return np.unique(np.concatenate(found), axis=0)


def _neighbours(band: NDArray[np.uint32], depth: int) -> NDArray[np.int64]:
    """Pairs of rows with equal hashes: each with the first ones and with the nearest ones before it.

    All pairs of a bucket would be too many where texts share much (a thousand letters from one template); a similar
    pair shares several bands, in some of which its bucket is small.
    """
    weights = np.array([pow(0x9E3779B97F4A7C15, k + 1, 2**64) for k in range(band.shape[1])], np.uint64)
    hashes = (band * weights).sum(1, dtype=np.uint64)
    order = np.argsort(hashes, kind="stable")
    first = np.arange(len(order))
    first[np.flatnonzero(hashes[order[1:]] == hashes[order[:-1]]) + 1] = 0
    first = np.maximum.accumulate(first)
    place = np.arange(len(order))
    found = [np.empty((0, 2), np.int64)]
    for step in range(depth):
        for earlier in (first + step, place - step - 1):
            inside = np.flatnonzero((earlier >= first) & (earlier < place))
            found.append(np.stack([order[inside], order[earlier[inside]]], 1))
    return np.unique(np.concatenate(found), axis=0)


def _similarity(signed: NDArray[np.uint32], pairs: NDArray[np.int64]) -> NDArray[np.float64]:
    parts = [
        (signed[part[:, 0]] == signed[part[:, 1]]).mean(1)
        for part in np.array_split(pairs, max(1, len(pairs) // 100_000))
    ]
    return np.concatenate(parts)
