"""Reading runs without MLflow; tests/cli reads them by SQL."""

from types import SimpleNamespace
from typing import Any

import pytest
import requests

from modelmill.errors import RegistryError
from modelmill.registry.runs import RunRow, figures, read_run
from modelmill.specs.mlflow import MlflowSpec

DATA = {
    "metrics": [{"key": "test/f1", "value": 0.5}, {"key": "test/f1.low", "value": 0.4}],
    "params": [{"key": "mood.seed", "value": "0"}],
    "tags": [{"key": "git_commit", "value": "c"}],
}


def answers(monkeypatch: pytest.MonkeyPatch, found: dict[str, Any]) -> list[tuple[str, Any]]:
    """A server that answers so; what it was asked."""
    asked: list[tuple[str, Any]] = []

    def get(address: str, query: Any, **_: Any) -> Any:
        asked.append((address, query))
        headers = {"content-type": "application/json"}
        return SimpleNamespace(json=lambda: found, headers=headers, raise_for_status=lambda: None)

    monkeypatch.setattr(requests, "get", get)
    return asked


def test_a_run_is_read_from_a_server(monkeypatch: pytest.MonkeyPatch) -> None:
    """From the tracking address, also where the registry has another one."""
    asked = answers(monkeypatch, {"run": {"data": DATA}})
    settings = MlflowSpec(tracking_uri="http://runs/", registry_uri="http://registry")
    run = read_run(settings, "r1")
    assert asked == [("http://runs/api/2.0/mlflow/runs/get", {"run_id": "r1"})]
    assert (run.metrics["test/f1"], run.params, run.tags) == (0.5, {"mood.seed": "0"}, {"git_commit": "c"})
    assert figures(run) == {"f1": {"value": 0.5, "low": 0.4}}


def test_a_run_that_is_gone_is_empty(monkeypatch: pytest.MonkeyPatch) -> None:
    """So is that of a version without a run, of which nobody is asked."""
    asked = answers(monkeypatch, {"error_code": "RESOURCE_DOES_NOT_EXIST"})
    settings = MlflowSpec(tracking_uri="http://runs")
    assert read_run(settings, "r1") == read_run(settings, None) == RunRow()
    assert len(asked) == 1


def test_an_address_of_another_kind_is_named() -> None:
    """A folder is no address of MLflow's any more."""
    with pytest.raises(RegistryError, match="'mlruns'; expected http"):
        read_run(MlflowSpec(tracking_uri="mlruns"), "r1")
