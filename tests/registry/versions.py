"""Versions with files, in a real MLflow."""

import tempfile
from datetime import datetime
from pathlib import Path

import numpy as np
from safetensors.numpy import save_file

from modelmill.digest import folder_digest, tensor_digest
from modelmill.registry.desk import Desk
from modelmill.registry.events import Registered
from modelmill.registry.evidence import evidence_digest
from modelmill.registry.readers import VersionRow
from modelmill.registry.store import connected
from tests.registry.stages import at


def add_version(desk: Desk, name: str = "mood", time: datetime | None = None) -> int:
    """Log a tiny model to a run, as a registration does it, make a version of it and write it into the ledger."""
    with tempfile.TemporaryDirectory() as scratch, connected(desk.settings) as client:
        weights = Path(scratch, "artifacts/model")
        weights.mkdir(parents=True)
        save_file({"w": np.random.default_rng().normal(size=8)}, weights / "model.safetensors")
        (weights / "config.json").write_text("{}")
        Path(scratch, "MLmodel").write_text("flavors: {}\n")
        known, remote = client.get_experiment_by_name("e"), desk.settings.tracking_uri.startswith("http")
        experiment = (
            known.experiment_id if known else client.create_experiment("e", None if remote else desk.settings.artifacts)
        )
        run = client.create_run(experiment).info.run_id
        client.log_text(run, "{}", "evaluation.json")
        model = client.create_logged_model(experiment, "model", run)
        client.log_model_artifacts(model.model_id, scratch)
        client.finalize_logged_model(model.model_id, "READY")
        desk.writer.create_model(name)
        digest, files = tensor_digest(weights), folder_digest(Path(scratch))
        judged_by = evidence_digest(Path(client.download_artifacts(run, "", scratch)))
        tags = {"digest": digest, "product": name}
        number = int(
            client.create_model_version(name, f"models:/{model.model_id}", run, tags, model_id=model.model_id).version
        )
    event = Registered(
        actor="ann", time=time or at(0), version=number, stage=desk.spec.first, digest=digest, files=files,
        evidence=judged_by, run_id=run,
    )  # fmt: skip
    desk.act(name, lambda _: event)
    return number


def files_of(desk: Desk, row: VersionRow) -> Path:
    """Where the files of a version lie."""
    with connected(desk.settings) as client:
        return Path(client.get_logged_model(row.source.removeprefix("models:/")).artifact_location)


def evidence_of(desk: Desk, run_id: str) -> Path:
    """Where the evidence of a run lies."""
    with connected(desk.settings) as client:
        return Path(client.get_run(run_id).info.artifact_uri)
