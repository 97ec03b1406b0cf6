"""Is a version worse than the incumbent on a part of the items?"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import polars as pl
from numpy.typing import NDArray

from modelmill.evaluation.paired import chance, holm, share_bounds, worse
from modelmill.specs.registry import SliceBy, SlicesGate

Bools = NDArray[np.bool_]
VISIBLE = 0.8
"""With this chance a loss of the size that is called visible is found."""


@dataclass(frozen=True)
class Part:
    """A part of the items: who was right, and the test.

    `losses` are the items that the incumbent alone had right. `p` is one-sided, `adjusted` by Holm for all parts that
    are judged; both are None in a part that is too small to be judged. `visible` is the loss of accuracy that would
    have been found with 80%.
    """

    name: str
    items: int
    version: float
    incumbent: float
    wins: int
    losses: int
    p: float | None = None
    adjusted: float | None = None
    visible: float | None = None

    def is_worse(self, rule: SlicesGate) -> bool:
        """Whether the loss here is proven."""
        return self.adjusted is not None and self.adjusted <= 1 - rule.confidence

    def can_tell(self, rule: SlicesGate) -> bool:
        """Whether the loss that is to be found would have been found here."""
        return self.visible is not None and self.visible <= rule.detectable


def parts_of(records: pl.DataFrame, by: Sequence[SliceBy]) -> dict[str, Bools]:
    """Which records belong to which part, by the part's name; a part has one at least.

    Args:
        records: `label`; for `length` also `text`, whose terciles part them; for `source` also `origin`, a file:line.
        by: what they are parted by.
    """
    ways = {"label": _by_label, "length": _by_length, "source": _by_source}
    return {f"{kind} {name}": inside for kind in by for name, inside in ways[kind](records).items() if inside.any()}


def _by_label(records: pl.DataFrame) -> dict[str, Bools]:
    return _by_value(records["label"])


def _by_source(records: pl.DataFrame) -> dict[str, Bools]:
    return _by_value(records["origin"].str.replace(r":\d+$", ""))


def _by_value(column: pl.Series) -> dict[str, Bools]:
    return {value: (column == value).to_numpy() for value in column.unique().sort()}


def _by_length(records: pl.DataFrame) -> dict[str, Bools]:
    sizes = records["text"].str.len_chars().to_numpy()
    first, second = np.quantile(sizes, [1 / 3, 2 / 3], method="inverted_cdf")
    return {
        f"up to {first} characters": sizes <= first,
        f"{first + 1} to {second} characters": (sizes > first) & (sizes <= second),
        f"over {second} characters": sizes > second,
    }


def compare_parts(version: Bools, incumbent: Bools, parts: Mapping[str, Bools], rule: SlicesGate) -> list[Part]:
    """Test each part that is large enough, with Holm's correction over them.

    Args:
        version: which items it had right.
        incumbent: the same of the incumbent.
        parts: of `parts_of`.
        rule: margin, confidence for all parts together, least size.
    """
    counted = [_count(name, version[inside], incumbent[inside]) for name, inside in parts.items()]
    judged = [part for part in counted if part.items >= rule.min_items]
    p = np.array([float(worse(part.wins, part.losses, part.items, rule.margin)) for part in judged])
    adjusted = dict(zip([part.name for part in judged], zip(p, holm(p), strict=True), strict=True)) if judged else {}
    level = (1 - rule.confidence) / max(1, len(judged))
    return [_tested(part, adjusted.get(part.name), rule.margin, level) for part in counted]


def _count(name: str, ours: Bools, theirs: Bools) -> Part:
    wins, losses = int((ours & ~theirs).sum()), int((theirs & ~ours).sum())
    return Part(name, len(ours), float(ours.mean()), float(theirs.mean()), wins, losses)


def _tested(part: Part, p: tuple[float, float] | None, margin: float, level: float) -> Part:
    if p is None:
        return part
    disagreement = float(share_bounds(part.wins + part.losses, part.items, 0.95)[1])
    seen = visible_loss(part.items, disagreement, margin, level)
    return replace(part, p=float(p[0]), adjusted=float(p[1]), visible=seen)


def chance_to_find(items: int, loss: float, disagreement: float, margin: float, level: float) -> float:
    """Probability that a loss of accuracy is found.

    Args:
        items: of the part.
        loss: true difference of the accuracies.
        disagreement: share of the items that one of the two alone has right; at least the loss.
        margin: loss that is accepted.
        level: of the one test; with Holm's correction that of all divided by their number.
    """
    rate = max(disagreement, loss)
    return chance(
        items, (rate - loss) / 2, (rate + loss) / 2, lambda wins, losses: worse(wins, losses, items, margin) <= level
    )


def visible_loss(items: int, disagreement: float, margin: float, level: float) -> float:
    """The smallest loss of accuracy that is found with 80%, to 0.001; 1 where not even a total loss is."""
    low, high = 0, 1000
    while high - low > 1:
        middle = (low + high) // 2
        found = chance_to_find(items, middle / 1000, disagreement, margin, level) >= VISIBLE
        low, high = (low, middle) if found else (middle, high)
    return high / 1000


def negative_flips(ids: Sequence[str], version: Bools, incumbent: Bools) -> list[str]:
    """Ids of what the incumbent had right and the version has wrong (Yan et al. 2021, arXiv:2011.09161)."""
    return [one for one, lost in zip(ids, incumbent & ~version, strict=True) if lost]
