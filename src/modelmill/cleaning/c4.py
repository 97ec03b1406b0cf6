"""The rules of C4 for web pages, line by line: Raffel et al. 2020, JMLR 21 (140), 2.2, and their published code.

Chinese lines end in their own marks and have no blanks between words: there, characters stand in for words. The list
of bad words is left out: it strikes whole dialects and medical texts (Dodge et al. 2021, arXiv:2104.08758).
"""

import re

END_MARKS = (".", "?", "!", '"', "'", "。", "？", "！", "”", "’", "」", "』")
POLICIES = (
    "terms of use", "privacy policy", "cookie policy", "uses cookies", "use of cookies", "use cookies",
    "使用条款", "隐私政策", "隐私权政策", "版权所有",
)  # fmt: skip
LEAST_WORDS, LEAST_IDEOGRAPHS, LONGEST_WORD, LEAST_SENTENCES = 3, 5, 1000, 5

_CITATION = re.compile(r"\[\d*\]|\[edit\]|\[citation needed\]")
_IDEOGRAPH = re.compile(r"[\u3400-\u9fff\U00020000-\U0003134f]")
_NOT_WRITTEN_TOGETHER = re.compile(r"[\s\u3000-\u9fff\uff00-\uffef]+")  # a Chinese line without blanks is no word
_SENTENCE_END = re.compile(r"[.?!]+[\"'”’)]*(?:\s|$|(?=[\u3400-\u9fff]))|[。？！…]+[”’」』)]*")


def c4(text: str) -> tuple[str, str | None]:
    """The lines worth keeping, and why the whole page is not, or None.

    Args:
        text: with its line feeds.
    """
    if "lorem ipsum" in text.lower():
        return text, "c4: lorem ipsum"
    lines = [_CITATION.sub("", line.strip()) for line in text.splitlines()]
    kept = [line for line in lines if _worth_keeping(line)]
    if any("{" in line for line in kept):
        return text, "c4: a curly bracket"
    if sum(len(_SENTENCE_END.findall(line)) for line in kept) < LEAST_SENTENCES:
        return text, f"c4: fewer than {LEAST_SENTENCES} sentences in lines that are worth keeping"
    return "\n".join(kept), None


def _worth_keeping(line: str) -> bool:
    if not line.endswith(END_MARKS) or line.endswith("..."):
        return False
    words = line.split()
    if len(words) < LEAST_WORDS and len(_IDEOGRAPH.findall(line)) < LEAST_IDEOGRAPHS:
        return False
    small = line.lower()
    return (
        max(map(len, _NOT_WRITTEN_TOGETHER.split(line))) <= LONGEST_WORD
        and "javascript" not in small
        and not any(policy in small for policy in POLICIES)
    )
