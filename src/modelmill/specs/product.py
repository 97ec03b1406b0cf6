"""What may be declared of a product: `conf/<env>/products/*.yml`."""

from typing import Annotated, Any, Self

from pydantic import (
    Field,
    SerializeAsAny,
    StringConstraints,
    ValidationInfo,
    ValidatorFunctionWrapHandler,
    field_validator,
    model_validator,
)  # fmt: skip

from modelmill.specs.augmentation import Augmentations
from modelmill.specs.base import OneOrMore, Share, Spec
from modelmill.specs.cleaning import CleaningSpec
from modelmill.specs.image_augmentation import ImageAugmentations
from modelmill.specs.of_images import BATCH, reads_images_alone, why_not_of_images
from modelmill.specs.source import ContractSpec, Sources
from modelmill.specs.split import SplitSpec
from modelmill.specs.task import TaskSpec
from modelmill.specs.training import FineTuningSpec, TokenizationSpec


class EvaluationSpec(Spec):
    """How the model is judged on the test split, once, at the end."""

    metric: str | None = Field(
        None, description="the figure that the product is named by; default: the main one of its kind of task"
    )
    bootstrap: int = Field(1000, ge=100, description="resamples for the intervals")
    confidence: Share = 0.95
    seed: int = Field(0, ge=0, description="of the resamples")
    random_start: bool = Field(
        False,
        description="train a control from a random start, to say what pretraining added; doubles the time",
    )


class GateSpec(Spec):
    """A floor (or ceiling) of a metric that a version needs to enter a stage."""

    metric: str
    at_least: float | None = None
    at_most: float | None = None

    @model_validator(mode="after")
    def _one_bound(self) -> Self:
        if (self.at_least is None) == (self.at_most is None):
            raise ValueError("give either `at_least` or `at_most`")
        return self


Said = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1)]


class CardSpec(Spec):
    """What only people know, for the model card (Mitchell et al. 2019, arXiv:1810.03993)."""

    intended_use: Said | None = Field(None, description="what it is for, and who uses it")
    limitations: Said | None = Field(None, description="what it was not made for, and where it is weak")
    owner: Said | None = Field(None, description="whom to ask")


class ProductSpec(Spec):
    """One AI capability that a team ships."""

    description: str = ""
    task: SerializeAsAny[TaskSpec]
    source: Sources
    backbone: str
    contract: ContractSpec = Field(ContractSpec(), validate_default=True)
    cleaning: CleaningSpec = CleaningSpec()
    split: SplitSpec = Field(SplitSpec(), validate_default=True)
    augmentation: Augmentations | ImageAugmentations = Field(Augmentations([]), validate_default=True)
    tokenization: TokenizationSpec = TokenizationSpec()
    training: FineTuningSpec = Field(FineTuningSpec(), validate_default=True)
    evaluation: EvaluationSpec = Field(EvaluationSpec(), validate_default=True)
    gates: dict[str, Annotated[list[GateSpec], OneOrMore()]] = Field(
        default_factory=dict, description="by stage of `registry.yml` whose gate `floors` asks them"
    )
    card: CardSpec = CardSpec()

    @model_validator(mode="after")
    def _of_what_it_reads(self) -> Self:
        if found := "; ".join(why_not_of_images(self)):
            raise ValueError(found)
        return self

    @model_validator(mode="after")
    def _columns_to_split_by(self) -> Self:
        if self.split.by == "stratified" and self.task.target != "class":
            raise ValueError(f"`split: {{by: stratified}}` draws from each class, and {self.task.kind} has none")
        column = {"group": "group", "time": "time"}.get(self.split.by)
        if column and any(getattr(source.columns, column) is None for source in self.source.root):
            raise ValueError(
                f"`split: {{by: {column}}}` needs the column: name it in every source, `columns: {{{column}: NAME}}`"
            )
        return self

    @model_validator(mode="after")
    def _a_sequence_for_each_user(self) -> Self:
        if self.task.target != "next":
            return self
        needed = ("group", "time", "text", "label")
        if any(getattr(source.columns, name) is None for source in self.source.root for name in needed):
            raise ValueError(
                f"{self.task.kind} reads what came after what: name in every source `columns: {{group: USER, time: "
                "TIME, text: ITEM, label: ITEM}`; the item stands in histories (text) and is foretold (label)"
            )
        if self.split.by != "time":
            raise ValueError(
                f"{self.task.kind} foretells what comes later; say `split: {{by: time, validation_from: ..., "
                "test_from: ...}`"
            )
        return self

    @model_validator(mode="after")
    def _rules_for_language_only(self) -> Self:
        if self.task.reads_language or "image" in self.task.reads:  # of images: see `_of_what_it_reads`
            return self
        plain = CleaningSpec(memory_mb=self.cleaning.memory_mb).model_dump()
        declared = [f"cleaning.{name}" for name, value in self.cleaning.model_dump().items() if value != plain[name]]
        declared += ["augmentation"] if self.augmentation.root else []
        if declared:
            raise ValueError(
                f"{', '.join(f'`{name}`' for name in declared)}: made for texts in a language, which {self.task.kind} "
                "does not read; leave it out"
            )
        return self

    @model_validator(mode="after")
    def _records_for_every_part(self) -> Self:
        given, some_drawn = self.source.parts, any(source.part is None for source in self.source.root)
        if given and self.split.by not in ("random", "stratified"):
            raise ValueError(
                f"`part` of a source goes with `split: {{by: random}}` or `stratified`, which draw the other records; "
                f"`by: {self.split.by}` places them all. Leave out one of them"
            )
        if given and (lacking := {"train", "validation", "test"} - given) and not some_drawn:
            raise ValueError(
                f"every source names its `part`, and none is for {', '.join(sorted(lacking))}; leave `part` out of the "
                "source that it is to be drawn from"
            )
        if len(given) == 3 and some_drawn:
            raise ValueError("sources have all three parts; give the others their `part`, too")
        return self

    @model_validator(mode="after")
    def _labels_of_the_ranges(self) -> Self:
        if any(source.labels_from for source in self.source.root) and not self.contract.labels:
            raise ValueError(
                "`labels_from` leaves numbers that are in no range as they are; say by `contract: {labels: [...]}` "
                "which labels are meant"
            )
        return self

    @model_validator(mode="after")
    def _what_needs_classes(self) -> Self:
        asked = {
            "`training.class_weights`": self.training.class_weights != "none",
            "`training.label_smoothing`": self.training.label_smoothing > 0,
            "`augmentation: {kind: mix}`": any(one.kind == "mix" for one in self.augmentation.root),
            "`augmentation: {copies: balance}`": any(one.copies == "balance" for one in self.augmentation.root),
        }
        wrong = [option for option, there in asked.items() if there]
        if wrong and self.task.target != "class":
            raise ValueError(f"{wrong[0]} needs one class for each record; {self.task.kind} has none; leave it out")
        return self

    @model_validator(mode="after")
    def _weights_of_the_labels(self) -> Self:
        weights, labels = self.training.class_weights, self.contract.labels
        if isinstance(weights, dict) and labels and set(weights) != set(labels):
            raise ValueError(
                f"`training.class_weights` has {', '.join(sorted(weights))}, but `contract.labels` has "
                f"{', '.join(sorted(labels))}; give each label its weight"
            )
        return self

    @field_validator("contract")
    @classmethod
    def _what_a_label_is(cls, value: ContractSpec, info: ValidationInfo) -> ContractSpec:
        if "task" not in info.data:  # it has a mistake
            return value
        task: TaskSpec = info.data["task"]
        if value.target not in (None, task.target):
            raise ValueError(f"`target: {value.target}`, but the labels of {task.kind} are {task.target}; leave it out")
        if value.labels and task.target not in ("class", "classes"):
            raise ValueError(f"`labels` names classes, but the labels of {task.kind} are {task.target}; leave it out")
        if value.separator not in (None, task.between_labels):
            raise ValueError("`separator` follows from `task.separator`; leave it out here")
        if task.ordered_labels and value.labels not in (None, task.ordered_labels):
            raise ValueError(
                f"`labels` are others than those of `task`, {', '.join(task.ordered_labels)}; leave it out"
            )
        labels = task.ordered_labels or value.labels
        follows = {"target": task.target, "separator": task.between_labels, "labels": labels}
        return value.model_copy(update=follows)

    @field_validator("augmentation", mode="wrap")
    @classmethod
    def _copies_of_what_it_reads(cls, value: Any, _: ValidatorFunctionWrapHandler, info: ValidationInfo) -> Any:
        task = info.data.get("task")
        kind = ImageAugmentations if task and reads_images_alone(task.reads) else Augmentations
        return kind.model_validate(value.root if isinstance(value, Augmentations | ImageAugmentations) else value)

    @field_validator("training")
    @classmethod
    def _batch_of_images(cls, value: FineTuningSpec, info: ValidationInfo) -> FineTuningSpec:
        task = info.data.get("task")
        if task and "image" in task.reads and value.batch_images is None:
            return value.model_copy(update={"batch_images": BATCH})
        return value

    @field_validator("split")
    @classmethod
    def _near_duplicates_of_language(cls, value: SplitSpec, info: ValidationInfo) -> SplitSpec:
        task = info.data.get("task")
        if task is None or task.reads_language:
            return value
        if value.near_duplicates and "near_duplicates" in value.model_fields_set:
            raise ValueError(
                f"`near_duplicates`: made for texts in a language, which {task.kind} does not read; leave it out"
            )
        return value.model_copy(update={"near_duplicates": None})

    @field_validator("evaluation")
    @classmethod
    def _main_metric(cls, value: EvaluationSpec, info: ValidationInfo) -> EvaluationSpec:
        if value.metric or "task" not in info.data:
            return value
        return value.model_copy(update={"metric": info.data["task"].main_metric})

    @field_validator("source")
    @classmethod
    def _some_source(cls, value: Sources) -> Sources:
        if not value.root:
            raise ValueError("name at least one source")
        return value

    @property
    def metric(self) -> str:
        """The figure that it is named by."""
        assert self.evaluation.metric, "see _main_metric"
        return self.evaluation.metric

    def floors(self, stage: str) -> list[GateSpec]:
        """What is declared for a stage; none for one that is not named."""
        return next((gates for name, gates in self.gates.items() if name == stage), [])
