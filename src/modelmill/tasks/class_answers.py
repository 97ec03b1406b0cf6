"""Probabilities of classes as answers: label, score (its probability), and one column `p_<label>` per label."""

from collections.abc import Sequence

import numpy as np
import polars as pl
from numpy.typing import NDArray

from modelmill.tasks.task import SAME, Columns

Floats = NDArray[np.float64]


def softmax(logits: Floats) -> Floats:
    """Probabilities, over the last axis."""
    powers = np.exp(logits - logits.max(-1, keepdims=True))
    result: Floats = powers / powers.sum(-1, keepdims=True)
    return result


def columns(labels: Sequence[str]) -> Columns:
    """Of `table`, with their types."""
    return [("label", "string"), ("score", "double"), *((f"p_{label}", "double") for label in labels)]


def table(probabilities: Floats, labels: Sequence[str]) -> pl.DataFrame:
    """Probabilities (records, labels) as answers."""
    said = [labels[i] for i in probabilities.argmax(1)] if len(probabilities) else []
    chances = {f"p_{label}": probabilities[:, i] for i, label in enumerate(labels)}
    return pl.DataFrame({"label": pl.Series(said, dtype=pl.String), "score": probabilities.max(1), **chances})


def why_impossible(answers: pl.DataFrame, labels: Sequence[str]) -> str | None:
    """What no model can have answered."""
    probabilities = answers.select(f"p_{label}" for label in labels).to_numpy()
    if not ((probabilities >= 0).all() and abs(probabilities.sum(1) - 1).max() < SAME):  # NaN is neither
        return "probabilities that are below 0, or do not sum to 1"
    if answers["label"].to_list() != [labels[place] for place in probabilities.argmax(1)]:
        return "labels that are not the most probable ones"
    return None
