"""Rewriting texts without changing what they say."""

from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from modelmill.evaluation.rewrites import CONTRACTIONS, REWRITES, contractions, language_of, rewritten


@pytest.mark.parametrize(
    ("kind", "text", "others"),
    [
        ("case", "Good book", {"good book", "GOOD BOOK"}),
        ("case", "好书", {"好书"}),
        ("end_mark", "Good book!! ", {"Good book"}),
        ("end_mark", "Good book", {"Good book."}),
        ("end_mark", "这本书很好", {"这本书很好。"}),
        ("end_mark", "！！", {"！！"}),
        ("width", "买了2本，OK", {"买了２本,ＯＫ"}),
        ("contractions", "I don't like it", {"I do not like it"}),
        ("contractions", "Don’t buy", {"Do not buy"}),
        ("contractions", "It is good", {"It's good"}),
        ("contractions", "I know what it is.", {"I know what it is."}),
        ("contractions", "I'm fine", {"I am fine"}),
        ("neutral_sentence", "Das ist gut", {"Das ist gut"}),
        ("neutral_sentence", "日本語のテキストです", {"日本語のテキストです"}),
        (
            "neutral_sentence",
            "这本书很好。",
            {
                f"{a}{b}"
                for s in ("这段话是星期二写的。", "我在用手机打字。")
                for a, b in ((s, "这本书很好。"), ("这本书很好。", s))
            },
        ),
    ],
)
def test_rewritings_by_hand(kind: str, text: str, others: set[str]) -> None:
    """Twenty draws give nothing but these, and each of them."""
    assert {REWRITES[kind](text, Random(seed)) for seed in range(60)} == others


def test_a_slip_of_the_keys_changes_a_little() -> None:
    """An English word keeps its characters but for one; Chinese loses, doubles or exchanges a character."""
    for seed in range(50):
        english = REWRITES["typing_errors"]("wonderful", Random(seed))
        assert english != "wonderful"
        assert abs(len(english) - 9) <= 1
        chinese = REWRITES["typing_errors"]("这本书的内容很好", Random(seed))
        assert chinese != "这本书的内容很好"
        assert set(chinese) <= set("这本书的内容很好")


def test_every_contraction_has_a_way_back() -> None:
    """'x do not y' and 'x don't y' become each other."""
    for long, short in CONTRACTIONS.items():
        there = contractions(f"so {long} here", Random(0))
        assert there == f"so {short} here"
        assert contractions(there, Random(0)).lower() == f"so {long} here"


def test_languages_of_neutral_sentences() -> None:
    """By script and common words; others are not guessed."""
    assert [language_of(text) for text in ("这本书", "the book", "Buch", "本です", "")] == [
        "zh",
        "en",
        None,
        None,
        None,
    ]


@given(st.text(max_size=60), st.integers(0, 3))
def test_the_same_seed_rewrites_alike(text: str, seed: int) -> None:
    """Any text; and what is named as rewritten is another text."""
    once = rewritten("id", text, seed)
    assert once == rewritten("id", text, seed)
    assert text not in once.values()
