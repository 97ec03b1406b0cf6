"""Reading what was logged to a run, without importing MLflow: figures, the declaration, the lineage of the code."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from modelmill.errors import RegistryError
from modelmill.registry.readers import RestReader, SqlReader
from modelmill.specs.mlflow import MlflowSpec


@dataclass(frozen=True)
class RunRow:
    """A run of MLflow: the last value of each metric, parameters and tags."""

    metrics: Mapping[str, float] = field(default_factory=dict)
    params: Mapping[str, str] = field(default_factory=dict)
    tags: Mapping[str, str] = field(default_factory=dict)


def read_run(settings: MlflowSpec, run_id: str | None) -> RunRow:
    """A run; an empty one where there is none (any more).

    Raises:
        RegistryError: when MLflow cannot be reached.
    """
    if run_id is None:
        return RunRow()
    uri = settings.tracking_uri
    if uri.startswith(("http://", "https://")):
        return _RestRuns(uri.rstrip("/")).run(run_id)
    if uri.startswith(("sqlite:", "postgresql", "mysql", "mssql")):
        return _SqlRuns(uri).run(run_id)
    raise RegistryError(f"the tracking address is '{uri}'; expected http(s)://, sqlite:/// or another SQL database")


class _SqlRuns(SqlReader):
    """Tables of MLflow 3 (`mlflow/store/tracking/dbmodels/models.py`)."""

    def run(self, run_id: str) -> RunRow:
        queries = {
            "metrics": "SELECT key, value FROM latest_metrics WHERE run_uuid = :run",
            "params": "SELECT key, value FROM params WHERE run_uuid = :run",
            "tags": "SELECT key, value FROM tags WHERE run_uuid = :run",
        }
        found: dict[str, Any] = {what: dict(self._ask(query, run=run_id)) for what, query in queries.items()}
        return RunRow(**found)


class _RestRuns(RestReader):
    """`runs/get` of MLflow's REST interface."""

    def run(self, run_id: str) -> RunRow:
        data: dict[str, Any] = self._get("runs/get", run_id=run_id).get("run", {}).get("data", {})
        kinds = ("metrics", "params", "tags")
        return RunRow(**{kind: {one["key"]: one.get("value") for one in data.get(kind, ())} for kind in kinds})


def figures(run: RunRow, group: str = "test") -> dict[str, dict[str, float]]:
    """'test/macro_f1', 'test/macro_f1.low', ... -> {'macro_f1': {'value', 'low', 'high'}}."""
    found: dict[str, dict[str, float]] = {}
    for key, value in run.metrics.items():
        if key.startswith(f"{group}/"):
            metric, _, part = key.removeprefix(f"{group}/").partition(".")
            found.setdefault(metric, {})[part or "value"] = value
    return {metric: found[metric] for metric in sorted(found)}
