"""What a record counts by its label."""

import numpy as np
from numpy.typing import NDArray

from modelmill.errors import DataError
from modelmill.specs.training import FineTuningSpec


def class_weights(spec: FineTuningSpec, labels: NDArray[np.int64], names: list[str]) -> NDArray[np.float32] | None:
    """Weight of each class, (classes,), scaled so that a training record weighs one on average: the mean over records
    is then an unbiased estimate in batches of any composition.

    Args:
        spec: `balanced` weighs a class by one over its count (King & Zeng 2001,
            doi:10.1093/oxfordjournals.pan.a004868).
        labels: class of each training record.
        names: label of each class.

    Returns:
        None when all records weigh the same.

    Raises:
        DataError: when the declared labels are not those of the records.
    """
    if spec.class_weights == "none":
        return None
    counts = np.bincount(labels, minlength=len(names)).astype(np.float64)
    if spec.class_weights == "balanced":
        weights = 1 / counts
    else:
        if set(spec.class_weights) != set(names):
            raise DataError(
                f"`training.class_weights` has {', '.join(sorted(spec.class_weights))}, but the labels are "
                f"{', '.join(names)}; give each its weight."
            )
        weights = np.array([spec.class_weights[name] for name in names])
    scaled: NDArray[np.float64] = weights * counts.sum() / (weights @ counts)
    return scaled.astype(np.float32)
