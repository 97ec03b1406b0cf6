"""The quality rules by name, each a condition on the figures of a text.

Gopher: Rae et al. 2021, arXiv:2112.11446, A.1.1 and table A1. Where most of a text is ideographs, words
mean nothing to the thresholds: the counterparts count characters, and know Chinese function words.
"""

from collections.abc import Sequence
from typing import NamedTuple

import polars as pl


class Rule(NamedTuple):
    """A reason to take a text out, and when."""

    reason: str
    broken: pl.Expr


def _share(part: str, whole: str) -> pl.Expr:
    return pl.col(part) / pl.col(whole)


CHINESE = pl.col("ideographs") * 2 > pl.col("plain_chars")
"""Most of the text, marks and blanks left out, is ideographs."""

_WORD_LENGTH = _share("plain_chars", "plain_words")

GOPHER_QUALITY = [
    Rule("gopher: fewer than 50 words", ~CHINESE & (pl.col("plain_words") < 50)),
    Rule("gopher: fewer than 80 characters", CHINESE & (pl.col("plain_chars") < 80)),
    Rule("gopher: more than 100,000 words", ~CHINESE & (pl.col("plain_words") > 100_000)),
    Rule("gopher: more than 160,000 characters", CHINESE & (pl.col("plain_chars") > 160_000)),
    Rule("gopher: words of less than 3 characters on average", ~CHINESE & (_WORD_LENGTH < 3)),
    Rule("gopher: words of more than 10 characters on average", ~CHINESE & (_WORD_LENGTH > 10)),
    Rule("gopher: more than one # to 10 words", _share("hashes", "words") > 0.1),
    Rule("gopher: more than one ellipsis to 10 words", _share("ellipses", "words") > 0.1),
    Rule("gopher: over 90% of the lines are bullet points", _share("bullet_lines", "lines") > 0.9),
    Rule("gopher: over 30% of the lines end with an ellipsis", _share("ellipsis_lines", "lines") > 0.3),
    Rule("gopher: under 80% of the words have a letter", _share("alphabetic_words", "words") < 0.8),
    Rule("gopher: fewer than 2 of the English stop words", ~CHINESE & (pl.col("english_stop_words") < 2)),
    Rule("gopher: fewer than 2 of the Chinese stop words", CHINESE & (pl.col("chinese_stop_words") < 2)),
]

GOPHER_REPETITION = [
    Rule("gopher: over 30% of the paragraphs repeated", _share("repeated_paragraphs", "paragraphs") > 0.3),
    Rule("gopher: over 20% of the text in repeated paragraphs", _share("repeated_paragraph_chars", "chars") > 0.2),
    Rule("gopher: over 30% of the lines repeated", _share("repeated_lines", "segments") > 0.3),
    Rule("gopher: over 20% of the text in repeated lines", _share("repeated_line_chars", "chars") > 0.2),
    *(
        Rule(
            f"gopher: over {most:.0%} of the text is one {size}-gram", _share(f"top_{size}_gram_chars", "chars") > most
        )
        for size, most in ((2, 0.20), (3, 0.18), (4, 0.16))
    ),
    *(
        Rule(
            f"gopher: over {most:.0%} of the text in repeated {size}-grams",
            _share(f"repeated_{size}_gram_chars", "chars") > most,
        )
        for size, most in ((5, 0.15), (6, 0.14), (7, 0.13), (8, 0.12), (9, 0.11), (10, 0.10))
    ),
]

RULES = {"gopher_quality": GOPHER_QUALITY, "gopher_repetition": GOPHER_REPETITION}


def why_broken(texts: pl.Series, names: Sequence[str]) -> pl.Series:
    """The reason of the first rule that each text breaks, or null.

    Args:
        texts: without nulls.
        names: rule sets of `RULES`, in their order.
    """
    from modelmill.cleaning.quality import figures

    reasons = [pl.when(rule.broken).then(pl.lit(rule.reason)) for name in names for rule in RULES[name]]
    return figures(texts).select(pl.coalesce(*reasons, pl.lit(None, pl.String)).alias("reason"))["reason"]
