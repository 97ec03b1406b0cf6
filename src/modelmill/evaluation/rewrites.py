"""Ways to rewrite a text that leave its meaning alone: what a person sees as the same should get the same answer.

Invariance tests of CheckList (Ribeiro et al. 2020, arXiv:2005.04118, section 2.2). A rewriting that has nothing to do
in a text (case in Chinese, contractions where there are none) leaves it as it is, and that text does not count.
"""

import re
from collections.abc import Callable
from random import Random
from typing import Literal

from modelmill.augmentation.text import Sources, alter
from modelmill.augmentation.units import has_no_spaces, split_units, words_of
from modelmill.specs.augmentation import AugmentationSpec

SLIPS = 0.03
"""Share of the units with a slip, but one at least: words, or characters where a script has no spaces."""

CONTRACTIONS = {
    "are not": "aren't", "cannot": "can't", "could not": "couldn't", "did not": "didn't", "do not": "don't",
    "does not": "doesn't", "had not": "hadn't", "has not": "hasn't", "have not": "haven't", "i am": "I'm",
    "i have": "I've", "i will": "I'll", "is not": "isn't", "it is": "it's", "should not": "shouldn't",
    "that is": "that's", "they are": "they're", "was not": "wasn't", "we are": "we're", "we have": "we've",
    "were not": "weren't", "will not": "won't", "would not": "wouldn't", "you are": "you're",
}  # fmt: skip
_EXPANDED = {short.lower(): short[0] + long[1:] for long, short in CONTRACTIONS.items()}
_LONG = re.compile(rf"\b({'|'.join(CONTRACTIONS)})\b(?=\s+\w)", re.IGNORECASE)  # 'what it is.' has no short form
_SHORT = re.compile(rf"\b({'|'.join(_EXPANDED)})\b".replace("'", "['’]"), re.IGNORECASE)

_END = re.compile(r"[\s.!?,;:。！？，；：…、]+$")
_HALF = {code: code + 0xFEE0 for code in range(0x21, 0x7F)}
_WIDTH = _HALF | {full: half for half, full in _HALF.items()}

_KANA = re.compile("[\u3040-\u30ff]")
_ENGLISH = re.compile(r"\b(the|and|of|to|is|it|was|this|for|with)\b", re.IGNORECASE)
NEUTRAL = {
    "en": ("This was written on a Tuesday.", "I am writing this on my phone."),
    "zh": ("这段话是星期二写的。", "我在用手机打字。"),
}
"""Sentences that say nothing of any subject."""


def typing_errors(text: str, rng: Random) -> str:
    """Slips: a character doubled, left out or exchanged with the next."""
    words = len(words_of(split_units(text)))
    if not words:
        return text
    kinds: list[Literal["noise", "swap", "delete"]] = ["noise", "swap", "delete"]
    kind = rng.choice(kinds) if has_no_spaces([text]) else "noise"  # there, a unit is a character
    return alter(text, AugmentationSpec(kind=kind, rate=max(SLIPS, 1 / words)), rng, Sources())


def other_case(text: str, rng: Random) -> str:
    """All in capitals, or none."""
    others = [other for other in (text.lower(), text.upper()) if other != text]
    return rng.choice(others) if others else text


def end_mark(text: str, rng: Random) -> str:
    """The marks at the end taken away; a full stop where there are none."""
    bare = _END.sub("", text)
    if not bare:
        return text
    return bare if bare != text else text + ("。" if has_no_spaces([text]) else ".")


def other_width(text: str, rng: Random) -> str:
    """Full-width letters, digits and marks for half-width ones, and the other way round (Unicode Annex 11)."""
    return text.translate(_WIDTH)


def contractions(text: str, rng: Random) -> str:
    """English: 'do not' for "don't"; where there is no short form, the other way round."""

    def other(match: re.Match[str]) -> str:
        found = match[0].lower().replace("’", "'")
        form = CONTRACTIONS.get(found) or _EXPANDED[found]
        return form[0].upper() + form[1:] if match[0][0].isupper() else form

    return _SHORT.sub(other, text) if _SHORT.search(text) else _LONG.sub(other, text)


def neutral_sentence(text: str, rng: Random) -> str:
    """A sentence that says nothing put before or behind, where the text is Chinese or English."""
    language = language_of(text)
    if language is None:
        return text
    more, gap = rng.choice(NEUTRAL[language]), " " if language == "en" else ""
    return more + gap + text if rng.random() < 0.5 else text + gap + more


def mention(text: str, rng: Random) -> str:
    """A name and a link that mean nothing put behind, as in CheckList's tests of tweets."""
    letters = "".join(rng.choices("abcdefghijklmnopqrstuvwxyz0123456789", k=6))
    return f"{text} @{letters[:4]} https://t.co/{letters}"


def language_of(text: str) -> str | None:
    """'zh', 'en' or None, by script and the most frequent English words."""
    if has_no_spaces([text]):
        return None if _KANA.search(text) else "zh"
    return "en" if _ENGLISH.search(text) else None


REWRITES: dict[str, Callable[[str, Random], str]] = {
    "typing_errors": typing_errors,
    "case": other_case,
    "end_mark": end_mark,
    "width": other_width,
    "contractions": contractions,
    "neutral_sentence": neutral_sentence,
    "mention": mention,
}


def rewritten(identity: str, text: str, seed: int) -> dict[str, str]:
    """By kind, the text rewritten, where that changes it: the same for the same id, text and seed."""
    every = {kind: way(text, Random(f"{seed}:{kind}:{identity}")) for kind, way in REWRITES.items()}
    return {kind: other for kind, other in every.items() if other != text}
