"""Our own kinds of task: what may be declared of each, and what it computes. `tasks/` has a file for each."""

from collections.abc import Mapping
from typing import ClassVar, Literal

from modelmill.specs.source import Target
from modelmill.specs.task import Better, TaskSpec


class TextClassificationSpec(TaskSpec):
    """One of a few labels for each text."""

    metrics: ClassVar[Mapping[str, Better]] = {
        "accuracy": "larger",
        "macro_f1": "larger",
        "weighted_f1": "larger",
        "calibration_error": "smaller",
    }
    main_metric: ClassVar[str] = "macro_f1"
    implementation: ClassVar[str] = "modelmill.tasks.text_classification:TextClassification"

    kind: Literal["text_classification"] = "text_classification"


class RegressionSpec(TaskSpec):
    """A number for each text.

    The main metric is the coefficient of determination: it has no unit and says what the model adds to the mean. A rank
    correlation would be as good for numbers that are all too large.
    """

    metrics: ClassVar[Mapping[str, Better]] = {
        "r2": "larger",
        "rmse": "smaller",
        "mae": "smaller",
        "spearman": "larger",
    }
    main_metric: ClassVar[str] = "r2"
    implementation: ClassVar[str] = "modelmill.tasks.regression:Regression"

    kind: Literal["regression"] = "regression"

    @property
    def target(self) -> Target:
        """A number."""
        return "number"


KINDS: dict[str, type[TaskSpec]] = {
    "text_classification": TextClassificationSpec,
    "regression": RegressionSpec,
}
