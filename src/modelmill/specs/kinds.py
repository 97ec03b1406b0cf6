"""Our own kinds of task: what may be declared of each, and what it computes. `tasks/` has a file for each."""

from collections.abc import Mapping
from typing import ClassVar, Literal

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


KINDS: dict[str, type[TaskSpec]] = {
    "text_classification": TextClassificationSpec,
}
