"""Languages: other ones are rejected only where that is sure."""

import pytest
from pydantic import ValidationError

from modelmill.cleaning.language import ALL, _detector, why_foreign
from modelmill.specs.cleaning import LanguagesSpec
from modelmill.specs.languages import LANGUAGES

TEXTS = [
    "This is a book that I would read again and again.",
    "这本书写得很好，物流也很快，值得再买一次，推荐给大家。",
    "Questo libro è bellissimo e lo leggerei ancora volentieri.",
    "Qué bien",
    "1234567890 1234567890 1234567890",
    "",
    "Ce livre est très bien écrit,\nje le recommande à tous.",
]


def test_other_languages_are_named() -> None:
    """Clear ones are; what is too short, has no words or is empty is left to other rules."""
    spec = LanguagesSpec(allowed=["en", "zh"])
    assert why_foreign(TEXTS, spec) == [None, None, "language: it", None, None, None, "language: fr"]
    assert why_foreign(TEXTS, LanguagesSpec(allowed=["it"]))[:3] == ["language: en", "language: zh", None]


def test_what_is_unsure_stays() -> None:
    """A probability of 1 is reached by none."""
    assert not any(why_foreign(TEXTS, LanguagesSpec(allowed=["en"], surely=1.0)))


def test_chinese_is_not_taken_for_its_neighbours() -> None:
    """Short texts of Chinese characters are told to be Japanese, Wu or Cantonese; without kana they are Chinese."""
    texts = ["房间装修不错，早餐也挺好。出入方便。推荐。", "この本はとても面白かったです。おすすめします。"]
    assert why_foreign(texts, LanguagesSpec(allowed=["zh"], from_chars=5)) == [None, "language: ja"]


def test_an_unknown_code_is_refused() -> None:
    """Not all English texts rejected for a word."""
    with pytest.raises(ValidationError, match="'english' is no language code"):
        LanguagesSpec(allowed=["zh", "english"])


def test_the_codes_are_those_of_the_model() -> None:
    """All that it may answer."""
    assert {found["lang"] for found in _detector().detect("text", model="lite", k=ALL)} <= LANGUAGES
