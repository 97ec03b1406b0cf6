"""Ways to alter a text a little. Each takes the text, the step, a random source and what it may draw from.

delete, swap: EDA, Wei and Zou 2019, arXiv:1901.11196. replace: unigram noising, Xie et al. 2017, arXiv:1703.02573.
noise: as Belinkov and Bisk 2018, arXiv:1711.02173, who found models to break on typing mistakes.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from itertools import pairwise
from random import Random

from modelmill.augmentation.units import mend_spaces, split_sentences, split_units, words_of
from modelmill.specs.augmentation import AugmentationSpec

TRIES = 20


@dataclass(frozen=True)
class Sources:
    """What alterations draw from: units of the training texts, words that can stand for each other, texts by label."""

    units: list[str] = field(default_factory=list)
    synonyms: Mapping[str, list[str]] = field(default_factory=dict)
    longest: int = 0
    """Units of the longest word in `synonyms`."""
    peers: list[str] = field(default_factory=list)


def delete(text: str, rate: float, rng: Random, sources: Sources) -> str:
    """Without some of its units; a text is never emptied."""
    units = split_units(text)
    words = words_of(units)
    dropped = {place for place in words if rng.random() < rate}
    if len(dropped) == len(words):
        return text
    return mend_spaces([unit for place, unit in enumerate(units) if place not in dropped])


def swap(text: str, rate: float, rng: Random, sources: Sources) -> str:
    """With some neighbouring units exchanged."""
    units = split_units(text)
    for left, right in pairwise(words_of(units)):
        if rng.random() < rate:
            units[left], units[right] = units[right], units[left]
    return "".join(units)


def noise(text: str, rate: float, rng: Random, sources: Sources) -> str:
    """With a character of some units doubled or, in longer ones, left out or exchanged with the next."""
    units = split_units(text)
    for place in words_of(units):
        if rng.random() < rate:
            units[place] = _mistyped(units[place], rng)
    return "".join(units)


def _mistyped(unit: str, rng: Random) -> str:
    at = rng.randrange(len(unit))
    way = rng.choice(("double", "leave out", "exchange")) if len(unit) > 1 else "double"
    if way == "double":
        return unit[:at] + unit[at] + unit[at:]
    if way == "leave out":
        return unit[:at] + unit[at + 1 :]
    at = min(at, len(unit) - 2)
    return unit[:at] + unit[at + 1] + unit[at] + unit[at + 2 :]


def replace(text: str, rate: float, rng: Random, sources: Sources) -> str:
    """With some units replaced by units of the training texts, frequent ones more often."""
    units = split_units(text)
    for place in words_of(units):
        if sources.units and rng.random() < rate:
            units[place] = rng.choice(sources.units)
    return "".join(units)


def synonym(text: str, rate: float, rng: Random, sources: Sources) -> str:
    """With some words of the lexicon, longest first, replaced by words that can stand for them."""
    units, result, place = split_units(text), [], 0
    while place < len(units):
        for size in range(min(sources.longest, len(units) - place), 0, -1):
            others = sources.synonyms.get("".join(units[place : place + size]).lower())
            if others:
                word = "".join(units[place : place + size])
                result.append(rng.choice(others) if rng.random() < rate else word)
                place += size
                break
        else:
            result.append(units[place])
            place += 1
    return "".join(result)


def mix(text: str, rate: float, rng: Random, sources: Sources) -> str:
    """With some sentences replaced by sentences of another text of the same label."""
    sentences = split_sentences(text)
    others = split_sentences(rng.choice(sources.peers)) if sources.peers else []
    if not others:
        return text
    mixed = [rng.choice(others) if rng.random() < rate else sentence for sentence in sentences]
    return mend_spaces([f"{sentence} " if sentence[-1:].isascii() else sentence for sentence in mixed])


KINDS: dict[str, Callable[[str, float, Random, Sources], str]] = {
    "delete": delete,
    "swap": swap,
    "noise": noise,
    "replace": replace,
    "synonym": synonym,
    "mix": mix,
}


def alter(text: str, step: AugmentationSpec, rng: Random, sources: Sources) -> str:
    """One altered copy; white space alone, or nothing, stays what it is.

    A short text may escape all its chances: it is tried again, up to `TRIES` times, as EDA touches one unit at least.
    """
    if not text.strip() or not step.rate:
        return text
    copies = (KINDS[step.kind](text, step.rate, rng, sources) for _ in range(TRIES))
    return next((copy for copy in copies if copy != text), text)
