"""A trigram model of characters: what a language model must beat."""

import math
import random
from collections import Counter
from collections.abc import Iterable, Sequence
from functools import cached_property

BEGIN, END = "\u0002", "\u0003"
DISCOUNTS = (0.5, 0.75, 0.9)
"""To choose from, on the validation split."""


class Trigrams:
    """Interpolated Kneser-Ney of order 3 with one discount (Chen and Goodman 1999, Computer Speech and Language 13)."""

    def __init__(self, texts: Iterable[str], validation: Sequence[str]) -> None:
        """
        Args:
            texts: to learn from.
            validation: texts by which the discount is chosen.
        """
        self._three: Counter[str] = Counter()
        for text in texts:
            framed = f"{BEGIN}{BEGIN}{text}{END}"
            self._three.update(framed[i : i + 3] for i in range(len(framed) - 2))
        self._two = Counter(three[1:] for three in self._three)  # of how many different characters each stands behind
        self._one = Counter(two[1:] for two in self._two)
        self._context_three, self._context_two = Counter[str](), Counter[str]()
        for three, count in self._three.items():
            self._context_three[three[:2]] += count
        for two, count in self._two.items():
            self._context_two[two[0]] += count
        self._follow_three = Counter(three[:2] for three in self._three)
        self._follow_two = Counter(two[0] for two in self._two)
        self._kinds = self._one.total()
        self.discount = DISCOUNTS[0]
        losses = {}
        for self.discount in DISCOUNTS:
            losses[self.discount] = sum(self.loss(text) for text in validation)
        self.discount = min(losses, key=lambda discount: losses[discount])

    def loss(self, text: str, given: int = 0) -> float:
        """Minus the log-likelihood of a text behind its first `given` characters, its end included."""
        framed = f"{BEGIN}{BEGIN}{text}{END}"
        return -sum(math.log(self._share(framed[i : i + 3])) for i in range(given, len(framed) - 2))

    def write(self, given: str, length: int, seed: str) -> str:
        """Draw characters behind a beginning, to the end of the text or so many."""
        rng, text = random.Random(seed), f"{BEGIN}{BEGIN}{given}"
        for _ in range(length):
            choices = self._following.get(text[-2:]) or [(END, 1)]
            drawn = rng.choices([one for one, _ in choices], [count for _, count in choices])[0]
            if drawn == END:
                break
            text += drawn
        return text[2 + len(given) :]

    @cached_property
    def _following(self) -> dict[str, list[tuple[str, int]]]:
        """Behind each two characters what came, and how often."""
        known: dict[str, list[tuple[str, int]]] = {}
        for three, count in sorted(self._three.items()):
            known.setdefault(three[:2], []).append((three[2], count))
        return known

    def _share(self, three: str) -> float:
        d, two, one = self.discount, three[1:], three[2]
        single = max(self._one[one] - d, 0) / self._kinds + d * len(self._one) / self._kinds / (len(self._one) + 1)
        double = _interpolated(self._two[two], self._context_two[two[0]], self._follow_two[two[0]], d, single)
        return _interpolated(
            self._three[three], self._context_three[three[:2]], self._follow_three[three[:2]], d, double
        )


def _interpolated(count: int, context: int, different: int, discount: float, below: float) -> float:
    """The discounted share of what was seen, and what was taken from it shared out as the shorter context says."""
    if not context:
        return below
    return (max(count - discount, 0) + discount * different * below) / context
