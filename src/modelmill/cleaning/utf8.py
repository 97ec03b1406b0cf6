"""A column of texts as bytes, and what is known of every character: the ground that the compiled loops stand on."""

import unicodedata
from functools import cache
from typing import NamedTuple

import numpy as np
import polars as pl
from numba import config, njit, uint32
from numpy.typing import NDArray

# Under OpenMP, numba's other layer, its threads fight with those of torch: pretraining at a tenth of its speed.
config.THREADING_LAYER = "workqueue"

SPACE, MARK, LETTER, IDEOGRAPH, BREAK, SPLITS, RUNS, APOSTROPHE = (np.uint8(1 << bit) for bit in range(8))
"""Kinds of characters. `str.splitlines` breaks at BREAK; marks of SPLITS part letters, those of RUNS stay together."""

_LAST = 0x32000  # above it only tags, variation selectors and private use


class Utf8(NamedTuple):
    """A column of texts: text i is `data[offsets[i]:offsets[i + 1]]`."""

    data: NDArray[np.uint8]
    offsets: NDArray[np.int64]


class Characters(NamedTuple):
    """By code point: the kinds that it is of, and what it counts as (itself, or its lower case)."""

    kinds: NDArray[np.uint8]
    folded: NDArray[np.uint32]


def utf8(texts: pl.Series) -> Utf8:
    """The bytes of a column without nulls; nothing is copied when it is one chunk."""
    array = texts.rechunk().to_arrow(compat_level=pl.CompatLevel.oldest())
    _, offsets, data = array.buffers()
    bounds = np.frombuffer(offsets, np.int64)[array.offset : array.offset + len(array) + 1]
    return Utf8(np.frombuffer(data, np.uint8) if data else np.empty(0, np.uint8), bounds)


def characters(*, fold: bool) -> Characters:
    """The tables, with lower case or without."""
    return Characters(_kinds(), _lower() if fold else _same())


@cache
def _kinds() -> NDArray[np.uint8]:
    """Kinds of every code point; half a second, once in a process."""
    kinds = np.zeros(0x110000, np.uint8)
    kinds[:_LAST] = [_kinds_of(chr(point)) for point in range(_LAST)]
    return kinds


def _kinds_of(character: str) -> int:
    category, blank = unicodedata.category(character), character.isspace()
    holds = {
        SPACE: blank,
        MARK: not blank and (category[0] in "PS" or category == "Cc"),
        LETTER: category[0] == "L",
        IDEOGRAPH: "\u3040" <= character <= "\u30ff" or "\u3400" <= character <= "\u9fff" or character >= "\U00020000",
        BREAK: character in "\n\r\v\f\x1c\x1d\x1e\x85\u2028\u2029",
        SPLITS: character in "-–—~/:<>=,",
        RUNS: character in ".-~",
        APOSTROPHE: character in "'’",
    }
    return sum(int(kind) for kind, true in holds.items() if true)


@cache
def _same() -> NDArray[np.uint32]:
    return np.arange(0x110000, dtype=np.uint32)


@cache
def _lower() -> NDArray[np.uint32]:
    lower = _same().copy()
    for point in range(_LAST):
        small = chr(point).lower()
        if len(small) == 1:
            lower[point] = ord(small)
    return lower


@njit(cache=True, inline="always")
def code_point(data, i):
    """The character at byte i, and the byte behind it."""
    first = uint32(data[i])
    if first < 0x80:
        return first, i + 1
    second = uint32(data[i + 1]) & uint32(0x3F)
    if first < 0xE0:
        return ((first & uint32(0x1F)) << uint32(6)) | second, i + 2
    third = uint32(data[i + 2]) & uint32(0x3F)
    if first < 0xF0:
        return ((first & uint32(0x0F)) << uint32(12)) | (second << uint32(6)) | third, i + 3
    fourth = uint32(data[i + 3]) & uint32(0x3F)
    return ((first & uint32(0x07)) << uint32(18)) | (second << uint32(12)) | (third << uint32(6)) | fourth, i + 4
