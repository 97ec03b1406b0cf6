"""Deleting and swapping words (characters where a script has no spaces): EDA, Wei and Zou 2019, arXiv:1901.11196."""

import random
import re
from itertools import pairwise

import polars as pl

from modelmill.specs.source import Augmentations, AugmentationSpec

_CJK = r"\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff"
_UNIT = re.compile(rf"[{_CJK}]|[^\s{_CJK}]+|\s+")


def has_no_spaces(texts: list[str]) -> bool:
    """Whether most of the letters belong to a script that writes no spaces between words."""
    sample = "".join(texts[:1000])
    return len(re.findall(f"[{_CJK}]", sample)) > len(sample) / 4


def augment(train: pl.DataFrame, steps: Augmentations) -> pl.DataFrame:
    """The training records and, after them, their altered copies with ids `<id>+<kind><number>`."""
    tables = [train]
    for step in steps.root:
        for copy in range(1, step.copies + 1):
            suffix = f"+{step.kind}{copy}"
            texts = [
                alter(text, step, random.Random(f"{step.seed}:{identity}{suffix}"))
                for identity, text in train.select("id", "text").iter_rows()
            ]
            tables.append(train.with_columns(pl.col("id") + suffix, pl.Series("text", texts, dtype=pl.String)))
    return pl.concat(tables)


def alter(text: str, step: AugmentationSpec, rng: random.Random) -> str:
    """One altered copy; a text is never emptied."""
    units = _UNIT.findall(text)
    words = [i for i, unit in enumerate(units) if not unit.isspace()]
    if step.kind == "delete":
        dropped = {i for i in words if rng.random() < step.rate}
        if len(dropped) == len(words):
            return text
        return re.sub(r"\s+", " ", "".join(unit for i, unit in enumerate(units) if i not in dropped)).strip()
    for left, right in pairwise(words):
        if rng.random() < step.rate:
            units[left], units[right] = units[right], units[left]
    return "".join(units)
