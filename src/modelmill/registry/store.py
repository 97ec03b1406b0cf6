"""The one door to MLflow: runs, what is logged to them, and model versions."""

import json
import os
import re
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http import HTTPStatus
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

import modelmill
from modelmill.errors import NotFoundError
from modelmill.registry.readers import unreachable
from modelmill.specs.mlflow import MlflowSpec

if TYPE_CHECKING:
    import polars as pl
    from mlflow import MlflowClient

SERVING_PACKAGES = (
    "click", "mlflow", "numpy", "pandas", "polars", "pydantic", "safetensors", "tokenizers", "torch", "transformers",
)  # fmt: skip
"""What a version needs to predict; pinned to the versions that evaluated it."""

EXAMPLES = 3
"""So many first test records go with a version as its input example, without what is true of them."""


@contextmanager
def connected(settings: MlflowSpec) -> "Iterator[MlflowClient]":
    """A client of the declared MLflow.

    Raises:
        NotFoundError: when it has no such version, run or file.
        RegistryError: when it cannot be reached or refuses.
    """
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "2")  # the default goes on for four minutes
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")  # DO_NOT_TRACK=1 is not enough: it wants "true"
    import mlflow
    from mlflow.exceptions import MlflowException

    try:
        mlflow.set_tracking_uri(settings.tracking_uri)
        mlflow.set_registry_uri(settings.registry_uri or settings.tracking_uri)
        yield mlflow.MlflowClient()
    except (MlflowException, OSError) as error:
        if _is_missing(error):
            raise NotFoundError(f"MLflow at {settings.tracking_uri} has it not: {error}") from error
        raise unreachable(settings.tracking_uri, error) from error


def _is_missing(error: Exception) -> bool:
    """Whether MLflow answered, and said that what was asked for is not there."""
    answer = getattr(error, "response", None)  # of a server that was asked for a file
    return (
        isinstance(error, FileNotFoundError)
        or getattr(error, "error_code", None) == "RESOURCE_DOES_NOT_EXIST"
        or getattr(answer, "status_code", None) == HTTPStatus.NOT_FOUND
    )


def start_run(settings: MlflowSpec, name: str, declared: Mapping[str, Any], tags: Mapping[str, str]) -> str:
    """Open a run with its resolved declaration as flat parameters and as the artifact `config.yml`.

    Args:
        settings: where MLflow is.
        name: of the product or backbone.
        declared: name to resolved declaration, as plain data.
        tags: lineage of the code.

    Returns:
        the run's id.
    """
    from mlflow.entities import Param

    with connected(settings) as client:
        experiment = client.get_experiment_by_name(settings.experiment)
        if experiment is None:
            remote = settings.tracking_uri.startswith("http")
            experiment_id = client.create_experiment(settings.experiment, None if remote else settings.artifacts)
        else:
            experiment_id = experiment.experiment_id
        run_id: str = client.create_run(experiment_id, tags=dict(tags), run_name=name).info.run_id
        try:
            client.log_batch(run_id, params=[Param(key, value) for key, value in sorted(flatten(declared).items())])
            client.log_text(run_id, yaml.safe_dump(dict(declared), allow_unicode=True, sort_keys=False), "config.yml")
        except BaseException:  # nobody else knows this run yet
            client.set_terminated(run_id, "FAILED")
            raise
    return run_id


def finish_run(settings: MlflowSpec, run_id: str, *, failed: bool) -> None:
    """Close a run."""
    with connected(settings) as client:
        client.set_terminated(run_id, "FAILED" if failed else "FINISHED")


def log_curves(settings: MlflowSpec, run_id: str, curves: "pl.DataFrame") -> None:
    """Log training curves in batches: one by one would take 15 ms each."""
    from mlflow.entities import Metric

    points = [Metric(f"train/{name}", value, 0, step) for name, step, value in curves.iter_rows()]
    with connected(settings) as client:
        client.log_batch(run_id, metrics=points)


def log_report(settings: MlflowSpec, run_id: str, report: Mapping[str, Any]) -> None:
    """Log an evaluation: figures with their intervals as metrics."""
    from mlflow.entities import Metric

    points = [Metric(name, value, 0, 0) for name, value in sorted(report_metrics(report).items())]
    with connected(settings) as client:
        client.log_batch(run_id, metrics=points)


def log_training(settings: MlflowSpec, run_id: str, report: Mapping[str, Any]) -> None:
    """Log what a training read, how long it took and how fast it was: 'training/tokens', ..."""
    from mlflow.entities import Metric

    numbers = {name: value for name, value in report.items() if isinstance(value, int | float)}
    points = [Metric(f"training/{name}", value, 0, 0) for name, value in numbers.items()]
    with connected(settings) as client:
        client.log_batch(run_id, metrics=points)


def report_metrics(report: Mapping[str, Any]) -> dict[str, float]:
    """'test/macro_f1', 'test/macro_f1.low', ..., 'baseline/linear/macro_f1', 'random_start/macro_f1', ..."""
    groups = {"test": report["metrics"]}
    groups |= {f"baseline/{name}": other["metrics"] for name, other in report["baselines"].items()}
    if "random_start" in report:
        groups["random_start"] = report["random_start"]["metrics"]
    flat = {}
    for group, metrics in groups.items():
        for metric, figure in metrics.items():
            flat[f"{group}/{metric}"] = figure["value"]
            flat[f"{group}/{metric}.low"] = figure["low"]
            flat[f"{group}/{metric}.high"] = figure["high"]
    return flat


def create_version(
    settings: MlflowSpec, run: Mapping[str, Any], model: Path, evidence: Path, example: "pl.DataFrame", digest: str
) -> int:
    """Log a model folder to its run as a pyfunc, with its evidence, and make a version of it.

    Args:
        settings: where MLflow is.
        run: `name` of the product and `run_id`.
        model: folder with safetensors, tokenizer, config and product.json.
        evidence: folder with the model card, the reports and the figures, kept with the run.
        example: some records; their first ones become the input example.
        digest: of the tensors, to be shown as a tag.

    Returns:
        the version's number.
    """
    import mlflow

    name, run_id = run["name"], run["run_id"]
    with connected(settings) as client, mlflow.start_run(run_id=run_id):
        client.log_artifacts(run_id, str(evidence))
        info = _log_model(model, example)
        # log_model can register too, but then the version is there before its tags are.
        create_registered_model(client, name)
        tags = {"digest": digest, "product": name}
        created = client.create_model_version(name, info.model_uri, run_id, tags=tags, model_id=info.model_id)
    return int(created.version)


def log_text(settings: MlflowSpec, run_id: str, path: str, text: str) -> None:
    """Keep a small file with a run."""
    with connected(settings) as client:
        client.log_text(run_id, text, path)


def _log_model(model: Path, example: "pl.DataFrame") -> Any:
    import mlflow
    import pandas as pd
    import polars as pl
    from mlflow.models import ModelSignature
    from mlflow.types import ColSpec, Schema

    from modelmill.registry import pyfunc_model
    from modelmill.tasks.task import task_of

    product = json.loads((model / "product.json").read_text(encoding="utf-8"))
    task = task_of(product["task"])
    sides = (task.inputs, task.answer_columns(product))
    inputs, answers = (Schema([ColSpec(kind, name) for name, kind in side]) for side in sides)
    shown = example.head(EXAMPLES).select(
        pl.col(name).str.slice(0, 200) if kind == "string" else pl.col(name) for name, kind in task.inputs
    )
    package, packages = Path(modelmill.__file__).parent, sorted({*SERVING_PACKAGES, *task.packages})
    with tempfile.TemporaryDirectory() as folder:
        requirements = Path(folder) / "requirements.txt"
        requirements.write_text("\n".join(f"{name}=={version(name).partition('+')[0]}" for name in packages))
        return mlflow.pyfunc.log_model(
            name="model",
            python_model=pyfunc_model.__file__,
            artifacts={"model": str(model)},
            code_paths=[str(package)],
            signature=ModelSignature(inputs, answers),
            input_example=pd.DataFrame(shown.to_dict(as_series=False)),
            pip_requirements=str(requirements),
        )


def create_registered_model(client: "MlflowClient", name: str) -> None:
    """Make a registered model, if there is none."""
    from mlflow.exceptions import MlflowException

    try:
        client.create_registered_model(name)
    except MlflowException as error:
        if error.error_code != "RESOURCE_ALREADY_EXISTS":
            raise


def logged_files(client: "MlflowClient", run_id: str) -> set[str]:
    """Names of what was logged with a run; none where the run was deleted for good, which leaves its versions."""
    from mlflow.exceptions import MlflowException

    try:
        return {artifact.path for artifact in client.list_artifacts(run_id)}
    except MlflowException as error:
        if error.error_code != "RESOURCE_DOES_NOT_EXIST":
            raise
        return set()


def flatten(value: Any, prefix: str = "") -> dict[str, str]:
    """{'a': {'b': [1]}} -> {'a.b.0': '1'}."""
    items = value.items() if isinstance(value, Mapping) else enumerate(value) if isinstance(value, list) else None
    if items is None:
        return {prefix: str(value)}
    flat: dict[str, str] = {}
    for key, inner in items:
        safe = re.sub(r"[^\w.\- /]", "_", str(key))  # MLflow refuses other characters in a name
        flat |= flatten(inner, f"{prefix}.{safe}" if prefix else safe)
    return flat
