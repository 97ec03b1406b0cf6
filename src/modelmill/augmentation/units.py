"""Texts as units: words, or characters where a script has no spaces, and marks and white space between them."""

import re

_CJK = r"\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff"
_UNIT = re.compile(rf"[{_CJK}]|[^\W{_CJK}]+(?:['’-][^\W{_CJK}]+)*|\s+|[^\w\s]")
_SENTENCE = re.compile(r".+?(?:[.!?。！？…]+[\"'”’」)]*\s*|\n+|$)", re.DOTALL)


def has_no_spaces(texts: list[str]) -> bool:
    """Whether most of the letters belong to a script that writes no spaces between words."""
    sample = "".join(texts[:1000])
    return len(re.findall(f"[{_CJK}]", sample)) > len(sample) / 4


def split_units(text: str) -> list[str]:
    """Units that together are the text."""
    return _UNIT.findall(text)


def words_of(units: list[str]) -> list[int]:
    """Places of the units that are neither white space nor marks; where there are only marks, theirs."""
    words = [place for place, unit in enumerate(units) if any(mark.isalnum() for mark in unit)]
    return words or [place for place, unit in enumerate(units) if not unit.isspace()]


def split_sentences(text: str) -> list[str]:
    """Sentences, with their end marks and the white space behind them; together they are the text."""
    return _SENTENCE.findall(text)


def mend_spaces(units: list[str]) -> str:
    """The units as a text, runs of white space made one blank."""
    return re.sub(r"\s+", " ", "".join(units)).strip()
