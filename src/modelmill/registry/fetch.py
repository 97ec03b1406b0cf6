"""The files of a version on this disk."""

import os
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

from modelmill.errors import IntegrityError, NotFoundError
from modelmill.registry.events import Registered
from modelmill.registry.readers import VersionRow
from modelmill.registry.store import connected
from modelmill.registry.version_files import Subject, weights
from modelmill.specs.mlflow import MlflowSpec

if TYPE_CHECKING:
    from mlflow import MlflowClient


GATES = "gates"
"""The folder of a run that holds gate reports."""


def fetch(settings: MlflowSpec, name: str, row: VersionRow, registered: Registered, folder: Path) -> Subject:
    """A version with its files: where they lie when that is on this disk, else downloaded.

    Args:
        settings: where MLflow is.
        name: of the model.
        row: the version as MLflow holds it.
        registered: the version as the ledger holds it.
        folder: for what has to be downloaded; figures are not.

    Raises:
        NotFoundError: when there is no run, or the files are gone.
        IntegrityError: when they are no model of ours.
        RegistryError: when MLflow cannot be reached.
    """
    if row.run_id is None:
        raise NotFoundError(
            f"version {row.number} of '{name}' belongs to no run: nothing says how it was made and judged."
        )
    model = model_folder(settings, name, row.number, folder / "model")
    evidence = evidence_folder(settings, row.run_id, folder / "evidence")
    digests = registered.digest, registered.files
    return Subject(name, row.number, *digests, row.run_id, model, evidence, registered.evidence)


def model_folder(settings: MlflowSpec, name: str, number: int, folder: Path) -> Path:
    """What MLflow logged of a version: MLmodel, input_example.json, code/, artifacts/model/.

    Args:
        settings: where MLflow is.
        name: of the model.
        number: of the version.
        folder: for what has to be downloaded.

    Raises:
        NotFoundError: when there is no such version, or the files are gone.
        IntegrityError: when they are no model of ours.
        RegistryError: when MLflow cannot be reached.
    """
    with connected(settings) as client:
        address = client.get_model_version_download_uri(name, str(number))
        found = _on_disk(address) or _downloaded(address, folder)
    if not (found / "MLmodel").is_file() or not any(weights(found).glob("*.safetensors")):
        raise IntegrityError(
            f"the files of version {number} of '{name}' are not those of `kedro run`: {address} has no MLmodel "
            "with safetensors in artifacts/model."
        )
    return found


def evidence_folder(settings: MlflowSpec, run_id: str, folder: Path) -> Path:
    """What a run holds; where it has to be downloaded, without figures and without folders other than gate reports.

    Args:
        settings: where MLflow is.
        run_id: of the run.
        folder: for what has to be downloaded.

    Raises:
        NotFoundError: when it is gone.
        RegistryError: when MLflow cannot be reached.
    """
    with connected(settings) as client:
        if found := _on_disk(client.get_run(run_id).info.artifact_uri):
            return found
        folder.mkdir(parents=True, exist_ok=True)
        top = client.list_artifacts(run_id)
        reports = client.list_artifacts(run_id, GATES) if any(one.path == GATES for one in top) else []
        for artifact in (*top, *reports):
            if not artifact.is_dir and not artifact.path.endswith(".html"):
                _quietly(client, run_id, artifact.path, folder)
    return folder


def read_text(settings: MlflowSpec, run_id: str, path: str, folder: Path) -> str:
    """A small file of a run.

    Raises:
        NotFoundError: when it is not there.
        RegistryError: when MLflow cannot be reached.
    """
    with connected(settings) as client:
        above, _, _ = path.rpartition("/")
        if path not in {artifact.path for artifact in client.list_artifacts(run_id, above or None)}:
            raise NotFoundError(f"the run {run_id} has no file '{path}' any more")
        return Path(_quietly(client, run_id, path, folder)).read_text(encoding="utf-8")


def _on_disk(address: str) -> Path | None:
    """The folder at an address of a local artifact store; None for a remote one.

    Raises:
        NotFoundError: when it should be here, and is not.
    """
    parts = urlsplit(address)
    if parts.scheme not in ("", "file"):
        return None
    path = Path(unquote(parts.path) if parts.scheme else address)
    if not path.is_dir():
        raise NotFoundError(
            f"there is no folder {path} here, where MLflow says that the files are: they were deleted, or written by "
            "another machine into its own folder."
        )
    return path


def _downloaded(address: str, folder: Path) -> Path:
    from mlflow.artifacts import download_artifacts

    folder.mkdir(parents=True, exist_ok=True)
    os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")
    return Path(download_artifacts(artifact_uri=address, dst_path=str(folder)))


def _quietly(client: "MlflowClient", run_id: str, path: str, folder: Path) -> str:
    os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")
    return str(client.download_artifacts(run_id, path, str(folder)))
