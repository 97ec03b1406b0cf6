"""Ordinal classification: one of a few labels that have an order, for each text."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import ClassVar

import numpy as np
import polars as pl

from modelmill.errors import DataError
from modelmill.specs.kinds import OrdinalClassificationSpec
from modelmill.specs.task import Better
from modelmill.specs.training import FineTuningSpec
from modelmill.tasks.classes import BY_COUNTS, ClassOutcome
from modelmill.tasks.head import Head
from modelmill.tasks.outcome import Floats, Ints
from modelmill.tasks.text_classification import TextClassification
from modelmill.tokenization.tokens import Tokens
from modelmill.training.class_weights import class_weights


def quadratic_kappa(counts: Ints) -> Floats:
    """Agreement beyond chance, a miss by n steps counting n squared (Cohen 1968, Psychological Bulletin 70:213-220);
    0 where all are one label and chance agrees, too, (resamples,).
    """
    places = np.arange(counts.shape[1])
    weights = (places[:, None] - places) ** 2
    items = counts.sum((1, 2))
    chance = counts.sum(2)[:, :, None] * counts.sum(1)[:, None] / items[:, None, None]
    found, expected = (counts * weights).sum((1, 2)), (chance * weights).sum((1, 2))
    result: Floats = np.divide(expected - found, expected, out=np.zeros(len(counts)), where=expected > 0)
    return result


def step_error(counts: Ints) -> Floats:
    """Mean distance of the answer from the truth, in steps of the order, (resamples,)."""
    places = np.arange(counts.shape[1])
    result: Floats = (counts * np.abs(places[:, None] - places)).sum((1, 2)) / counts.sum((1, 2))
    return result


@dataclass(frozen=True)
class OrdinalOutcome(ClassOutcome):
    """`labels` are in their order."""

    better: ClassVar[Mapping[str, Better]] = OrdinalClassificationSpec.metrics
    by_counts: ClassVar[Mapping[str, Callable[[Ints], Floats]]] = {
        **BY_COUNTS,
        "quadratic_kappa": quadratic_kappa,
        "step_error": step_error,
    }


class OrdinalClassification(TextClassification):
    """One of a few ordered labels; the epoch with the best quadratic kappa on the validation split is kept."""

    spec: OrdinalClassificationSpec

    def label_names(self, train: pl.DataFrame) -> list[str]:
        """The labels in their order."""
        return [*self.spec.labels]

    def head(self, train: Tokens, names: list[str], spec: FineTuningSpec) -> Head:
        """A logit for each step of the order, see `ordinal_loss`."""
        import torch

        from modelmill.tasks.ordinal_module import OrdinalKappa, ordinal_loss

        if spec.label_smoothing:
            raise DataError("`training.label_smoothing` is not for ordinal_classification; leave it out.")
        weights = class_weights(spec, train.labels, names)
        loss = ordinal_loss if weights is None else partial(ordinal_loss, weights=torch.from_numpy(weights))
        # The outputs are steps; the config has no names for them.
        return Head(
            len(names) - 1, "multi_label_classification", loss, ordinal_loss, OrdinalKappa(len(names)),
            "quadratic_kappa",
        )  # fmt: skip

    def chances(self, logits: Floats) -> Floats:
        """Probability of each label, (records, labels), from that of each step."""
        above = 1 / (1 + np.exp(-logits))
        ones = np.ones((len(logits), 1))
        passed = np.concatenate([ones, above.cumprod(1)], 1)
        stays = np.concatenate([1 - above, ones], 1)
        result: Floats = passed * stays
        return result

    def outcomes(self, *predictions: pl.DataFrame) -> list[ClassOutcome]:
        """Over all labels of the order."""
        return [OrdinalOutcome.of(one, [*self.spec.labels]) for one in predictions]
