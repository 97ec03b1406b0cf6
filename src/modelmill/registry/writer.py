"""Changing MLflow's registry, by MLflow's own client."""

import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from modelmill.errors import IntegrityError
from modelmill.registry.store import connected, create_registered_model
from modelmill.specs.mlflow import MlflowSpec

if TYPE_CHECKING:
    from mlflow import MlflowClient

RETRIES = 8
LOGGED_MODEL = "models:/"
"""What the source of a version begins with; then comes the id of the logged model that it is of."""

LOST = "Giving up after"
"""MLflow says it when others took three numbers in a row that it wanted to give (`create_model_version`)."""


class MlflowWriter:
    """Each method is one write, to a database or a server alike; MLflow is imported by the first one.

    All raise `RegistryError` when MLflow cannot be reached or refuses, `NotFoundError` when it has no such thing.
    """

    def __init__(self, settings: MlflowSpec) -> None:
        self._settings = settings

    def create_model(self, name: str) -> None:
        with connected(self._settings) as client:
            create_registered_model(client, name)

    def add_version(self, name: str, source: str, tags: dict[str, str], description: str) -> int | None:
        from mlflow.exceptions import MlflowException

        with connected(self._settings) as client:
            try:
                made = client.create_model_version(
                    name,
                    source,
                    tags=tags,
                    description=description,
                    await_creation_for=0,  # else it asks, and says so
                )
            except MlflowException as error:
                if LOST in str(error):
                    return None
                raise
            return int(made.version)

    def set_tag(self, name: str, key: str, value: str) -> None:
        self._again(lambda client: client.set_registered_model_tag(name, key, value))

    def set_alias(self, name: str, alias: str, version: int | None) -> None:
        if version is None:
            self._again(lambda client: client.delete_registered_model_alias(name, alias))
        else:
            self._again(lambda client: client.set_registered_model_alias(name, alias, str(version)))

    def delete_version(self, name: str, version: int) -> None:
        """Take a version away for good, if it is there; MLflow does not use its number again."""
        from mlflow.exceptions import MlflowException

        with connected(self._settings) as client:
            try:
                client.delete_model_version(name, str(version))
            except MlflowException as error:
                if error.error_code != "RESOURCE_DOES_NOT_EXIST":
                    raise

    def delete_files(self, source: str) -> None:
        """Delete the logged model that a version is of, `models:/m-...`, with its files; nothing when it is gone."""
        from mlflow.exceptions import MlflowException
        from mlflow.store.artifact.artifact_repository_registry import get_artifact_repository

        model_id = source.removeprefix(LOGGED_MODEL)
        with connected(self._settings) as client:
            try:
                location = str(client.get_logged_model(model_id).artifact_location)
                if model_id not in location:  # whatever that is, it is not of this model alone
                    raise IntegrityError(f"the files of {source} lie at {location}, which is not deleted: look at it")
                files: Any = get_artifact_repository(location)
                files.delete_artifacts()
                client.delete_logged_model(model_id)
            except MlflowException as error:
                if error.error_code != "RESOURCE_DOES_NOT_EXIST":
                    raise

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
