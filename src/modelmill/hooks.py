"""What happens around a run: the pipelines follow the session's declarations, and MLflow sees every product's run."""

import atexit
import logging
from collections import defaultdict
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from kedro.framework.hooks import hook_impl

from modelmill.config import ProductConfigLoader
from modelmill.errors import DataError, DeclarationError, UserError
from modelmill.missing import owner, with_data
from modelmill.specs.backbone import ancestry
from modelmill.specs.files import hint
from modelmill.specs.mlflow import MlflowSpec
from modelmill.versioning.plan import sections_looked_up
from modelmill.versioning.repository import is_versioned
from modelmill.versioning.tracked import check_recorded

if TYPE_CHECKING:
    from kedro.framework.context import KedroContext
    from kedro.io import DataCatalog
    from kedro.pipeline import Pipeline
    from kedro.pipeline.node import Node

log = logging.getLogger(__name__)

TRACKED = frozenset({"pretraining", "fine_tuning", "evaluation", "registration"})
"""Pipelines whose run is worth a run in MLflow; cleaning alone is not."""


class ProjectHooks:
    """One MLflow run per product (or backbone) and `kedro run`."""

    def __init__(self) -> None:
        self._runs: dict[str, str] = {}
        self._unsaved: dict[str, str] = {}  # output of a tracked node: its product or backbone
        self._logged: dict[str, set[str]] = defaultdict(set)

    @hook_impl
    def after_context_created(self, context: "KedroContext") -> None:
        """Make Kedro read the pipelines again: an earlier session may have had another `--env` or `--params`."""
        from kedro.framework.project import PACKAGE_NAME, pipelines

        loader = context.config_loader
        assert isinstance(loader, ProductConfigLoader)
        pipelines.configure(f"{PACKAGE_NAME}.pipeline_registry")
        command = click.get_current_context(silent=True)
        check_names(command.params if command else {}, pipelines)
        self._root, self._loader = Path(context.project_path), loader

    @hook_impl
    def before_pipeline_run(self, run_params: dict[str, Any], pipeline: "Pipeline", catalog: "DataCatalog") -> None:
        """Check what can be checked, and note where the code stands."""
        if parallel := [name for name in ("ParallelRunner", "ThreadRunner") if name in str(run_params.get("runner"))]:
            raise UserError(
                f"{parallel[0]} is not supported: processes get no hooks, so MLflow would see nothing, and "
                "threads share one random state, so no run could be repeated. Leave --runner out."
            )
        if is_versioned(self._root) and "StageRunner" not in str(run_params.get("runner")):
            raise UserError(
                "this project is under DVC, and only the runner of `kedro run` notes there what ran. Leave --runner "
                "out; in Python: `session.run(..., runner=modelmill.runner.StageRunner())`."
            )
        pipeline = self._with_data(pipeline, run_params)
        self._check_inputs(pipeline, catalog)
        owners = ((node, tracked_name(node)) for node in pipeline.nodes)
        self._unsaved = {output: name for node, name in owners if name for output in node.outputs}
        self._logged.clear()
        from modelmill.registry.lineage import code_lineage

        self._catalog, self._code = catalog, code_lineage(self._root)
        atexit.register(self._close_failed)  # Ctrl-C and a failure in a hook reach no other one

    @hook_impl
    def before_dataset_loaded(self, node: "Node") -> None:
        """Open the run of a product when the first of its nodes that MLflow is to see is about to read, not before: a
        stage may be skipped.
        """
        name = tracked_name(node)
        if name and name not in self._runs:
            self._open(name)

    @hook_impl
    def after_stage_skipped(self, nodes: "list[Node]") -> None:
        """What is there already need not be saved."""
        for output in (output for node in nodes for output in node.outputs):
            self._unsaved.pop(output, None)

    def _open(self, name: str) -> None:
        from modelmill.registry.store import start_run

        parameters = self._loader["parameters"]
        self._settings = MlflowSpec.model_validate(parameters["mlflow"])
        declared, backbones = {name: parameters[name]}, self._loader.declarations.backbones
        if backbone := name if name in backbones else parameters[name].get("backbone"):
            declared |= {one: parameters[one] for one in ancestry(backbone, backbones)}
        self._runs[name] = start_run(self._settings, name, declared, self._code)
        asked = {"env": self._loader.env, "params": self._loader.runtime_params or {}}
        run = {"name": name, "run_id": self._runs[name], "code": self._code, "asked": asked}
        self._catalog.save(f"{name}.mlflow_run", run)

    def _with_data(self, pipeline: "Pipeline", run_params: dict[str, Any]) -> "Pipeline":
        """What of the pipeline runs; the runner leaves out what has no data, and here it is said."""
        runs, skipped = with_data(self._loader, pipeline)
        for name, reason in skipped.items():
            log.warning("%s: %s", name, reason)
        if skipped and "StageRunner" not in str(run_params.get("runner")):
            raise UserError("only the runner of `kedro run` skips what has no data; leave --runner out.")
        return runs

    def _check_inputs(self, pipeline: "Pipeline", catalog: "DataCatalog") -> None:
        """Sources that are not what DVC recorded, and inputs of a partial run that nothing has made yet."""
        sections = sections_looked_up(pipeline.nodes)
        check_recorded((given.address for given in self._loader.addresses_in(sections)), self._root)
        needed = [name for name in pipeline.inputs() if not name.startswith("params:")]
        if missing := sorted(n for n in needed if not n.endswith(".mlflow_run") and not catalog.exists(n)):
            names = ",".join(sorted({owner(node) for node in pipeline.nodes}))
            raise DataError(
                f"this part of the pipeline reads what is not there yet: {', '.join(missing)}.\n"
                f"Run what makes it first: `kedro run --pipelines {names}` makes all that is needed."
            )

    @hook_impl
    def after_dataset_saved(self, dataset_name: str, data: Any) -> None:
        """Log curves and metrics once they are safe on disk; what has saved everything has not failed."""
        self._unsaved.pop(dataset_name, None)
        self._log(dataset_name, data)

    @hook_impl
    def after_dataset_loaded(self, dataset_name: str, data: Any) -> None:
        """A partial run logs the curves and metrics that it reads."""
        self._log(dataset_name, data)

    def _log(self, dataset: str, data: Any) -> None:
        name, _, kind = dataset.partition(".")
        if name not in self._runs or kind in self._logged[name]:
            return
        if kind not in ("curves", "metrics", "training_report"):
            return
        from modelmill.registry.store import log_curves, log_report, log_training

        logs: dict[str, Callable[[MlflowSpec, str, Any], None]]
        logs = {"curves": log_curves, "metrics": log_report, "training_report": log_training}
        logs[kind](self._settings, self._runs[name], data)
        self._logged[name].add(kind)

    @hook_impl
    def on_node_error(self, error: Exception, node: "Node") -> None:
        """Say whose node it was."""
        if isinstance(error, UserError):
            error.whose = error.whose or owner(node)

    @hook_impl
    def after_pipeline_run(self) -> None:
        """All went well."""
        self._close(failed=False)

    @hook_impl
    def on_pipeline_error(self) -> None:
        """Something did not."""
        self._close_failed()

    def _close_failed(self) -> None:
        try:
            self._close(failed=True)
        except UserError as error:  # the error that brought us here must not be hidden by a second one
            log.warning("%s", error.message)

    def _close(self, *, failed: bool) -> None:
        while self._runs:
            from modelmill.registry.store import finish_run

            name, run_id = self._runs.popitem()
            finish_run(self._settings, run_id, failed=failed and name in self._unsaved.values())


def check_names(options: Mapping[str, Any], pipelines: Mapping[str, "Pipeline"]) -> None:
    """Raise `DeclarationError` for a pipeline, namespace or node on the command line that is not there.

    Kedro would answer with a traceback.
    """
    nodes = [node for pipeline in pipelines.values() for node in pipeline.nodes]
    spaces = {node.namespace or "" for node in nodes}
    names = sorted({node.name for node in nodes})
    known = {
        "pipelines": ("--pipelines", sorted(pipelines)),
        "namespaces": ("--namespaces", sorted(spaces | {name.partition(".")[0] for name in spaces})),
        "node_names": ("--nodes", names),
        "from_nodes": ("--from-nodes", names),
        "to_nodes": ("--to-nodes", names),
    }
    for parameter, (option, there) in known.items():
        for name in options.get(parameter) or ():
            if name not in there:
                raise DeclarationError(f"{option}: '{name}' is not there; {hint(name, there)}")


def tracked_name(node: "Node") -> str | None:
    """The product or backbone of a node, if its pipeline is one that MLflow sees."""
    stage = (node.namespace or "").partition(".")[2]
    return owner(node) if stage in TRACKED else None
