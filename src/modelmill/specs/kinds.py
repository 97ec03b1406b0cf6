"""Our own kinds of task: what may be declared of each, and what it computes. `tasks/` has a file for each."""

from collections.abc import Mapping
from typing import Annotated, ClassVar, Literal

from pydantic import Field

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


class ImageClassificationSpec(TaskSpec):
    """One of a few labels for each image."""

    metrics: ClassVar[Mapping[str, Better]] = TextClassificationSpec.metrics
    main_metric: ClassVar[str] = "accuracy"
    implementation: ClassVar[str] = "modelmill.tasks.image_classification:ImageClassification"

    kind: Literal["image_classification"] = "image_classification"
    size: tuple[Annotated[int, Field(ge=1)], Annotated[int, Field(ge=1)]] | None = Field(
        None, description="height and width that images are brought to; default: the backbone's, or that which all have"
    )

    @property
    def reads(self) -> tuple[str, ...]:
        """Images."""
        return ("image",)


KINDS: dict[str, type[TaskSpec]] = {
    "text_classification": TextClassificationSpec,
    "image_classification": ImageClassificationSpec,
}
