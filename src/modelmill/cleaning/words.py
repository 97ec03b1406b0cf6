"""Words of a text, by compiled loops over its UTF-8 bytes: no Python object for a text or a word.

What a word is follows spaCy's English tokenizer, so that decisions can be compared with those of filters that use it:
what stands between blanks, marks at its ends split off one by one (dots or hyphens in a row are one), split inside at
dashes, slashes and the like between letters and before an apostrophe. An ideograph or kana is a word by itself.
"""

import numpy as np
import polars as pl
from numba import njit, uint8, uint32, uint64

from modelmill.cleaning.utf8 import (
    APOSTROPHE,
    IDEOGRAPH,
    LETTER,
    MARK,
    RUNS,
    SPACE,
    SPLITS,
    characters,
    code_point,
    utf8,
)  # fmt: skip

PLAIN, ALPHABETIC = np.uint8(1), np.uint8(2)
"""Kinds of words: more than marks; has a letter."""

HASH_START, HASH_STEP = np.uint64(14695981039346656037), np.uint64(1099511628211)
"""FNV-1a, 64 bits (Fowler, Noll, Vo), over code points."""

HYPHEN, COLON = 0x2D, 0x3A


def word_hash(word: str) -> int:
    """The hash that `scan_words` gives a word."""
    column, room = utf8(pl.Series([word])), len(word.encode())
    hashes, lengths, kinds = np.empty(room, np.uint64), np.empty(room, np.int64), np.empty(room, np.uint8)
    count = scan_words(
        column.data, column.offsets[0], column.offsets[1], characters(fold=False), (hashes, lengths, kinds)
    )
    assert count == 1, f"{word!r} is not one word"
    return int(hashes[0])


@njit(cache=True, inline="always")
def mixed(h):
    """Spread a hash over all 64 bits: tables look at the low ones."""
    h ^= h >> uint64(32)
    h *= uint64(0xD6E8FEB86659FD93)
    return h ^ (h >> uint64(32))


@njit(cache=True)
def marks_end(data, i, end, tables):
    """Where a run of marks that begins at byte i ends, and the kinds of the character there (SPACE at the end)."""
    while i < end:
        point, behind = code_point(data, i)
        if not tables.kinds[point] & MARK:
            return i, tables.kinds[point]
        i = behind
    return i, SPACE


@njit(cache=True, inline="always")
def marks_join(point, flags, lone, after, word):
    """Whether marks belong to the word that they stand in or before.

    `point` and `flags` are of the first mark, `lone` says that it is the only one, `after` are the kinds of the
    character behind them; `word` says whether a word has begun, ends with a letter, is an address.
    """
    begun, letter, address = word
    if after & (SPACE | IDEOGRAPH):
        return False
    if not begun:
        return point == HYPHEN
    if address or not lone:
        return True
    between_letters = letter and after & LETTER and flags & SPLITS
    between_digits = not letter and not after & LETTER and point == HYPHEN
    return not (between_letters or between_digits)


@njit(cache=True, inline="always")
def extended(word, point, flags, tables):
    """A word (hash, characters, kind) and one more character."""
    h, length, kind = word
    more = uint8(0) if flags & MARK else PLAIN | (ALPHABETIC if flags & LETTER else uint8(0))
    return (h ^ uint64(tables.folded[point])) * HASH_STEP, length + 1, uint8(kind | more)


@njit(cache=True, inline="always")
def written(words, count, word):
    """Put a word behind those that are there; answers how many there are."""
    hashes, lengths, kinds = words
    hashes[count], lengths[count], kinds[count] = mixed(word[0]), word[1], word[2]
    return count + 1


@njit(cache=True)
def marks_written(data, i, end, tables, words, count):
    """Write marks that stand alone, bytes i to end; answers how many words there are."""
    word = (HASH_START, 0, uint8(0))
    before = uint32(0)
    while i < end:
        point, i = code_point(data, i)
        if word[1] and not (point == before and tables.kinds[point] & RUNS):
            count = written(words, count, word)
            word = (HASH_START, 0, uint8(0))
        word = extended(word, point, MARK, tables)
        before = point
    return written(words, count, word)


@njit(cache=True)
def scan_words(data, start, end, tables, words):
    """Write the words of one text, bytes start to end: hash, characters and kind of each; answers how many there are.

    `words` has room for as many words as the text has bytes.
    """
    count = 0
    word = (HASH_START, 0, uint8(0))
    letter = False  # the last character was a letter
    bare, address = True, False  # the word has letters only so far; it is an address such as https://...
    i = start
    while i < end:
        point, behind = code_point(data, i)
        flags = tables.kinds[point]
        stop, joins = behind, not flags & (SPACE | MARK | IDEOGRAPH)
        if flags & MARK:
            stop, after = marks_end(data, behind, end, tables)
            joins = marks_join(point, flags, stop == behind, after, (word[1] > 0, letter, address))
            address |= bare and joins and stop - i == 3 and point == COLON
        if word[1] and (not joins or (flags & APOSTROPHE and letter)):
            count = written(words, count, word)
            word, bare = (HASH_START, 0, uint8(0)), True
        if joins:
            bare &= (flags & LETTER) != 0
            while i < stop:
                point, i = code_point(data, i)
                word = extended(word, point, flags, tables)
        elif flags & MARK:
            count = marks_written(data, i, stop, tables, words, count)
        elif flags & IDEOGRAPH:
            count = written(words, count, extended((HASH_START, 0, uint8(0)), point, flags, tables))
        else:
            address = False
        letter = (flags & LETTER) != 0
        i = stop
    if word[1]:
        count = written(words, count, word)
    return count
