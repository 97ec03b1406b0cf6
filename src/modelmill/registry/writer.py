"""Changing MLflow's registry, by MLflow's own client."""

import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from modelmill.registry.store import connected, create_registered_model
from modelmill.specs.mlflow import MlflowSpec

if TYPE_CHECKING:
    from mlflow import MlflowClient

RETRIES = 8


class MlflowWriter:
    """Each method is one write, to a database or a server alike; MLflow is imported by the first one.

    All raise `RegistryError` when MLflow cannot be reached or refuses.
    """

    def __init__(self, settings: MlflowSpec) -> None:
        self._settings = settings

    def create_model(self, name: str) -> None:
        with connected(self._settings) as client:
            create_registered_model(client, name)

    def add_version(self, name: str, source: str, tags: dict[str, str], description: str) -> int:
        with connected(self._settings) as client:
            return int(client.create_model_version(name, source, tags=tags, description=description).version)

    def set_tag(self, name: str, key: str, value: str) -> None:
        self._again(lambda client: client.set_registered_model_tag(name, key, value))

    def set_alias(self, name: str, alias: str, version: int | None) -> None:
        if version is None:
            self._again(lambda client: client.delete_registered_model_alias(name, alias))
        else:
            self._again(lambda client: client.set_registered_model_alias(name, alias, str(version)))

    def _again(self, write: "Callable[[MlflowClient], None]") -> None:
        """Two who set a tag or an alias for the first time both insert a row, and the database refuses one of them."""
        from mlflow.exceptions import MlflowException

        with connected(self._settings) as client:
            for attempt in range(RETRIES):
                try:
                    return write(client)
                except MlflowException:
                    if attempt == RETRIES - 1:
                        raise
                    time.sleep(0.02 * 2**attempt)
        return None
