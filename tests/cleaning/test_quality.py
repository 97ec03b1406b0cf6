"""The compiled counts are those that plain Python would give."""

import re
from collections import Counter

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from modelmill.cleaning.quality import figures
from modelmill.cleaning.repetition import REPEATED_GRAMS, TOP_GRAMS
from modelmill.cleaning.rules import CHINESE, RULES, why_broken
from modelmill.cleaning.utf8 import characters, utf8
from modelmill.cleaning.words import scan_words, word_hash

messy = st.text(st.sampled_from("aB1 .…-#•*\n\r\u2028\t,'’/:书是。\u00e9\U0001f600"), max_size=60) | st.text(
    max_size=30
)


def words(text: str) -> list[str]:
    """What the compiled loop takes for words, as strings."""
    column, room = utf8(pl.Series([text])), len(text.encode())
    found = np.empty(room, np.uint64), np.empty(room, np.int64), np.empty(room, np.uint8)
    count = scan_words(column.data, column.offsets[0], column.offsets[1], characters(fold=False), found)
    ends = np.cumsum(found[1][:count]).tolist()
    visible = "".join(text.split())
    assert (ends[-1] if ends else 0) == len(visible), "a character was lost, or counted twice"
    return [visible[start:end] for start, end in zip([0, *ends], ends, strict=False)]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", []),
        ("It's a (well-known) fact.", ["It", "'s", "a", "(", "well", "-", "known", ")", "fact", "."]),
        ("wait... ----- ==", ["wait", "...", "-----", "=", "="]),
        ("see https://a.org/b-c?d=e, v1.0.2", ["see", "https://a.org/b-c?d=e", ",", "v1.0.2"]),
        ("on 2020-10-14", ["on", "2020", "-", "10", "-", "14"]),
        ("foo_bar() and/or x=y", ["foo_bar", "(", ")", "and", "/", "or", "x", "=", "y"]),
        ("这本书ok,很好。", ["这", "本", "书", "ok", ",", "很", "好", "。"]),
        ("a\nb\u3000c", ["a", "b", "c"]),
    ],
)  # fmt: skip
def test_words(text: str, expected: list[str]) -> None:
    """Marks at the ends of what stands between blanks are words by themselves; ideographs are too."""
    assert words(text) == expected


@settings(max_examples=300, deadline=None)
@given(messy)
def test_no_character_is_lost(text: str) -> None:
    """The words together are the text without its white space, and the count is that of the figures."""
    assert len(words(text)) == figures(pl.Series([text]))["words"].item()


@settings(max_examples=300, deadline=None)
@given(messy)
def test_characters_and_lines(text: str) -> None:
    """As `str` counts them."""
    found = figures(pl.Series([text])).row(0, named=True)
    lines = text.splitlines()
    assert found["chars"] == len(text)
    assert found["hashes"] == text.count("#")
    assert found["ellipses"] == text.count("...") + text.count("…")
    assert found["lines"] == len(lines)
    assert found["bullet_lines"] == sum(line.lstrip().startswith(("•", "-")) for line in lines)
    assert found["ellipsis_lines"] == sum(line.rstrip().endswith(("...", "…")) for line in lines)


def repeats(parts: list[str]) -> tuple[int, int]:
    """How many stood before, and their characters."""
    again = [part for i, part in enumerate(parts) if part in parts[:i]]
    return len(again), sum(map(len, again))


@settings(max_examples=300, deadline=None)
@given(st.text(st.sampled_from("ab \n"), max_size=40) | messy)
def test_repeated_lines_and_paragraphs(text: str) -> None:
    """As `re.split` parts them."""
    found = figures(pl.Series([text])).row(0, named=True)
    lines, paragraphs = re.split(r"\n+", text), re.split(r"\n{2,}", text.strip())
    assert (found["segments"], found["paragraphs"]) == (len(lines), len(paragraphs))
    assert (found["repeated_lines"], found["repeated_line_chars"]) == repeats(lines)
    assert (found["repeated_paragraphs"], found["repeated_paragraph_chars"]) == repeats(paragraphs)


def repeated_chars(units: list[str], size: int) -> int:
    """Characters of n-grams that stood before; the search goes on behind such a one."""
    seen, chars, i = set(), 0, 0
    while i + size <= len(units):
        gram = tuple(units[i : i + size])
        if gram in seen:
            chars += sum(map(len, gram))
            i += size
        else:
            seen.add(gram)
            i += 1
    return chars


@settings(max_examples=200, deadline=None)
@given(st.lists(st.sampled_from(["a", "bb", "ccc", "."]), max_size=40).map(" ".join))
def test_n_grams(text: str) -> None:
    """As counting tuples of words gives them; of equally frequent n-grams the first one counts."""
    found, units = figures(pl.Series([text])).row(0, named=True), words(text)
    for size in TOP_GRAMS:
        grams = Counter(" ".join(units[i : i + size]) for i in range(len(units) - size + 1))
        top = grams.most_common(1)
        assert found[f"top_{size}_gram_chars"] == (len(top[0][0]) * top[0][1] if top else 0)
    for size in REPEATED_GRAMS:
        assert found[f"repeated_{size}_gram_chars"] == repeated_chars(units, size)


def test_a_slice_of_a_column_is_read_where_it_lies() -> None:
    """Offsets of a sliced column do not begin at 0, and a column of one text has its own."""
    column = pl.Series(["one two", "three", "四五六", ""])
    assert figures(column[1:])["words"].to_list() == [1, 3, 0]
    assert figures(column[3:])["chars"].to_list() == [0]


def test_stop_words_are_single_words() -> None:
    """A list entry that is two words could never be found."""
    with pytest.raises(AssertionError, match="is not one word"):
        word_hash("a.b c")


GOOD = "The cat that sat on the mat had to have the hat of a friend with whom it was to be seen. "
TEXTS = {
    None: " ".join(f"{GOOD[:-1]} So {word} it." for word in ("said", "thought", "wrote", "sang")),
    "gopher: fewer than 50 words": "Too short.",
    "gopher: words of more than 10 characters on average": "incomprehensibilities " * 60,
    "gopher: words of less than 3 characters on average": "a be " * 60,
    "gopher: more than one # to 10 words": "the dogs # and cats # have # to " * 20,
    "gopher: more than one ellipsis to 10 words": "the dogs ... and cats … have ... to " * 20,
    "gopher: over 90% of the lines are bullet points": "- the dogs and cats have to go\n" * 20,
    "gopher: over 30% of the lines end with an ellipsis": "the dogs and cats have to go with the mice and the birds …\n"
    * 20,
    "gopher: under 80% of the words have a letter": "the dogs and 1234 5678 9101 have to " * 20,
    "gopher: fewer than 2 of the English stop words": "dogs hunted many cats yesterday " * 20,
    "gopher: fewer than 80 characters": "这本书不是新的。",
    "gopher: fewer than 2 of the Chinese stop words": "旧书店卖旧书" * 20,
}


@pytest.mark.parametrize(("reason", "text"), TEXTS.items())
def test_each_rule_of_quality_has_its_reason(reason: str | None, text: str) -> None:
    """One text per rule; good prose breaks none."""
    assert why_broken(pl.Series([text]), ["gopher_quality"]).to_list() == [reason]


def test_repetition_has_its_reasons() -> None:
    """Paragraphs, lines, frequent and repeated n-grams, and a text that breaks none."""
    once = " ".join(f"word{i}" for i in range(40))
    texts = ["x y z\n\n" * 9, "x y z\n" * 9, "so it goes " * 20, f"{once} and {once}", once]
    reasons = why_broken(pl.Series(texts), ["gopher_repetition"]).to_list()
    assert [reason and reason.split("of the ")[1] for reason in reasons] == [
        "paragraphs repeated", "lines repeated", "text is one 2-gram", "text in repeated 5-grams", None,
    ]  # fmt: skip


def test_reasons_are_distinct_and_empty_texts_break_something() -> None:
    """Two rules with one reason could not be told apart in the books; 0 words by 0 words is no pass."""
    reasons = [rule.reason for rules in RULES.values() for rule in rules]
    assert len(reasons) == len(set(reasons))
    assert why_broken(pl.Series([""]), ["gopher_quality"]).item() == "gopher: fewer than 50 words"
    assert figures(pl.Series(["书"])).select(CHINESE).item() is True
