"""Versions of tiny products, as the registry holds them."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import polars as pl

from modelmill.digest import folder_digest, tensor_digest
from modelmill.registry.fetch import evidence_folder, model_folder
from modelmill.registry.gates.base import Case
from modelmill.registry.version_files import Subject, weights
from modelmill.specs.backbone import BackboneSpec
from modelmill.specs.mlflow import MlflowSpec
from modelmill.specs.product import ProductSpec
from tests.conftest import Project

LOAD = """
import json, sys
import mlflow, pandas as pd
mlflow.set_tracking_uri(sys.argv[1])
model = mlflow.pyfunc.load_model(f"models:/{sys.argv[2]}@candidate")
print("ANSWER", json.dumps(model.predict(pd.DataFrame(json.loads(sys.argv[3]))).to_dict("list")))
"""


def copied(project: Project, root: Path) -> Project:
    """The project in another folder, with a registry of its own: MLflow's addresses are absolute."""
    shutil.copytree(project.root, root, ignore=shutil.ignore_patterns("mlflow.db", "mlartifacts"))
    return Project(root)


def ask_candidate(project: Project, name: str, *, packages: Path | None = None) -> dict[str, list[Any]]:
    """What the candidate answers to the test records, in a new process that has its own code and `packages`."""
    test = pl.read_parquet(project.root / f"data/03_primary/{name}/test.parquet")
    columns = [one for one in ("text", "text_b") if one in test.columns]
    records = json.dumps(test.select(columns).to_dict(as_series=False))
    kept = {"PATH": os.environ["PATH"], "HOME": str(project.root), "MLFLOW_DISABLE_TELEMETRY": "true"}
    kept |= {"MLFLOW_ALLOW_PICKLE_DESERIALIZATION": "false", "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [sys.executable, "-c", LOAD, f"sqlite:///{project.root}/mlflow.db", name, records],
        capture_output=True, text=True, check=False, cwd=project.root.parent,
        env={**kept, **({"PYTHONPATH": str(packages)} if packages else {})},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]
    (line,) = [line for line in done.stdout.splitlines() if line.startswith("ANSWER")]
    answers: dict[str, list[Any]] = json.loads(line.removeprefix("ANSWER "))
    return answers


def case_of(project: Project, name: str, scratch: Path) -> Case:
    """What gates are given of the first version, with itself as the incumbent."""
    settings = MlflowSpec().anchored(project.root)
    run = project.json(f"data/08_reporting/{name}/version.json")["run_id"]
    model = model_folder(settings, name, 1, scratch / "model")
    evidence = evidence_folder(settings, run, scratch / "evidence")
    subject = Subject(name, 1, tensor_digest(weights(model)), folder_digest(model), run, model, evidence)
    return Case(
        subject=subject, incumbent=subject, stage="production", root=project.root,
        product=ProductSpec.model_validate(project.yaml(f"conf/base/products/{name}.yml")[name]),
        backbone=BackboneSpec.model_validate({"model": "hf://owner/name"}),
        test=project.root / f"data/03_primary/{name}/test.parquet", test_uses=lambda: 1,
    )  # fmt: skip
