"""Answers that are any number of labels: metrics, how they are shown, and the share from which a label is said."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import polars as pl
from numpy.typing import NDArray

from modelmill.records import labels_of
from modelmill.specs.kinds import MultilabelClassificationSpec
from modelmill.specs.task import Better
from modelmill.tasks.outcome import Bools, Floats, Ints, PairOutcome, Resampling


@dataclass(frozen=True)
class LabelsOutcome(PairOutcome):
    """`true` and `predicted` say of each item and label whether it has it, (items, labels)."""

    better: ClassVar[Mapping[str, Better]] = MultilabelClassificationSpec.metrics

    labels: list[str]

    @classmethod
    def of_all(cls, tables: Sequence[pl.DataFrame], separator: str | None) -> list["LabelsOutcome"]:
        """Answers to the same items, over all labels that are known or true."""
        known = {name.removeprefix("p_") for table in tables for name in table.columns if name.startswith("p_")}
        true = [[labels_of(text, separator) or [] for text in table["label"]] for table in tables]
        labels = sorted(known.union(*(one for rows in true for one in rows)))
        return [
            cls(indicators(rows, labels), indicators([json.loads(said) for said in table["predicted"]], labels), labels)
            for rows, table in zip(true, tables, strict=True)
        ]

    def values(self, rows: Ints, metrics: Sequence[str]) -> dict[str, Floats]:
        """Metrics (resamples,) of item numbers (resamples, items)."""
        counted = {"micro_f1", "macro_f1"} & {*metrics}
        counts = self.counts(rows) if counted else None
        found = {}
        for name in metrics:
            if name == "exact_match":
                found[name] = self.right()[rows].mean(1)
            else:
                assert counts is not None
                found[name] = micro_f1(counts) if name == "micro_f1" else macro_f1(counts)
        return found

    def counts(self, rows: Ints) -> Ints:
        """Hits, said and true of each label, (resamples, 3, labels)."""
        each = np.stack([self.true & self.predicted, self.predicted, self.true], 1).astype(np.int64)
        times = np.stack([np.bincount(sample, minlength=self.items) for sample in rows])
        result: Ints = np.tensordot(times, each, 1)
        return result

    def right(self) -> Bools:
        """Where exactly the true labels were said."""
        right: Bools = (self.true == self.predicted).all(1)
        return right

    def is_share_of_right(self, metric: str) -> bool:
        """The exact match is."""
        return metric == "exact_match"

    def details(self, resampling: Resampling) -> dict[str, Any]:
        """Figures of each label."""
        values = resampling.over(self.items, lambda rows: np.stack([*shares(self.counts(rows)).values()], 1))
        names = ("precision", "recall", "f1")
        table = {
            label: {
                "support": int(self.true[:, i].sum()),
                **{name: resampling.interval(values[:, j, i]) for j, name in enumerate(names)},
            }
            for i, label in enumerate(self.labels)
        }
        return {"labels": table}


def indicators(rows: Sequence[Sequence[str]], labels: Sequence[str]) -> Bools:
    """Which of the labels each row has, (rows, labels)."""
    found = np.zeros((len(rows), len(labels)), bool)
    place = {label: i for i, label in enumerate(labels)}
    for row, some in enumerate(rows):
        found[row, [place[label] for label in some if label in place]] = True
    return found


def shares(counts: Ints) -> dict[str, Floats]:
    """Precision, recall and F1 of each label, (resamples, labels); 0 where nothing was said, or true."""
    hits, said, true = counts[:, 0], counts[:, 1], counts[:, 2]
    return {"precision": _divide(hits, said), "recall": _divide(hits, true), "f1": _divide(2 * hits, said + true)}


def micro_f1(counts: Ints) -> Floats:
    """Of all labels together, (resamples,)."""
    hits, said, true = counts.sum(2).T
    return _divide(2 * hits, said + true)


def macro_f1(counts: Ints) -> Floats:
    """Mean over the labels that were said or true in a resample, (resamples,)."""
    present = counts[:, 1] + counts[:, 2] > 0
    return _divide((shares(counts)["f1"] * present).sum(1), present.sum(1))


def _divide(a: NDArray[Any], b: NDArray[Any]) -> Floats:
    result: Floats = np.divide(a, b, out=np.zeros(a.shape), where=b != 0)
    return result


def best_threshold(probabilities: Floats, true: Bools) -> float:
    """The probability from which labels are said, for the best micro-F1; both (records, labels), one for all labels.

    The middle of the two probabilities that it parts, of equally good ones the highest; 0.5 where nothing is true.
    """
    order = np.argsort(-probabilities.ravel(), kind="stable")
    ranked, hits = probabilities.ravel()[order], true.ravel()[order].cumsum()
    if not true.any():
        return 0.5
    scores = 2 * hits / (np.arange(1, len(hits) + 1) + true.sum())
    below = np.append(ranked[1:], 0.0)
    scores[ranked == below] = -1  # no threshold parts what is equal
    best = int(scores.argmax())
    return float((ranked[best] + below[best]) / 2)
