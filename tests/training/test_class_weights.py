"""Class weights by hand."""

import numpy as np
import pytest

from modelmill.errors import DataError
from modelmill.specs.training import FineTuningSpec
from modelmill.training.class_weights import class_weights

LABELS = np.array([0, 0, 0, 1])
NAMES = ["bad", "good"]


def test_without_weights_there_are_none() -> None:
    """The default."""
    assert class_weights(FineTuningSpec(), LABELS, NAMES) is None


def test_balanced_weights_give_every_class_the_same_share() -> None:
    """Three records of 2/3 and one of 2: each class has 2 of 4."""
    weights = class_weights(FineTuningSpec(class_weights="balanced"), LABELS, NAMES)
    assert weights is not None
    assert weights.tolist() == pytest.approx([2 / 3, 2])


def test_declared_weights_are_scaled_to_one_on_average() -> None:
    """1 : 5 and 10 : 50 are the same: 3 x 0.5 + 1 x 2.5 = 4 records."""
    for low, high in ((1, 5), (10, 50)):
        weights = class_weights(FineTuningSpec(class_weights={"good": high, "bad": low}), LABELS, NAMES)
        assert weights is not None
        assert weights.tolist() == pytest.approx([0.5, 2.5])


@pytest.mark.parametrize("declared", [{"bad": 1}, {"bad": 1, "good": 2, "gud": 2}])
def test_weights_of_other_labels_are_refused(declared: dict[str, float]) -> None:
    """A label without a weight, a weight without a label."""
    with pytest.raises(DataError, match="the labels are bad, good; give each its weight"):
        class_weights(FineTuningSpec(class_weights=declared), LABELS, NAMES)
