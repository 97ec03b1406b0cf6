"""Our own kinds of task: what may be declared of each, and what it computes. `tasks/` has a file for each."""

from collections.abc import Mapping
from typing import ClassVar, Literal

from pydantic import Field

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


class RecommendationSpec(TaskSpec):
    """The next item of a user, from those so far."""

    metrics: ClassVar[Mapping[str, Better]] = {
        "ndcg_10": "larger",
        "recall_10": "larger",
        "mrr_10": "larger",
        "coverage_10": "larger",
    }
    main_metric: ClassVar[str] = "ndcg_10"
    implementation: ClassVar[str] = "modelmill.tasks.recommendation:Recommendation"

    kind: Literal["recommendation"] = "recommendation"
    repeat: bool = Field(False, description="whether an item that stands in the history may be recommended")

    @property
    def target(self) -> Target:
        """The next item."""
        return "next"

    @property
    def reads_language(self) -> bool:
        """A text is the names of items, with blanks between."""
        return False


KINDS: dict[str, type[TaskSpec]] = {
    "text_classification": TextClassificationSpec,
    "recommendation": RecommendationSpec,
}
