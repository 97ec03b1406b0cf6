"""The protocol of a kind of task: what it must supply so that a product of it goes the whole way."""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from importlib.metadata import EntryPoint
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Protocol

import polars as pl

from modelmill.errors import DeclarationError
from modelmill.specs.task import TaskSpec
from modelmill.specs.training import FineTuningSpec, TokenizationSpec
from modelmill.tables import AnyTable, batches_of
from modelmill.tasks.outcome import Outcome
from modelmill.text import Finder
from modelmill.training.processes import Made

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

SAME = 1e-3
"""Answers of one model on two machines, or in other batches, differ by less."""

Columns = list[tuple[str, str]]
"""Names and types (`string`, `double`, ...: https://mlflow.org/docs/latest/ml/model/signatures)."""


class Saved(Protocol):
    """What a dataset writes into a folder."""

    def save(self, folder: Path) -> None: ...


class Predictor(Protocol):
    """A model that is loaded."""

    def answers(self, records: pl.DataFrame) -> pl.DataFrame:
        """The answers, as the API gives them: columns `Task.answer_columns`, rows in the order of the records."""
        ...


class Task(ABC):
    """A kind of task with what was chosen of it. A new kind is a subclass in a file of its own, and a subclass of
    `TaskSpec` that names it: here both in `specs/kinds.py`, in another package by an entry point.

    `packages` are the distributions that it needs to predict, beside those of every kind.
    """

    packages: ClassVar[tuple[str, ...]] = ()
    judged_by_answers: ClassVar[bool] = True
    """Whether predictions follow from what a model answers, as a registered version does, and the truth alone."""

    def __init__(self, spec: TaskSpec) -> None:
        self.spec = spec

    @property
    def inputs(self) -> Columns:
        """The columns of records that a model reads."""
        return [(name, "string") for name in self.spec.reads]

    @abstractmethod
    def encode(self, splits: Mapping[str, pl.DataFrame], backbone: Path, spec: TokenizationSpec) -> Saved:
        """Records as tensors, in a folder with a file `tokens.json` that has `task` in it.

        Args:
            splits: train (augmented) and validation.
            backbone: the folder of the model that will read them.
            spec: as declared.

        Raises:
            DataError: when the records, or what is declared, do not fit the backbone.
        """

    @abstractmethod
    def train(
        self, tensors: Path, backbone: Path, spec: FineTuningSpec, checkpoints: Path, *, random_start: bool
    ) -> Made:
        """Fine-tune a backbone with a head of this kind; the weights that were best on the validation split are kept.

        Args:
            tensors: what `encode` has saved.
            backbone: a folder that transformers reads.
            spec: as declared.
            checkpoints: where the training keeps its state; one that was killed goes on from there.
            random_start: leave the backbone's weights random.

        Returns:
            the curves, a report of the training, and the model; it saves `product.json` beside its tensors, in which
            are `task`, `labels` (of what has any), `trained_on_sha256`, `training` and `precision`.

        Raises:
            DataError: when the tensors are not of this backbone, or what is declared fits neither it nor the records.
        """

    @abstractmethod
    def predictor(self, model: Path) -> Predictor:
        """A model folder, loaded."""

    @abstractmethod
    def baselines(self, train: pl.DataFrame, validation: pl.DataFrame, test: pl.DataFrame) -> dict[str, pl.DataFrame]:
        """What a model must beat, by name: predictions for the test records, as `predictions` gives them."""

    @abstractmethod
    def outcomes(self, *predictions: pl.DataFrame) -> Sequence[Outcome]:
        """What the predictions of several models for the same records come to."""

    @abstractmethod
    def plot(self, report: Mapping[str, Any], predictions: pl.DataFrame) -> "Figure":
        """The answers beside the truth."""

    @abstractmethod
    def answer_columns(self, product: Mapping[str, Any]) -> Columns:
        """What a model answers with; `product` is its `product.json`."""

    def judged(self, model: Path, records: pl.DataFrame) -> pl.DataFrame:
        """Predictions of a model folder for records whose truth is known."""
        return self.predictions(records, self.predictor(model).answers(records))

    def predictions(self, records: pl.DataFrame, answers: pl.DataFrame) -> pl.DataFrame:
        """Answers beside the truth: id, label (what is true), predicted, and what else was answered."""
        said = answers.rename({"label": "predicted"}).drop("score", strict=False)
        return records.select("id", "label").hstack(said)

    def card(self, report: Mapping[str, Any]) -> list[str]:
        """Sections of the model card, in Markdown, beside those of every kind."""
        return []

    seen: ClassVar[str] = "Test texts that are, or stand inside, a text"
    """What `given_away` counts, for the model card."""

    def given_away(self, test: pl.DataFrame, tables: Sequence[AnyTable]) -> int:
        """How many test records are given away by what a model has read: their texts are, or stand inside, one."""
        finder = Finder(test["text"])
        texts = (text for batch in batches_of(*tables) for text in batch["text"])
        return len(set().union(*map(finder.within, texts)))

    def why_impossible(self, answers: pl.DataFrame, product: Mapping[str, Any]) -> str | None:
        """What is wrong with answers that have the right columns: 'probabilities that do not sum to 1'."""
        return None


def task_of(declared: TaskSpec | Mapping[str, Any]) -> Task:
    """The task of a section `task`, as it is declared or as a folder says it.

    Raises:
        DeclarationError: when the code of its kind cannot be loaded.
    """
    spec = declared if isinstance(declared, TaskSpec) else TaskSpec.model_validate(dict(declared))
    try:
        implementation: type[Task] = EntryPoint(spec.kind, spec.implementation, "").load()
    except (ImportError, AttributeError) as error:
        raise DeclarationError(
            f"the code of the kind of task '{spec.kind}' ({spec.implementation}) cannot be loaded: {error}. Mend its "
            "package."
        ) from error
    return implementation(spec)
