"""Our own kinds of task: what may be declared of each, and what it computes. `tasks/` has a file for each."""

from collections.abc import Mapping
from typing import Annotated, ClassVar, Literal, Self

from pydantic import Field, field_validator, model_validator

from modelmill.specs.base import Share, Spec
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


class DecodingSpec(Spec):
    """How a text is written, token by token."""

    max_new_tokens: int = Field(64, ge=1)
    temperature: float = Field(1.0, ge=0, description="0: always the likeliest token")
    top_p: Share = Field(1.0, description="draw from the likeliest tokens that have this probability together")
    top_k: int = Field(0, ge=0, description="draw from so many of the likeliest tokens; 0: from all")
    repetition_penalty: float = Field(1.0, ge=1, description="makes tokens that stand there already less likely")
    beams: int = Field(1, ge=1, description="beams that are searched; more than one goes with `temperature: 0`")
    seed: int = Field(0, ge=0, description="of what is drawn")

    @model_validator(mode="after")
    def _search_or_draw(self) -> Self:
        if self.beams > 1 and self.temperature > 0:
            raise ValueError("`beams` searches for the likeliest text, `temperature` draws one; leave one out")
        return self


class TextGenerationSpec(TaskSpec):
    """Text that goes on with a beginning, or answers an instruction."""

    metrics: ClassVar[Mapping[str, Better]] = {
        "perplexity": "smaller",
        "chrf": "larger",
        "distinct_1": "larger",
        "distinct_2": "larger",
    }
    main_metric: ClassVar[str] = "perplexity"
    implementation: ClassVar[str] = "modelmill.tasks.text_generation:TextGeneration"

    kind: Literal["text_generation"] = "text_generation"
    format: Literal["continuation", "instruction"] = Field(
        "continuation", description="instruction: `text` is what is asked, and `label` what is to be written"
    )
    prompt: float = Field(
        0.5, gt=0, lt=1, description="share of a test record's characters that is given (continuation)"
    )
    written: int = Field(100, ge=1, description="so many test records are written for; the perplexity is of all")
    decoding: DecodingSpec = DecodingSpec()

    @property
    def target(self) -> Target:
        """The answer to an instruction; what a text goes on with is in the text itself."""
        return "text" if self.format == "instruction" else "nothing"


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
    "text_generation": TextGenerationSpec,
    "multilabel_classification": MultilabelClassificationSpec,
    "ordinal_classification": OrdinalClassificationSpec,
    "regression": RegressionSpec,
    "image_classification": ImageClassificationSpec,
    "recommendation": RecommendationSpec,
}
