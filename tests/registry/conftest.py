"""A registry with one version of the tiny product."""

import shutil
import sqlite3
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml

from modelmill.registry.desk import Desk
from modelmill.registry.fetch import fetch
from modelmill.registry.gates.base import Case
from modelmill.registry.store import connected
from modelmill.registry.version_files import Subject
from modelmill.specs.backbone import BackboneSpec
from modelmill.specs.mlflow import MlflowSpec
from modelmill.specs.product import ProductSpec
from modelmill.specs.registry import RegistrySpec
from tests.conftest import ROOT, TINY_BACKBONE, TINY_PRODUCT, Project

PRODUCT, BACKBONE = ProductSpec.model_validate(TINY_PRODUCT["mood"]), BackboneSpec.model_validate(TINY_BACKBONE["tiny"])
REAL = RegistrySpec.model_validate(yaml.safe_load((ROOT / "conf/base/registry.yml").read_text(encoding="utf-8")))
TABLES = (
    "model_version_tags", "registered_model_aliases", "registered_model_tags", "model_versions", "registered_models",
)  # fmt: skip
"""Of MLflow's registry; others name them, so in this order."""


@dataclass(frozen=True)
class Registry:
    """Where it is, and the project whose model it holds."""

    desk: Desk
    project: Project

    def fetch(self, version: int, folder: Path) -> Subject:
        """A version with its files."""
        registered = self.desk.state("mood").registered[version]
        return fetch(self.desk.settings, "mood", self.desk.row("mood", version), registered, folder)

    def copy(self, folder: Path, versions: int) -> Desk:
        """Another MLflow, which may be changed, with so many versions of the same files; no ledger."""
        settings = MlflowSpec(tracking_uri=f"sqlite:///{folder}/mlflow.db", artifacts=f"{folder}/artifacts")
        shutil.copy(self.project.root / "mlflow.db", folder)  # to make a new one takes seconds
        with sqlite3.connect(folder / "mlflow.db") as database:
            for table in TABLES:
                database.execute(f"DELETE FROM {table}")
        database.close()
        with connected(settings) as client:
            experiment = client.create_experiment("copy", settings.artifacts)
            client.create_registered_model("mood")
            for number in range(versions):
                model = folder / f"model-{number}"
                shutil.copytree(self.fetch(1, folder).model, model)
                run = client.create_run(experiment).info.run_id
                client.log_artifacts(run, str(self.project.root / "data/08_reporting/mood/evidence"))
                client.create_model_version("mood", str(model), run)
        return Desk(settings, self.desk.spec)


@pytest.fixture
def registry(trained: Project) -> Registry:
    """The registry that `kedro run` made, with version 1; tests only read it."""
    return Registry(Desk(MlflowSpec().anchored(trained.root), REAL), trained)


@pytest.fixture
def subject(registry: Registry, tmp_path: Path) -> Subject:
    """Version 1; tests only read it."""
    return registry.fetch(1, tmp_path / "fetched")


@pytest.fixture
def case(subject: Subject, trained: Project) -> Case:
    """Version 1 wants to enter staging."""
    test = trained.root / "data/03_primary/mood/test.parquet"
    return Case(
        subject=subject, incumbent=None, product=PRODUCT, backbone=BACKBONE, stage="staging", root=trained.root,
        test=test, test_uses=lambda: 1,
    )  # fmt: skip
