"""Texts as sets of hashed word n-grams (shingles), the form in which near duplicates are compared."""

import numpy as np
import polars as pl
from numba import njit, prange, uint64
from numpy.typing import NDArray

from modelmill.cleaning.repetition import ROLL
from modelmill.cleaning.utf8 import characters, utf8
from modelmill.cleaning.words import HASH_START, PLAIN, mixed, scan_words


def shingles(texts: pl.Series, size: int) -> tuple[NDArray[np.uint64], NDArray[np.int64]]:
    """Hashes of the n-grams of `size` words of each text, in lower case and without marks; repeated ones stay.

    A text of fewer words is one n-gram of all of them; one of marks alone keeps its marks as words.

    Returns:
        hashes of all texts in a row, and bounds (texts + 1,): those of text i are `hashes[bounds[i]:bounds[i + 1]]`.
    """
    column = utf8(texts)
    room = np.empty(int(column.offsets[-1] - column.offsets[0]), np.uint64)  # a text has no more words than bytes
    counts = np.zeros(len(texts), np.int64)
    power = np.uint64(pow(int(ROLL), size, 2**64))
    _fill(column.data, column.offsets, characters(fold=True), (size, power), room, counts)
    bounds = np.concatenate([np.zeros(1, np.int64), np.cumsum(counts)])
    hashes = np.empty(int(bounds[-1]), np.uint64)
    _pack(room, column.offsets, bounds, hashes)
    return hashes, bounds


@njit(cache=True, parallel=True, nogil=True)
def _fill(data, offsets, tables, gram, room, counts):
    for i in prange(len(counts)):
        start, end = offsets[i], offsets[i + 1]
        hashes = np.empty(end - start, np.uint64)
        lengths, kinds = np.empty(end - start, np.int64), np.empty(end - start, np.uint8)
        count = scan_words(data, start, end, tables, (hashes, lengths, kinds))
        plain = 0
        for k in range(count):
            if kinds[k] & PLAIN:
                hashes[plain] = hashes[k]
                plain += 1
        at = start - offsets[0]
        counts[i] = _grams(hashes[: plain if plain else count], gram, room[at : at + end - start])


@njit(cache=True)
def _grams(words, gram, found):
    size, power = gram
    h = uint64(0)
    if 0 < len(words) < size:
        h = HASH_START  # so that a short text is not taken for an n-gram of a longer one
        for word in words:
            h = h * ROLL + word
        found[0] = mixed(h)
        return 1
    count = 0
    for i in range(len(words)):
        h = h * ROLL + words[i]
        if i >= size:
            h -= words[i - size] * power
        if i >= size - 1:
            found[count] = mixed(h)
            count += 1
    return count


@njit(cache=True)
def _pack(room, offsets, bounds, hashes):
    for i in range(len(bounds) - 1):
        at = offsets[i] - offsets[0]
        hashes[bounds[i] : bounds[i + 1]] = room[at : at + bounds[i + 1] - bounds[i]]
