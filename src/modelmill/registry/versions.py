"""Reading what is registered: every version of a product, and the evidence that says where it comes from."""

import os
import tempfile
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from modelmill.registry.evidence import LINEAGE, RECORD_IDS
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
    if not registry_exists(settings):
        return
    os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")
    for name in names:
        with connected(settings) as client:
            models = client.search_registered_models(f"name = '{name}'")
            found = _all_pages(client.search_model_versions, f"name = '{name}'")
        aliases = [(alias, str(number)) for model in models for alias, number in model.aliases.items()]
        for version in sorted(found, key=lambda version: int(version.version)):
            number = str(version.version)
            own = sorted(alias for alias, of in aliases if of == number)
            with tempfile.TemporaryDirectory() as folder:
                with connected(settings) as client:
                    logged = logged_files(client, version.run_id) if version.run_id else set()
                    for file in logged & {RECORD_IDS, LINEAGE}:
                        client.download_artifacts(version.run_id, file, folder)
                yield RegisteredVersion(name, number, own, version.run_id, version.source, Path(folder))


def registry_exists(settings: MlflowSpec) -> bool:
    """Whether anything can be registered: MLflow makes its SQLite file when it is first asked."""
    prefix, uri = "sqlite:///", settings.registry_uri or settings.tracking_uri
    return not uri.startswith(prefix) or Path(uri.removeprefix(prefix)).is_file()


def _all_pages(search: Callable[..., Any], query: str) -> list[Any]:
    page = search(query)
    found = list(page)
    while page.token:
        page = search(query, page_token=page.token)
        found += page
    return found
