"""What counts as the same text."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from modelmill.text import PART, Finder, duplicate_key, normalise

markup = st.lists(
    st.sampled_from(
        [
            *"<>&;#ab \u00c3\u00a9\u00e2\u20ac",
            "＆",
            "＜",
            "lt",
            "amp",
            "<b>",
            "<!--",
            "&#60;",
            "</script>",
            "\u0301",
            "ﾞ",
            "\u0327",
        ]
    ),
    max_size=12,
)
nasty = (
    markup.map("".join)
    | st.text(st.characters(codec="utf-8"), max_size=30)
    | st.sampled_from(["", " ", "\u200b", "Ａ", "a\u0301", "é", "ﬁ"])
)


@settings(max_examples=200, deadline=None)
@given(nasty)
def test_normalising_twice_is_normalising_once(text: str) -> None:
    """So that the API, which normalises what it gets, sees what training saw."""
    assert normalise(normalise(text)) == normalise(text)


@pytest.mark.parametrize(
    ("given_text", "expected"),
    [
        ("ＡＢＣ　１２３", "ABC 123"),
        ("  很好\t看\n\n的书 ", "很好 看 的书"),
        ("zero\u200bwidth\ufeff", "zerowidth"),
        ("ﬁne", "fine"),
        ("e\u200b\u0301", "é"),
        ("<p>Good&nbsp;book</p><br/>really <b>good</b>", "Good book really good"),
        ("a<script>if (x < 1) y()</script>b<!-- no -->c", "a b c"),
        ("&amp;lt;b&amp;gt; ＆＃６５；", "A"),
        ("call <phone_1f3a9c2b> now", "call <phone_1f3a9c2b> now"),
        ("if a <b and c> d, List<String> x, mail <li@qq.com>", "if a d, List<String> x, mail <li@qq.com>"),
        ("a<b>\u0301", "á"),
        ("1 < 2 && x<3 <- I <3 it", "1 < 2 && x<3 <- I <3 it"),
        ("cafÃ© â€œgoodâ€\u009d", "café “good”"),
        ("å¾ˆå¥½", "很好"),
        ("«café» naïve Ångström", "«café» naïve Ångström"),
    ],
)
def test_normalise_examples(given_text: str, expected: str) -> None:
    """Full-width to half-width, white space to one blank; what is invisible, HTML or wrongly decoded is mended."""
    assert normalise(given_text) == expected


@pytest.mark.parametrize(
    "text", ["<!--" * 30_000, "<" * 30_000 + "b>" * 30_000, "<script>" * 30_000, "&" + "amp;" * 30_000 + "lt;b"]
)
def test_mark_up_in_mark_up_ends(text: str) -> None:
    """What would take a pass for each of its layers is cut short, and normalising it again still changes nothing."""
    once = normalise(text)
    assert normalise(once) == once


@pytest.mark.parametrize(
    ("one", "other"), [("see you :)", "see you :("), ("great 😀", "great 😡"), ("I use C++", "I use C#")]
)
def test_what_may_tell_two_labels_apart_is_kept(one: str, other: str) -> None:
    """Punctuation, emoji and symbols make another text."""
    assert duplicate_key(one) != duplicate_key(other)


@settings(max_examples=100, deadline=None)
@given(st.lists(st.text("ab ", max_size=15)), st.lists(st.text("abAB ", max_size=40)))
def test_texts_are_found_within_others(wanted: list[str], texts: list[str]) -> None:
    """Whole, or, from ten characters on, as a part; case and blanks make no difference."""
    keys = {duplicate_key(text) for text in wanted}
    finder = Finder(wanted)
    for text in texts:
        key = duplicate_key(text)
        assert finder.within(text) == {k for k in keys if k == key or (len(k) >= PART and k in key)}
