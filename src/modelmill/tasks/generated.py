"""What written texts are judged by."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import polars as pl
from numpy.typing import NDArray

from modelmill.specs.kinds import TextGenerationSpec
from modelmill.specs.task import Better
from modelmill.tasks.outcome import Floats, Ints, Outcome, Resampling

ORDERS = 6
"""Character n-grams up to this length."""
BETA = 2.0
"""Recall counts so many times as much as precision."""
SAMPLES = 5
CHRF = [f"chrf_{order}_{what}" for order in range(1, ORDERS + 1) for what in ("same", "written", "reference")]
SCHEMA: dict[str, Any] = {
    "id": pl.String, "label": pl.String, "predicted": pl.String, "prompt": pl.String, "loss": pl.Float64,
    "characters": pl.Int64, **dict.fromkeys(CHRF, pl.Int64), "distinct_1": pl.Float64, "distinct_2": pl.Float64,
}  # fmt: skip
"""Predictions. `loss` is minus the log-likelihood of the reference, `characters` its length; the rest is null where
nothing was written. `label` is the reference's digest, and prompts are shown for a few alone."""


@dataclass(frozen=True)
class GeneratedOutcome(Outcome):
    """Of each record: the loss and length of the reference, (items,), the counts of chrF (items, 6, 3) and the shares
    of words that differ (items, 2); nan where nothing was written.
    """

    better: ClassVar[Mapping[str, Better]] = TextGenerationSpec.metrics

    labels: list[str]
    written: list[str | None]
    loss: Floats
    characters: Floats
    counts: Floats
    distinct: Floats
    samples: list[dict[str, Any]]

    @classmethod
    def of(cls, predictions: pl.DataFrame) -> "GeneratedOutcome":
        """Read a table of predictions."""
        counts = predictions.select(CHRF).cast(pl.Float64).to_numpy().reshape(-1, ORDERS, 3)
        shown = predictions.filter(pl.col("prompt").is_not_null()).select("prompt", "predicted")
        return cls(
            predictions["label"].to_list(),
            predictions["predicted"].to_list(),
            predictions["loss"].to_numpy(),
            predictions["characters"].cast(pl.Float64).to_numpy(),
            counts,
            predictions.select("distinct_1", "distinct_2").to_numpy(),
            shown.to_dicts(),
        )

    @property
    def items(self) -> int:
        """How many there are."""
        return len(self.loss)

    @property
    def truth(self) -> NDArray[Any]:
        """Digests of the references."""
        return np.array(self.labels)

    @property
    def said(self) -> NDArray[Any]:
        """Losses: two models that differ hardly agree in one."""
        return self.loss

    def values(self, rows: Ints, metrics: Sequence[str]) -> dict[str, Floats]:
        """Metrics (resamples,) of item numbers (resamples, items)."""
        found: dict[str, Callable[[], Floats]] = {
            "perplexity": lambda: np.exp(self.loss[rows].sum(1) / self.characters[rows].sum(1)),
            "chrf": lambda: chrf(np.nan_to_num(self.counts)[rows].sum(1)),
            "distinct_1": lambda: _mean(self.distinct[rows, 0]),
            "distinct_2": lambda: _mean(self.distinct[rows, 1]),
        }
        return {name: found[name]() for name in metrics}

    def details(self, resampling: Resampling) -> dict[str, Any]:
        """A few texts."""
        return {"samples": self.samples}


def _mean(shares: Floats) -> Floats:
    """Of what was written, (resamples,)."""
    there = ~np.isnan(shares)
    mean: Floats = np.nan_to_num(shares).sum(1) / np.maximum(there.sum(1), 1)
    return mean


def chrf(counts: Floats) -> Floats:
    """The F-score of character n-grams, precision and recall averaged over their lengths (Popovic 2015, WMT, chrF2).

    Args:
        counts: (..., orders, [same, written, reference]).
    """
    same, written, reference = np.moveaxis(counts, -1, 0)
    there = (written > 0) & (reference > 0)
    orders = np.maximum(there.sum(-1), 1)
    precision, recall = (
        (np.divide(same, of, out=np.zeros(same.shape), where=there)).sum(-1) / orders for of in (written, reference)
    )
    below = BETA**2 * precision + recall
    score: Floats = np.divide((1 + BETA**2) * precision * recall, below, out=np.zeros(below.shape), where=below > 0)
    return score


def chrf_counts(written: str, reference: str) -> list[int]:
    """Of n-grams of 1 to 6 characters, blanks left out: how many are the same, are written, are in the reference."""
    counts = []
    texts = ["".join(text.split()) for text in (written, reference)]
    for order in range(1, ORDERS + 1):
        ours, theirs = (Counter(text[i : i + order] for i in range(len(text) - order + 1)) for text in texts)
        counts += [(ours & theirs).total(), ours.total(), theirs.total()]
    return counts


def distinct(words: Sequence[str], size: int) -> float | None:
    """Share of a text's n-grams that are different ones (Li et al. 2016, arXiv:1510.03055); None where it has none."""
    grams = [tuple(words[i : i + size]) for i in range(len(words) - size + 1)]
    return len(set(grams)) / len(grams) if grams else None
