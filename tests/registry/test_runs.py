"""Reading runs without MLflow; tests/cli reads them by SQL."""

from types import SimpleNamespace
from typing import Any

import pytest
import requests

from modelmill.errors import RegistryError
from modelmill.registry.runs import RunRow, figures, read_run, read_runs
from modelmill.specs.mlflow import MlflowSpec

DATA = {
    "metrics": [{"key": "test/f1", "value": 0.5}, {"key": "test/f1.low", "value": 0.4}],
    "params": [{"key": "mood.seed", "value": "0"}],
    "tags": [{"key": "git_commit", "value": "c"}],
}


def server(monkeypatch: pytest.MonkeyPatch, runs: list[str]) -> list[tuple[str, str, Any]]:
    """One that has these runs, in two pages, and an experiment; what it was asked."""
    asked: list[tuple[str, str, Any]] = []

    def request(method: str, address: str, params: Any = None, json: Any = None, **_: Any) -> Any:
        asked.append((method, address, params or json))
        there, last = runs[:1], True
        if json and runs[1:]:
            there, last = (runs[1:], True) if "page_token" in json else (runs[:1], False)
        found = {"experiments": [{"experiment_id": "7"}], "next_page_token": "" if last else "more"}
        found["runs"] = [{"info": {"run_id": run}, "data": DATA} for run in there]
        headers = {"content-type": "application/json"}
        return SimpleNamespace(json=lambda: found, headers=headers, raise_for_status=lambda: None)

    monkeypatch.setattr(requests, "request", request)
    return asked


def test_runs_are_read_from_a_server_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """All in all experiments by one search, from the tracking address, also where the registry has another one."""
    asked = server(monkeypatch, ["r1", "r2"])
    settings = MlflowSpec(tracking_uri="http://runs/", registry_uri="http://registry")
    found = read_runs(settings, ["r1", "r2", "gone", None])
    assert [(method, address.removeprefix("http://runs/api/2.0/mlflow/")) for method, address, _ in asked] == [
        ("GET", "experiments/search"), ("POST", "runs/search"), ("POST", "runs/search"),
    ]  # fmt: skip
    query = asked[1][2]
    assert query["experiment_ids"] == ["7"]
    assert query["filter"] == "attributes.run_id IN ('r1', 'r2', 'gone')"
    run = found["r2"]
    assert (run.metrics["test/f1"], run.params, run.tags) == (0.5, {"mood.seed": "0"}, {"git_commit": "c"})
    assert figures(run) == {"f1": {"value": 0.5, "low": 0.4}}
    assert found["gone"] == found[None] == RunRow()


def test_a_version_without_a_run_is_not_asked_of(monkeypatch: pytest.MonkeyPatch) -> None:
    """It has no figures; a run that is gone has none either."""
    asked = server(monkeypatch, [])
    settings = MlflowSpec(tracking_uri="http://runs")
    assert read_run(settings, None) == RunRow()
    assert asked == []
    assert read_run(settings, "r1") == RunRow()


def test_an_address_of_another_kind_is_named() -> None:
    """A folder is no address of MLflow's any more."""
    with pytest.raises(RegistryError, match="'mlruns'; expected http"):
        read_run(MlflowSpec(tracking_uri="mlruns"), "r1")
