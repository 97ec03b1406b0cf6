"""Multi-label classification: any number of labels for each text."""

import json
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from modelmill.records import labels_of
from modelmill.specs.kinds import MultilabelClassificationSpec
from modelmill.specs.training import FineTuningSpec
from modelmill.tasks.class_report import label_section
from modelmill.tasks.head import Head
from modelmill.tasks.labels import LabelsOutcome, best_threshold, indicators
from modelmill.tasks.linear import linear_shares
from modelmill.tasks.outcome import Bools, Floats
from modelmill.tasks.task import Columns
from modelmill.tasks.text_task import TextTask, model_logits
from modelmill.tokenization.tokens import Tokens

if TYPE_CHECKING:
    from plotly.graph_objects import Figure


class MultilabelClassification(TextTask):
    """Any number of labels; the epoch with the best mean average precision on the validation split is kept, which needs
    no threshold. Then the threshold is chosen there.
    """

    spec: MultilabelClassificationSpec

    def label_names(self, train: pl.DataFrame) -> list[str]:
        """The labels that occur, sorted."""
        return sorted({label for labels in self._labels(train) for label in labels})

    def targets(self, records: pl.DataFrame, names: Sequence[str]) -> NDArray[np.int64]:
        """1 for each label that a record has, (records, labels)."""
        return indicators(self._labels(records), names).astype(np.int64)

    def head(self, train: Tokens, names: list[str], spec: FineTuningSpec) -> Head:
        """Binary cross-entropy of each label."""
        from modelmill.tasks.multilabel_module import AveragePrecision, multilabel_loss

        score = AveragePrecision(len(names))
        return Head(
            len(names), "multi_label_classification", multilabel_loss, multilabel_loss, score, "average_precision",
            tuple(names),
        )  # fmt: skip

    def settled(self, model: Any, validation: Tokens, pad: int) -> dict[str, Any]:
        """The threshold."""
        chances = _sigmoid(model_logits(model, validation, pad))
        return {"threshold": best_threshold(chances, validation.labels.astype(bool))}

    def answers(self, logits: NDArray[np.float64], product: Mapping[str, Any]) -> pl.DataFrame:
        """The labels whose probability reaches the threshold, as a JSON list, and the probability of each."""
        return _table(_sigmoid(logits), product["labels"], product["threshold"])

    def baselines(self, train: pl.DataFrame, validation: pl.DataFrame, test: pl.DataFrame) -> dict[str, pl.DataFrame]:
        """The labels that more than half of the records have; a linear model, whose threshold is chosen as ours is."""
        names = self.label_names(train)
        known, held_out = (indicators(self._labels(records), names) for records in (train, validation))
        chosen, chances = linear_shares((train["text"], known), (validation["text"], held_out), test["text"])
        found = {
            "majority": _table(np.tile(known.mean(0), (test.height, 1)), names, 0.5),
            "linear": _table(chances, names, best_threshold(chosen, held_out)),
        }
        return {name: self.predictions(test, table) for name, table in found.items()}

    def outcomes(self, *predictions: pl.DataFrame) -> list[LabelsOutcome]:
        """Over all labels that any of them knows."""
        return LabelsOutcome.of_all(predictions, self.spec.separator)

    def plot(self, report: Mapping[str, Any], predictions: pl.DataFrame) -> "Figure":
        """How often each label was true, said, and both."""
        import plotly.graph_objects as go

        (outcome,) = self.outcomes(predictions)
        both, said, true = outcome.counts(np.arange(outcome.items)[None])[0]
        bars = {"true": true, "predicted": said, "both": both}
        figure = go.Figure([go.Bar(name=name, x=outcome.labels, y=heights.tolist()) for name, heights in bars.items()])
        figure.update_layout(title="Labels (test split)", template="plotly_white", barmode="group")
        figure.update_xaxes(type="category")
        figure.update_yaxes(title_text="records")
        return figure

    def card(self, report: Mapping[str, Any]) -> list[str]:
        """Figures of each label."""
        return [label_section(report)]

    def answer_columns(self, product: Mapping[str, Any]) -> Columns:
        """The labels, and the probability of each."""
        return [("label", "string"), *((f"p_{label}", "double") for label in product["labels"])]

    def why_impossible(self, answers: pl.DataFrame, product: Mapping[str, Any]) -> str | None:
        """Probabilities that are none, or other labels than those that reach the threshold."""
        chances = answers.select(f"p_{label}" for label in product["labels"]).to_numpy()
        if not ((chances >= 0) & (chances <= 1)).all():  # NaN is neither
            return "probabilities that are below 0, or above 1"
        if answers["label"].to_list() != _said(chances >= product["threshold"], product["labels"]):
            return "labels that are not those that reach the threshold"
        return None

    def _labels(self, records: pl.DataFrame) -> list[list[str]]:
        """Of each record; the contract has taken out what is no list."""
        return [labels_of(text, self.spec.separator) or [] for text in records["label"]]


def _sigmoid(logits: Floats) -> Floats:
    from scipy.special import expit

    result: Floats = expit(logits)
    return result


def _table(chances: Floats, labels: Sequence[str], threshold: float) -> pl.DataFrame:
    """Probabilities (records, labels) as answers."""
    said = pl.Series(_said(chances >= threshold, labels), dtype=pl.String)
    return pl.DataFrame({"label": said, **{f"p_{label}": chances[:, i] for i, label in enumerate(labels)}})


def _said(said: Bools, labels: Sequence[str]) -> list[str]:
    """The labels of each row, as a JSON list."""
    return [
        json.dumps([label for label, one in zip(labels, row, strict=True) if one], ensure_ascii=False) for row in said
    ]
