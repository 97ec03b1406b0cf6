"""What counts as the same text. Cleaning, the ids of records and prediction all use these functions."""

import html
import re
import unicodedata
from collections.abc import Iterable

PART = 10
"""Characters of the shortest text that is looked for inside longer ones; shorter ones stand in many by chance."""

# Zero-width characters, byte-order marks, direction marks and control characters other than white space.
_INVISIBLE = re.compile("[\u0000-\u0008\u000e-\u001b\u007f\u00ad\u200b-\u200f\u202a-\u202e\u2060\ufeff]")


# A first byte of UTF-8 and a later one, read as Windows-1252: most languages never write the two in a row.
_MOJIBAKE = re.compile("[\u00c2-\u00f4][\u0080-\u00bf\u0152\u0153\u0160\u0161\u0178\u017d\u017e\u0192\u02c6\u02dc"
                       "\u2013-\u2026\u2030\u2039\u203a\u20ac\u2122]")  # fmt: skip
# What is not closed goes on to the end, as in a browser; so every search is over in one pass.
_HIDDEN = re.compile(r"<(script|style)\b[^<>]*>.*?(?:</\1\s*>|\Z)|<!--.*?(?:-->|\Z)", re.IGNORECASE | re.DOTALL)
_BREAKING = (
    "p|br|div|li|ul|ol|dl|dt|dd|tr|td|th|table|tbody|thead|h[1-6]|hr|blockquote|pre|section|article|header|footer"
)
_INLINE = (
    "a|abbr|b|big|center|code|em|font|i|img|input|ins|del|label|mark|nobr|s|small|span|strike|strong|sub|sup|tt|u|"
    "html|body|head|meta|link|title|form|button|nav|main|aside|figure|figcaption|iframe|video|audio|source|svg|path|"
    "option|select"
)
_BREAKING_TAG, _INLINE_TAG = (
    re.compile(rf"</?(?:{names})(?:\s[^<>]*)?/?>", re.IGNORECASE) for names in (_BREAKING, _INLINE)
)
PASSES = 8
"""Layers of mark-up in mark-up (`&amp;lt;b&amp;gt;`) that are taken off; a text with more is no text."""


def normalise(text: str) -> str:
    """The form in which texts are kept, compared and given to a model.

    Text that was decoded wrongly is mended (by ftfy, where a cheap test suspects it); HTML becomes plain text;
    Unicode NFKC, which makes full-width characters half-width; invisible characters go; white space is single blanks.
    Normalising twice is normalising once.
    """
    for _ in range(PASSES):
        once = _normalised(text)
        if once == text or not ("<" in once or "&" in once or _MOJIBAKE.search(once)):
            return once  # nothing but a tag, an entity or mojibake comes to light by normalising what hid it
        text = once
    return _normalised(_MOJIBAKE.sub(" ", text.replace("<", " ").replace("&", " ")))


def _normalised(text: str) -> str:
    if _MOJIBAKE.search(text):
        text = "\n".join(_mended(line) for line in text.split("\n"))
    text = _plain(text)
    if "<" in text:
        text = _plain(_INLINE_TAG.sub("", _BREAKING_TAG.sub(" ", _HIDDEN.sub(" ", text))))
    if "&" in text:
        text = _plain(html.unescape(text))
    return " ".join(text.split())  # a fifth of the time of a regular expression


def _mended(line: str) -> str:
    """Line by line: ftfy takes 0.3 ms for a page, and one wrong line says little of the others."""
    if not _MOJIBAKE.search(line):
        return line
    import ftfy

    return ftfy.fix_encoding(line)


def _plain(text: str) -> str:
    return unicodedata.normalize("NFKC", _INVISIBLE.sub("", text))


def duplicate_key(text: str) -> str:
    """Normalised texts with the same key count as the same text: case and blanks make no difference.

    Punctuation does: ':)' and ':(' may be all that tells two labels apart.
    """
    return text.casefold().replace(" ", "")


class Finder:
    """Looks for texts inside others; time grows with the length of those, not with the number of wanted ones.

    Aho and Corasick 1975, Efficient string matching, as `ahocorasick_rs` has it.
    """

    def __init__(self, wanted: Iterable[str]) -> None:
        from ahocorasick_rs import AhoCorasick

        self._keys = {duplicate_key(text) for text in wanted}
        self._parts = sorted(key for key in self._keys if len(key) >= PART)
        self._automaton = AhoCorasick(self._parts, store_patterns=False)

    def within(self, text: str) -> set[str]:
        """The keys of the wanted texts that this one is, or holds somewhere (from `PART` characters on)."""
        key = duplicate_key(text)
        found = self._automaton.find_matches_as_indexes(key, overlapping=True)
        return {*(self._parts[index] for index, _, _ in found), *({key} & self._keys)}
