"""Reading what is registered: every version of a product, and the evidence that says where it comes from."""

import os
import tempfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from modelmill.registry.evidence import LINEAGE, RECORD_IDS
from modelmill.registry.readers import is_there, reader_of
from modelmill.registry.store import connected, logged_files
from modelmill.specs.mlflow import MlflowSpec


@dataclass(frozen=True)
class RegisteredVersion:
    """A version; `source` is its files (`models:/...`), `evidence` a folder with its record ids and lineage, if any."""

    name: str
    version: str
    aliases: list[str]
    run_id: str | None
    source: str
    evidence: Path


def registered_versions(settings: MlflowSpec, names: Iterable[str]) -> Iterator[RegisteredVersion]:
    """All versions of products.

    Args:
        settings: where MLflow is.
        names: of products; one without versions gives none.

    Yields:
        versions by number; the folder of one is gone when the next is asked for.

    Raises:
        RegistryError: when MLflow cannot be reached or refuses.
    """
    os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")
    reader = reader_of(settings)
    for name in names:
        aliases = reader.aliases(name)
        for row in reader.versions(name):
            own = sorted(alias for alias, number in aliases.items() if number == row.number)
            with tempfile.TemporaryDirectory() as folder:
                if row.run_id:
                    with connected(settings) as client:
                        for file in logged_files(client, row.run_id) & {RECORD_IDS, LINEAGE}:
                            client.download_artifacts(row.run_id, file, folder)
                yield RegisteredVersion(name, str(row.number), own, row.run_id, row.source, Path(folder))


def registry_exists(settings: MlflowSpec) -> bool:
    """Whether anything can be registered: MLflow makes its SQLite file when it is first asked."""
    return is_there(settings.registry_uri or settings.tracking_uri)
