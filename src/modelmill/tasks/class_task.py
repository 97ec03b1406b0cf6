"""What kinds of task share that answer with one class of a few, whatever they read."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from modelmill.specs.training import FineTuningSpec
from modelmill.tasks import class_answers
from modelmill.tasks.class_report import confusion_matrix, label_section
from modelmill.tasks.classes import ClassOutcome
from modelmill.tasks.head import Head
from modelmill.tasks.linear import majority_probabilities
from modelmill.tasks.task import Columns, Task

if TYPE_CHECKING:
    from plotly.graph_objects import Figure


class ClassTask(Task):
    """Labels in, probabilities of labels out."""

    def label_names(self, train: pl.DataFrame) -> list[str]:
        """The labels that occur, sorted."""
        return sorted(set(train["label"]))

    def targets(self, records: pl.DataFrame, names: Sequence[str]) -> NDArray[np.int64]:
        """Class of each record, (records,); -1 for one that training does not know."""
        number = {label: i for i, label in enumerate(names)}
        return np.array([number.get(label, -1) for label in records["label"]], np.int64)

    def answers(self, logits: NDArray[np.float64], product: Mapping[str, Any]) -> pl.DataFrame:
        """The most probable label, its probability, and that of each label, `p_<label>`."""
        return class_answers.table(self.chances(logits), product["labels"])

    def chances(self, logits: NDArray[np.float64]) -> NDArray[np.float64]:
        """Probability of each label, (records, labels)."""
        return class_answers.softmax(logits)

    def class_baselines(
        self, train: pl.DataFrame, test: pl.DataFrame, linear: NDArray[np.float64]
    ) -> dict[str, pl.DataFrame]:
        """The most frequent label, and a linear model's probabilities (test records, labels), labels sorted."""
        labels = sorted(set(train["label"]))
        found = {"majority": majority_probabilities(train["label"], labels, test.height), "linear": linear}
        return {name: self.predictions(test, class_answers.table(chances, labels)) for name, chances in found.items()}

    def outcomes(self, *predictions: pl.DataFrame) -> list[ClassOutcome]:
        """Over all labels that any of them knows."""
        return ClassOutcome.of_all(predictions)

    def plot(self, report: Mapping[str, Any], predictions: pl.DataFrame) -> "Figure":
        """The confusion matrix."""
        return confusion_matrix(report)

    def card(self, report: Mapping[str, Any]) -> list[str]:
        """Figures of each label."""
        return [label_section(report)]

    def answer_columns(self, product: Mapping[str, Any]) -> Columns:
        """Label, its probability, and that of each label."""
        return class_answers.columns(product["labels"])

    def why_impossible(self, answers: pl.DataFrame, product: Mapping[str, Any]) -> str | None:
        """Probabilities that are none, or another label than the most probable one."""
        return class_answers.why_impossible(answers, product["labels"])


def class_head(names: Sequence[str], spec: FineTuningSpec, weights: NDArray[np.float32] | None) -> Head:
    """A logit for each class; cross-entropy, each record weighing as its class does, and macro-F1."""
    import torch
    from torch.nn.functional import cross_entropy
    from torchmetrics.classification import MulticlassF1Score

    by_class = None if weights is None else torch.from_numpy(weights)

    def loss(logits: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        if by_class is None:
            return cross_entropy(logits, labels, label_smoothing=spec.label_smoothing)
        losses = cross_entropy(logits, labels, label_smoothing=spec.label_smoothing, reduction="none")
        return (losses * by_class.to(losses.device)[labels]).mean()

    score = MulticlassF1Score(len(names), average="macro")
    return Head(len(names), "single_label_classification", loss, cross_entropy, score, "macro_f1", tuple(names))
