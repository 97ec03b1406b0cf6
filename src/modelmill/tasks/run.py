"""What pipelines do with any kind of task. A folder says of which kind it is: `tokens.json` and `product.json`."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import polars as pl

from modelmill.specs.task import TaskSpec
from modelmill.specs.training import FineTuningSpec, TokenizationSpec
from modelmill.tasks.task import Predictor, Saved, Task, task_of
from modelmill.training.processes import Made, in_processes

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

BASELINE = "baseline"
"""The column that says of which baseline a prediction is."""


def encode(
    task: TaskSpec, train: pl.DataFrame, validation: pl.DataFrame, backbone: Path, spec: TokenizationSpec
) -> Saved:
    """The splits that training reads, as tensors for the backbone."""
    return task_of(task).encode({"train": train, "validation": validation}, backbone, spec)


@in_processes
def fine_tune(tensors: Path, backbone: Path, spec: FineTuningSpec, checkpoints: Path) -> Made:
    """Fine-tune a backbone, see `Task.train`. The model comes last: saving it removes the state of the training."""
    return _task_in(tensors / "tokens.json").train(tensors, backbone, spec, checkpoints, random_start=False)


def fine_tune_random_start(tensors: Path, backbone: Path, spec: FineTuningSpec, model: Path, checkpoints: Path) -> Made:
    """The control of a model: `fine_tune` in every respect, but the backbone's weights are random. Its precision is the
    model's, for `auto` may come to another one each time.
    """
    precision = _read(model / "product.json")["precision"]
    return _fine_tune_random_start(tensors, backbone, spec.model_copy(update={"precision": precision}), checkpoints)


@in_processes
def _fine_tune_random_start(tensors: Path, backbone: Path, spec: FineTuningSpec, checkpoints: Path) -> Made:
    return _task_in(tensors / "tokens.json").train(tensors, backbone, spec, checkpoints, random_start=True)


def predict(model: Path, records: pl.DataFrame) -> pl.DataFrame:
    """Predictions of a model folder, see `Task.predictions`."""
    return _task_in(model / "product.json").judged(model, records)


def load_predictor(model: Path) -> Predictor:
    """A model folder, loaded as its kind of task does it."""
    return _task_in(model / "product.json").predictor(model)


def predict_baselines(
    task: TaskSpec, train: pl.DataFrame, validation: pl.DataFrame, test: pl.DataFrame
) -> pl.DataFrame:
    """Predictions of every baseline for the test records, one below the other, its name in the column `baseline`."""
    found = task_of(task).baselines(train, validation, test)
    tables = [table.insert_column(0, pl.lit(name).alias(BASELINE)) for name, table in found.items()]
    return pl.concat(tables, how="diagonal")


def plot_answers(task: TaskSpec, report: dict[str, Any], predictions: pl.DataFrame) -> "Figure":
    """See `Task.plot`."""
    return task_of(task).plot(report, predictions)


def _task_in(file: Path) -> Task:
    return task_of(_read(file)["task"])


def _read(file: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
    return found
