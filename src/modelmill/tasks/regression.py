"""Regression: a number for each text."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from modelmill.errors import DataError
from modelmill.specs.training import FineTuningSpec, TokenizationSpec
from modelmill.tasks.head import Head
from modelmill.tasks.linear import linear_numbers
from modelmill.tasks.numbers import NumberOutcome, scatter, truth_section
from modelmill.tasks.task import Columns
from modelmill.tasks.text_task import TextTask
from modelmill.tokenization.tokens import Encoding, Tokens

if TYPE_CHECKING:
    from plotly.graph_objects import Figure


class Regression(TextTask):
    """A number for each text; the epoch with the best coefficient of determination on the validation split is kept."""

    def label_names(self, train: pl.DataFrame) -> list[str]:
        """Numbers have no names."""
        return []

    def targets(self, records: pl.DataFrame, names: Sequence[str]) -> NDArray[np.float64]:
        """The number of each record, (records,)."""
        return records["label"].cast(pl.Float64).to_numpy()

    def encode(self, splits: Mapping[str, pl.DataFrame], backbone: Path, spec: TokenizationSpec) -> Encoding:
        """See `Task.encode`; of one number no spread can be told, which the best epoch is chosen by."""
        if splits["validation"].height < 2:
            raise DataError(
                "the validation split has one record, and regression needs two; enlarge `split.validation`."
            )
        return super().encode(splits, backbone, spec)

    def head(self, train: Tokens, names: list[str], spec: FineTuningSpec) -> Head:
        """Squared error of standardised numbers: the learning rate need not follow their unit."""
        from modelmill.tasks.regression_module import Scale, StandardR2

        scale = Scale(float(train.labels.mean()), float(train.labels.std()))
        if not scale.deviation:
            raise DataError(
                f"all labels of the training split are the number {scale.mean:g}; there is nothing to learn. See the "
                "column that `source.columns.label` names."
            )
        return Head(1, "regression", scale.loss, scale.loss, StandardR2(scale), "r2", about={"scale": asdict(scale)})

    def answers(self, logits: NDArray[np.float64], product: Mapping[str, Any]) -> pl.DataFrame:
        """The number, in the unit of the labels."""
        return pl.DataFrame({"label": logits[:, 0] * product["scale"]["deviation"] + product["scale"]["mean"]})

    def baselines(self, train: pl.DataFrame, validation: pl.DataFrame, test: pl.DataFrame) -> dict[str, pl.DataFrame]:
        """The mean of the training records, and ridge regression on n-grams."""
        found = {
            "mean": np.full(test.height, self.targets(train, []).mean()),
            "linear": linear_numbers(train, validation, test["text"]),
        }
        return {name: self.predictions(test, pl.DataFrame({"label": numbers})) for name, numbers in found.items()}

    def outcomes(self, *predictions: pl.DataFrame) -> list[NumberOutcome]:
        """Numbers beside the true ones."""
        return [NumberOutcome.of(one) for one in predictions]

    def plot(self, report: Mapping[str, Any], predictions: pl.DataFrame) -> "Figure":
        """Answers over truth."""
        return scatter(NumberOutcome.of(predictions))

    def card(self, report: Mapping[str, Any]) -> list[str]:
        """What the true numbers are like."""
        return [truth_section(report)]

    def answer_columns(self, product: Mapping[str, Any]) -> Columns:
        """The number."""
        return [("label", "double")]

    def why_impossible(self, answers: pl.DataFrame, product: Mapping[str, Any]) -> str | None:
        """What is no number."""
        return None if answers["label"].is_finite().all() else "numbers that are not finite"
