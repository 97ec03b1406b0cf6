"""Our own kinds of task: what may be declared of each, and what it computes. `tasks/` has a file for each."""

from collections.abc import Mapping
from typing import ClassVar, Literal

from pydantic import Field, field_validator

from modelmill.specs.source import Label, Target
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


class MultilabelClassificationSpec(TaskSpec):
    """Any number of labels for each text."""

    metrics: ClassVar[Mapping[str, Better]] = {"macro_f1": "larger", "micro_f1": "larger", "exact_match": "larger"}
    main_metric: ClassVar[str] = "macro_f1"
    implementation: ClassVar[str] = "modelmill.tasks.multilabel:MultilabelClassification"

    kind: Literal["multilabel_classification"] = "multilabel_classification"
    separator: str | None = Field(
        None, min_length=1, description="between the labels of a record; default: they stand there as a JSON list"
    )

    @property
    def target(self) -> Target:
        """Any number of names."""
        return "classes"

    @property
    def between_labels(self) -> str | None:
        """As declared."""
        return self.separator


class OrdinalClassificationSpec(TaskSpec):
    """One of a few labels that have an order for each text: stars, grades, severities.

    The main metric is the kappa with quadratic weights: a miss by two steps is four times one by one, and chance is
    taken off.
    """

    metrics: ClassVar[Mapping[str, Better]] = {
        "quadratic_kappa": "larger",
        "step_error": "smaller",
        **TextClassificationSpec.metrics,
    }
    main_metric: ClassVar[str] = "quadratic_kappa"
    implementation: ClassVar[str] = "modelmill.tasks.ordinal:OrdinalClassification"

    kind: Literal["ordinal_classification"] = "ordinal_classification"
    labels: list[Label] = Field(min_length=3, description="in their order, the lowest first")

    @field_validator("labels")
    @classmethod
    def _each_once(cls, value: list[str]) -> list[str]:
        if twice := [label for label in value if value.count(label) > 1]:
            raise ValueError(f"'{twice[0]}' stands twice; each label has one place")
        return value

    @property
    def ordered_labels(self) -> list[str] | None:
        """As declared."""
        return self.labels


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
    "multilabel_classification": MultilabelClassificationSpec,
    "ordinal_classification": OrdinalClassificationSpec,
    "regression": RegressionSpec,
}
