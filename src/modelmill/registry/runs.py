"""Reading what was logged to a run, without importing MLflow: figures, the declaration, the lineage of the code."""

from collections.abc import Iterable
from dataclasses import dataclass, field

from modelmill.registry.readers import RestReader, SqlReader, door
from modelmill.specs.mlflow import MlflowSpec


@dataclass(frozen=True)
class RunRow:
    """A run of MLflow: the last value of each metric, parameters and tags."""

    metrics: dict[str, float] = field(default_factory=dict)
    params: dict[str, str] = field(default_factory=dict)
    tags: dict[str, str] = field(default_factory=dict)


def read_run(settings: MlflowSpec, run_id: str | None) -> RunRow:
    """A run; an empty one where there is none (any more).

    Raises:
        RegistryError: when MLflow cannot be reached.
    """
    return read_runs(settings, [run_id])[run_id]


def read_runs(settings: MlflowSpec, run_ids: Iterable[str | None]) -> dict[str | None, RunRow]:
    """Runs by their ids, all at once; empty ones where there are none (any more).

    Raises:
        RegistryError: when MLflow cannot be reached.
    """
    asked = dict.fromkeys(run_ids)
    wanted = [one for one in asked if one is not None]
    found = door(settings.tracking_uri, _SqlRuns, _RestRuns).runs(wanted) if wanted else {}
    return {one: found.get(one, RunRow()) if one else RunRow() for one in asked}


class _SqlRuns(SqlReader):
    """Tables of MLflow 3 (`mlflow/store/tracking/dbmodels/models.py`)."""

    def runs(self, run_ids: list[str]) -> dict[str, RunRow]:
        found = {run_id: RunRow() for run_id in run_ids}
        for kind, table in {"metrics": "latest_metrics", "params": "params", "tags": "tags"}.items():
            query = f"SELECT run_uuid, key, value FROM {table} WHERE run_uuid IN :runs"
            for run_id, key, value in self._ask(query, runs=run_ids):
                getattr(found[run_id], kind)[key] = value
        return found


class _RestRuns(RestReader):
    """`runs/search` of MLflow's REST interface, in all experiments: a version's run may be of an older one."""

    def runs(self, run_ids: list[str]) -> dict[str, RunRow]:
        every = {"view_type": "ALL", "max_results": 1000}
        experiments = [one["experiment_id"] for one in self._pages("experiments/search", "experiments", every)]
        quoted = ", ".join(f"'{run_id}'" for run_id in run_ids)
        query = {
            "experiment_ids": experiments, "filter": f"attributes.run_id IN ({quoted})", "run_view_type": "ALL",
            "max_results": 1000,
        }  # fmt: skip
        kinds = ("metrics", "params", "tags")
        return {
            run["info"]["run_id"]: RunRow(
                *({one["key"]: one.get("value") for one in run["data"].get(kind, ())} for kind in kinds)
            )
            for run in self._pages("runs/search", "runs", query, post=True)
        }


def figures(run: RunRow, group: str = "test") -> dict[str, dict[str, float]]:
    """'test/macro_f1', 'test/macro_f1.low', ... -> {'macro_f1': {'value', 'low', 'high'}}."""
    found: dict[str, dict[str, float]] = {}
    for key, value in run.metrics.items():
        if key.startswith(f"{group}/"):
            metric, _, part = key.removeprefix(f"{group}/").partition(".")
            found.setdefault(metric, {})[part or "value"] = value
    return {metric: found[metric] for metric in sorted(found)}
