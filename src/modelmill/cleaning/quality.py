"""What the quality rules look at: figures of every text in a column, in one pass of compiled loops over all cores."""

import numpy as np
import polars as pl
from numba import njit, prange, uint32

from modelmill.cleaning.repetition import REPEATED_GRAMS, TOP_GRAMS, repeated_segments, repetition, stripped
from modelmill.cleaning.utf8 import BREAK, IDEOGRAPH, SPACE, characters, code_point, utf8
from modelmill.cleaning.words import ALPHABETIC, PLAIN, scan_words, word_hash

ENGLISH_STOP_WORDS = ("the", "be", "to", "of", "and", "that", "have", "with")
"""Gopher's eight (Rae et al. 2021, A.1.1)."""

CHINESE_STOP_WORDS = ("的", "了", "是", "在", "和", "有", "不", "这")
"""Their counterparts: the commonest function words that are one character."""

FIGURES = (
    "chars", "ideographs", "hashes", "ellipses", "lines", "bullet_lines", "ellipsis_lines",
    "words", "plain_words", "plain_chars", "alphabetic_words", "english_stop_words", "chinese_stop_words",
    "segments", "repeated_lines", "repeated_line_chars",
    "paragraphs", "repeated_paragraphs", "repeated_paragraph_chars",
    *(f"top_{size}_gram_chars" for size in TOP_GRAMS),
    *(f"repeated_{size}_gram_chars" for size in REPEATED_GRAMS),
)  # fmt: skip


(
    CHARS, IDEOGRAPHS, HASHES, ELLIPSES, LINES, BULLET_LINES, ELLIPSIS_LINES,
    WORDS, PLAIN_WORDS, PLAIN_CHARS, ALPHABETIC_WORDS, ENGLISH, CHINESE,
    SEGMENTS, REPEATED_LINES, REPEATED_LINE_CHARS,
    PARAGRAPHS, REPEATED_PARAGRAPHS, REPEATED_PARAGRAPH_CHARS, GRAMS,
) = range(len(FIGURES) - len(TOP_GRAMS) - len(REPEATED_GRAMS) + 1)  # fmt: skip


BULLETS = (0x2022, 0x2D)
"""What a bullet point begins with: • and -."""


def figures(texts: pl.Series) -> pl.DataFrame:
    """The figures of each text, columns `FIGURES`, all of them counts."""
    column = utf8(texts)
    found = np.zeros((len(texts), len(FIGURES)), np.int64)
    stops = tuple(
        np.array([word_hash(w) for w in words], np.uint64) for words in (ENGLISH_STOP_WORDS, CHINESE_STOP_WORDS)
    )
    _measure(column.data, column.offsets, characters(fold=False), stops, found)
    return pl.DataFrame(found, schema=list(FIGURES), orient="row")


@njit(cache=True, parallel=True, nogil=True)
def _measure(data, offsets, tables, stops, found):
    for i in prange(len(offsets) - 1):
        start, end = offsets[i], offsets[i + 1]
        _characters_and_lines(data, start, end, tables, found[i])
        _words(data, start, end, tables, stops, found[i])
        one = found[i]
        one[SEGMENTS], one[REPEATED_LINES], one[REPEATED_LINE_CHARS] = repeated_segments(data, start, end, 1)
        first, last = stripped(data, start, end, tables)
        one[PARAGRAPHS], one[REPEATED_PARAGRAPHS], one[REPEATED_PARAGRAPH_CHARS] = repeated_segments(
            data, first, last, 2
        )


@njit(cache=True)
def _words(data, start, end, tables, stops, found):
    room = end - start
    hashes, lengths, kinds = np.empty(room, np.uint64), np.empty(room, np.int64), np.empty(room, np.uint8)
    count = scan_words(data, start, end, tables, (hashes, lengths, kinds))
    found[WORDS] = count
    for i in range(count):
        if kinds[i] & PLAIN:
            found[PLAIN_WORDS] += 1
            found[PLAIN_CHARS] += lengths[i]
        found[ALPHABETIC_WORDS] += (kinds[i] & ALPHABETIC) != 0
    for language in range(2):
        for stop in stops[language]:
            for i in range(count):
                if hashes[i] == stop:
                    found[ENGLISH + language] += 1
                    break
    found[GRAMS:] = repetition(hashes, lengths, count)


@njit(cache=True)
def _characters_and_lines(data, start, end, tables, found):
    """Lines as `str.splitlines` gives them; white space at the ends of a line hides no bullet and no ellipsis."""
    dots, trailing_dots = 0, 0  # dots one after another: in the text, and at the end of the line so far
    begun, some, ellipsis_ends = False, False, False
    before = uint32(0)
    i = start
    while i < end:
        point, i = code_point(data, i)
        flags = tables.kinds[point]
        found[CHARS] += 1
        found[IDEOGRAPHS] += (flags & IDEOGRAPH) != 0
        found[HASHES] += point == 0x23
        dots = dots + 1 if point == 0x2E else 0
        if dots == 3 or point == 0x2026:
            found[ELLIPSES] += 1
            dots = 0
        if flags & BREAK:
            if not (point == 0x0A and before == 0x0D):
                found[LINES] += 1
                found[ELLIPSIS_LINES] += ellipsis_ends
            begun, some, ellipsis_ends, trailing_dots = False, False, False, 0
        else:
            some = True
            if not flags & SPACE:
                if not begun:
                    begun = True
                    found[BULLET_LINES] += point in BULLETS
                trailing_dots = trailing_dots + 1 if point == 0x2E else 0
                ellipsis_ends = trailing_dots >= 3 or point == 0x2026
            else:
                trailing_dots = 0
        before = point
    if some:
        found[LINES] += 1
        found[ELLIPSIS_LINES] += ellipsis_ends
