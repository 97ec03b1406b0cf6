"""Texts are put to a model folder."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import polars as pl
from numpy.typing import NDArray

from modelmill.tasks.run import load_predictor


class Asked:
    """A folder of a text classifier, loaded."""

    def __init__(self, folder: Path) -> None:
        self.predictor = load_predictor(folder)
        self.labels: list[str] = self.predictor.product["labels"]

    def probabilities(self, texts: Sequence[str]) -> NDArray[np.float64]:
        """Of each label, (texts, labels)."""
        answers = self.predictor.answers(pl.DataFrame({"text": texts}, schema={"text": pl.String}))
        return answers.select(f"p_{label}" for label in self.labels).to_numpy()

    def said(self, texts: Sequence[str]) -> list[str]:
        """The label of each text."""
        return self.predictor.answers(pl.DataFrame({"text": texts}))["label"].to_list()
