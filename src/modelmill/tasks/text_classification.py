"""Text classification: one of a few labels for each text."""

import polars as pl

from modelmill.specs.training import FineTuningSpec
from modelmill.tasks.class_task import ClassTask, class_head
from modelmill.tasks.head import Head
from modelmill.tasks.linear import linear_probabilities
from modelmill.tasks.text_task import TextTask
from modelmill.tokenization.tokens import Tokens
from modelmill.training.class_weights import class_weights


class TextClassification(ClassTask, TextTask):
    """One label for each text; the epoch with the best macro-F1 on the validation split is kept."""

    def head(self, train: Tokens, names: list[str], spec: FineTuningSpec) -> Head:
        """Cross-entropy, each record weighing as its class does."""
        return class_head(names, spec, class_weights(spec, train.labels, names))

    def baselines(self, train: pl.DataFrame, validation: pl.DataFrame, test: pl.DataFrame) -> dict[str, pl.DataFrame]:
        """The most frequent label, and a linear model on n-grams."""
        return self.class_baselines(train, test, linear_probabilities(train, validation, test["text"]))
