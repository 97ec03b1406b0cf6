"""What happens around a run: the pipelines follow the session's declarations, and MLflow sees every product's run."""

from collections import defaultdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kedro.framework.hooks import hook_impl

from modelmill.config import ProductConfigLoader
from modelmill.errors import DeclarationError
from modelmill.specs.mlflow import MlflowSpec
from modelmill.specs.resolve import report

if TYPE_CHECKING:
    from kedro.framework.context import KedroContext
    from kedro.io import DataCatalog
    from kedro.pipeline import Pipeline
    from kedro.pipeline.node import Node

TRACKED = frozenset({"pretraining", "fine_tuning", "evaluation", "registration"})
"""Pipelines whose run is worth a run in MLflow; cleaning alone is not."""


READING = frozenset({"ingest", "fetch"})
"""Nodes that read what lies outside the project."""


class ProjectHooks:
    """One MLflow run per product (or backbone) and `kedro run`."""

    def __init__(self) -> None:
        self._runs: dict[str, str] = {}
        self._logged: dict[str, set[str]] = defaultdict(set)

    @hook_impl
    def after_context_created(self, context: "KedroContext") -> None:
        """`pipeline_registry` cannot see `--env` and `--params`: give it the session's own loader."""
        from kedro.framework.project import PACKAGE_NAME, pipelines

        loader = context.config_loader
        assert isinstance(loader, ProductConfigLoader)
        if ProductConfigLoader.of_session is not loader:
            ProductConfigLoader.of_session = loader
            pipelines.configure(f"{PACKAGE_NAME}.pipeline_registry")
        self._root, self._loader = Path(context.project_path), loader

    @hook_impl
    def before_pipeline_run(self, pipeline: "Pipeline", catalog: "DataCatalog") -> None:
        """Open the runs, and leave each product's run where its registration reads it."""
        reading = {root_of(node) for node in pipeline.nodes if node.short_name in READING}
        if problems := self._loader.missing_sources(reading):
            raise DeclarationError(report(problems))
        names = sorted({name for node in pipeline.nodes if (name := tracked_name(node))})
        self._runs.clear()
        self._logged.clear()
        if not names:
            return
        from modelmill.registry.lineage import code_lineage
        from modelmill.registry.store import start_run

        parameters, tags = self._loader["parameters"], code_lineage(self._root)
        self._settings = MlflowSpec.model_validate(parameters["mlflow"])
        for name in names:
            declared = {name: parameters[name]}
            if backbone := parameters[name].get("backbone"):
                declared[backbone] = parameters[backbone]
            self._runs[name] = start_run(self._settings, name, declared, tags)
            catalog.save(f"{name}.mlflow_run", {"name": name, "run_id": self._runs[name]})

    @hook_impl
    def after_node_run(self, node: "Node", inputs: dict[str, Any], outputs: dict[str, Any]) -> None:
        """Log curves and metrics as soon as they exist, or as soon as a partial run reads them."""
        name = tracked_name(node)
        if name not in self._runs:
            return
        from modelmill.registry.store import log_curves, log_report

        for kind, log in (("curves", log_curves), ("metrics", log_report)):
            dataset = f"{name}.{kind}"
            value = outputs.get(dataset, inputs.get(dataset))
            if value is not None and kind not in self._logged[name]:
                log(self._settings, self._runs[name], value)
                self._logged[name].add(kind)

    @hook_impl
    def after_pipeline_run(self) -> None:
        """All went well."""
        self._close(failed=False)

    @hook_impl
    def on_pipeline_error(self) -> None:
        """Something did not."""
        self._close(failed=True)

    def _close(self, *, failed: bool) -> None:
        from modelmill.registry.store import finish_run

        while self._runs:
            _, run_id = self._runs.popitem()
            finish_run(self._settings, run_id, failed=failed)


def root_of(node: "Node") -> str:
    """The product or backbone of a node."""
    return (node.namespace or "").partition(".")[0]


def tracked_name(node: "Node") -> str | None:
    """The product or backbone of a node, if its pipeline is one that MLflow sees."""
    stage = (node.namespace or "").partition(".")[2]
    return root_of(node) if stage in TRACKED else None
