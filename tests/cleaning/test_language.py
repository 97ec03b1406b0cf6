"""Languages: other ones are rejected only where that is sure."""

from modelmill.cleaning.language import why_foreign
from modelmill.specs.cleaning import LanguagesSpec

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
