"""Reading what is registered, in a real MLflow on SQLite."""

from pathlib import Path

import pytest

from modelmill.registry.store import connected
from modelmill.registry.versions import registered_versions, registry_exists
from modelmill.specs.mlflow import MlflowSpec


@pytest.fixture
def settings(tmp_path: Path) -> MlflowSpec:
    """An MLflow that nothing was asked of yet."""
    return MlflowSpec(tracking_uri=f"sqlite:///{tmp_path}/mlflow.db")


def test_versions_come_with_aliases_and_evidence(settings: MlflowSpec, tmp_path: Path) -> None:
    """In order, of the products asked for, each with what its run logged; nothing for a run that is gone."""
    with connected(settings) as client:
        experiment = client.create_experiment("e", f"{tmp_path}/artifacts")
        for name in ("mood", "mood2"):
            client.create_registered_model(name)
        run = client.create_run(experiment).info.run_id
        client.log_text(run, "{}", "lineage.json")
        client.log_text(run, "x", "model_card.md")
        for _ in range(9):
            client.create_model_version("mood", f"{tmp_path}/model", run)
        client.create_model_version("mood", f"{tmp_path}/model", "0" * 32)
        client.create_model_version("mood", f"{tmp_path}/model")
        client.create_model_version("mood2", f"{tmp_path}/model", run)
        client.set_registered_model_alias("mood", "candidate", "10")
        client.set_registered_model_alias("mood", "best", "2")
        client.set_registered_model_alias("mood", "accepted", "2")
    found = []
    for version in registered_versions(settings, ["mood", "never_run"]):
        files = sorted(path.name for path in version.evidence.iterdir())
        found.append((version.name, version.version, version.aliases, version.run_id, files))
    plain = [("mood", str(number), [], run, ["lineage.json"]) for number in range(1, 10)]
    plain[1] = ("mood", "2", ["accepted", "best"], run, ["lineage.json"])
    assert found == [*plain, ("mood", "10", ["candidate"], "0" * 32, []), ("mood", "11", [], None, [])]


def test_looking_makes_no_database(settings: MlflowSpec, tmp_path: Path) -> None:
    """Where nothing was registered there is none, and no version."""
    assert not registry_exists(settings)
    assert list(registered_versions(settings, ["mood"])) == []
    assert not list(tmp_path.iterdir())
