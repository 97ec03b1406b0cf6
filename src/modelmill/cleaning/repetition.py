"""How much of a text repeats itself: the figures behind Gopher's repetition rules.

Rae et al. 2021 (arXiv:2112.11446), table A1, counted as datatrove does, so that decisions can be compared: lines are
split at runs of line feeds, paragraphs at two or more; an n-gram's characters are those of its words.
"""

import numpy as np
from numba import int64, njit, uint64

from modelmill.cleaning.utf8 import SPACE, code_point
from modelmill.cleaning.words import HASH_START, HASH_STEP, mixed

LINE_FEED = 10
ROLL = np.uint64(0x9E3779B97F4A7C15)
TOP_GRAMS = (2, 3, 4)
REPEATED_GRAMS = (5, 6, 7, 8, 9, 10)
POWERS = np.array([pow(int(ROLL), k, 2**64) for k in range(max(REPEATED_GRAMS) + 1)], np.uint64)
"""ROLL to the k: what a word weighs that lies k words back in a rolling hash."""


@njit(cache=True)
def table_size(count):
    """Slots of an open-addressed table that `count` hashes fill to the half at most."""
    size = 16
    while size < 2 * (count + 1):
        size *= 2
    return size


@njit(cache=True, inline="always")
def find(table, h):
    """The slot of a hash, or the empty one (0) where it belongs."""
    last = uint64(len(table) - 1)
    place = h & last
    while table[place] != 0 and table[place] != h:
        place = (place + uint64(1)) & last
    return place


@njit(cache=True)
def repeated_segments(data, start, end, least):
    """Segments between runs of at least `least` line feeds: how many, how many stood before, characters of those."""
    feeds = 0
    for i in range(start, end):
        feeds += data[i] == LINE_FEED
    table = np.zeros(table_size(feeds + 1), np.uint64)
    count, repeats, repeated_chars = 0, 0, 0
    h, chars = HASH_START, 0
    i = start
    while i <= end:
        run = 0
        while i + run < end and data[i + run] == LINE_FEED:
            run += 1
        if i == end or run >= least:
            count += 1
            h = mixed(h) | uint64(1)
            place = find(table, h)
            if table[place] == h:
                repeats += 1
                repeated_chars += chars
            table[place] = h
            h, chars = HASH_START, 0
            i += max(run, 1)
        else:
            chars += (data[i] & 0xC0) != 0x80
            h = (h ^ uint64(data[i])) * HASH_STEP
            i += 1
    return count, repeats, repeated_chars


@njit(cache=True)
def stripped(data, start, end, tables):
    """The bounds of a text without white space at its ends."""
    first, last = end, end
    i = start
    while i < end:
        at = i
        point, i = code_point(data, i)
        if not tables.kinds[point] & SPACE:
            if first == end:
                first = at
            last = i
    return first, last


@njit(cache=True)
def top_gram(hashes, lengths, count, size, room):
    """Characters of the most frequent n-gram, blanks between its words included, times its frequency."""
    if count < size:
        return 0
    table, times, first = room
    table[:] = 0
    h = uint64(0)
    best, best_at = 0, 0
    for i in range(count):
        h = h * ROLL + hashes[i]
        if i >= size:
            h -= hashes[i - size] * POWERS[size]
        if i >= size - 1:
            gram = mixed(h) | uint64(1)
            place = find(table, gram)
            if table[place] == 0:
                table[place], times[place], first[place] = gram, 0, i - size + 1
            times[place] += 1
            if times[place] > best or (times[place] == best and first[place] < best_at):
                best, best_at = times[place], first[place]
    chars = size - 1
    for i in range(best_at, best_at + size):
        chars += lengths[i]
    return chars * best


@njit(cache=True)
def repeated_grams(hashes, lengths, count, size, table):
    """Characters in n-grams that stood before; behind such a one the search goes on, so none counts twice."""
    table[:] = 0
    chars = 0
    h = uint64(0)
    filled = 0
    i = 0
    while i < count:
        h = h * ROLL + hashes[i]
        filled += 1
        if filled > size:
            h -= hashes[i - size] * POWERS[size]
        if filled >= size:
            gram = mixed(h) | uint64(1)
            place = find(table, gram)
            if table[place] == gram:
                for k in range(i - size + 1, i + 1):
                    chars += lengths[k]
                h, filled = uint64(0), 0
            else:
                table[place] = gram
        i += 1
    return chars


@njit(cache=True)
def repetition(hashes, lengths, count):
    """Figures of n-grams: top ones of `TOP_GRAMS`, repeated ones of `REPEATED_GRAMS`."""
    slots = table_size(count)
    table = np.empty(slots, np.uint64)
    room = (table, np.empty(slots, np.int64), np.empty(slots, np.int64))
    figures = np.empty(len(TOP_GRAMS) + len(REPEATED_GRAMS), np.int64)
    k = 0
    for size in TOP_GRAMS:
        figures[k] = top_gram(hashes, lengths, count, int64(size), room)
        k += 1
    for size in REPEATED_GRAMS:
        figures[k] = repeated_grams(hashes, lengths, count, int64(size), table)
        k += 1
    return figures
