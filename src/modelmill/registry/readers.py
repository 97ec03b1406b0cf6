"""Reading MLflow's registry without importing MLflow, which takes seconds: by SQL, or by its REST interface."""

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from modelmill.errors import RegistryError
from modelmill.specs.mlflow import MlflowSpec

if TYPE_CHECKING:
    from sqlalchemy import BindParameter, Engine

Sql = TypeVar("Sql")
Rest = TypeVar("Rest")
SQLITE = "sqlite:///"
DELETED = "Deleted_Internal"
"""`current_stage` of versions that were deleted; MLflow keeps their rows, so that no number is used twice."""


@dataclass(frozen=True)
class VersionRow:
    """A model version as MLflow holds it; `created` in milliseconds since 1970."""

    number: int
    created: int
    run_id: str | None
    source: str
    tags: dict[str, str]


class Reader(Protocol):
    """What can be asked of MLflow's registry."""

    def names(self) -> list[str]:
        """Registered models, sorted."""
        ...

    def versions(self, name: str) -> list[VersionRow]:
        """Versions of a model by number, deleted ones left out; none where there is no such model."""
        ...

    def aliases(self, name: str) -> dict[str, int]:
        """Alias to version number."""
        ...

    def tags(self, name: str) -> dict[str, str]:
        """Tags of the model itself."""
        ...


def reader_of(settings: MlflowSpec) -> Reader:
    """A reader of the declared registry.

    Raises:
        RegistryError: when the address is of a kind that cannot be read.
    """
    return door(settings.registry_uri or settings.tracking_uri, SqlReader, RestReader)


def door(uri: str, database: Callable[[str], Sql], server: Callable[[str], Rest]) -> Sql | Rest:
    """What reads from an address of MLflow, by the address's kind.

    Raises:
        RegistryError: when it is of a kind that cannot be read.
    """
    if uri.startswith(("http://", "https://")):
        return server(uri.rstrip("/"))
    if uri.startswith(("sqlite:", "postgresql", "mysql", "mssql")):
        return database(uri)
    raise RegistryError(f"MLflow's address is '{uri}'; expected http(s)://, sqlite:/// or another SQL database")


class SqlReader:
    """Reads the tables of MLflow 3 (`mlflow/store/model_registry/dbmodels/models.py`), of the workspace `default`."""

    def __init__(self, uri: str) -> None:
        from sqlalchemy import create_engine
        from sqlalchemy.exc import ArgumentError
        from sqlalchemy.pool import NullPool

        self._uri = uri
        try:
            self._engine: Engine = create_engine(uri, poolclass=NullPool)
        except (ImportError, ArgumentError) as error:
            raise RegistryError(
                f"the registry's address cannot be opened: {error}\nFor PostgreSQL write postgresql+psycopg2://... and "
                "install the extra `postgres` of modelmill; for other databases their driver."
            ) from error

    def names(self) -> list[str]:
        return [name for (name,) in self._ask("SELECT name FROM registered_models WHERE {own} ORDER BY name")]

    def versions(self, name: str) -> list[VersionRow]:
        query = (
            "SELECT v.version, v.creation_time, v.run_id, v.source, t.key, t.value FROM model_versions v "
            "LEFT JOIN model_version_tags t ON t.workspace = v.workspace AND t.name = v.name AND t.version = v.version "
            "WHERE v.name = :name AND v.current_stage != :deleted AND v.{own} ORDER BY v.version"
        )  # one query: with two, another could add a version in between
        rows: dict[int, VersionRow] = {}
        for number, made, run, source, key, value in self._ask(query, name=name, deleted=DELETED):
            row = rows.setdefault(number, VersionRow(number, made, run, source or "", {}))
            if key is not None:
                row.tags[key] = value
        return list(rows.values())

    def aliases(self, name: str) -> dict[str, int]:
        query = "SELECT alias, version FROM registered_model_aliases WHERE name = :name AND {own}"
        return dict(self._ask(query, name=name))

    def tags(self, name: str) -> dict[str, str]:
        return dict(self._ask("SELECT key, value FROM registered_model_tags WHERE name = :name AND {own}", name=name))

    def _ask(self, query: str, **values: Any) -> list[tuple[Any, ...]]:
        from sqlalchemy import bindparam, text
        from sqlalchemy.exc import SQLAlchemyError

        if not is_there(self._uri):
            return []
        lists: list[BindParameter[Any]] = [
            bindparam(name, expanding=True) for name, value in values.items() if isinstance(value, list)
        ]
        try:
            with self._engine.connect() as connection:
                asked = text(query.format(own="workspace = 'default'")).bindparams(*lists)
                return [tuple(row) for row in connection.execute(asked, values)]
        except SQLAlchemyError as error:
            if self._is_new():
                return []
            raise unreachable(self._engine.url.render_as_string(hide_password=True), error) from error

    def _is_new(self) -> bool:
        """Whether MLflow has made no tables yet; False also where that cannot be found out."""
        from sqlalchemy import inspect
        from sqlalchemy.exc import SQLAlchemyError

        try:
            return not inspect(self._engine).has_table("registered_models")
        except SQLAlchemyError:
            return False


def is_there(uri: str) -> bool:
    """Whether anything can be read: MLflow makes its SQLite file when it is first asked, and we make none."""
    return not uri.startswith(SQLITE) or Path(uri.removeprefix(SQLITE)).is_file()


class RestReader:
    """Asks an MLflow server (https://mlflow.org/docs/latest/api_reference/rest-api.html)."""

    def __init__(self, address: str) -> None:
        self._address = address

    def names(self) -> list[str]:
        found = self._pages("registered-models/search", "registered_models", {"max_results": 1000})
        return sorted(model["name"] for model in found)

    def versions(self, name: str) -> list[VersionRow]:
        # Pages are by place: in this order a version that is added meanwhile moves no other to another page.
        query = {"filter": f"name = '{name}'", "max_results": 1000, "order_by": "version_number ASC"}
        found = self._pages("model-versions/search", "model_versions", query)
        rows = [
            VersionRow(
                int(one["version"]), int(one["creation_timestamp"]), one.get("run_id") or None, one.get("source", ""),
                _pairs(one.get("tags", ())),
            )
            for one in found
        ]  # fmt: skip
        return sorted(rows, key=lambda row: row.number)

    def aliases(self, name: str) -> dict[str, int]:
        return {one["alias"]: int(one["version"]) for one in self._model(name).get("aliases", ())}

    def tags(self, name: str) -> dict[str, str]:
        return _pairs(self._model(name).get("tags", ()))

    def _model(self, name: str) -> dict[str, Any]:
        found: dict[str, Any] = self._ask("registered-models/get", {"name": name}).get("registered_model", {})
        return found

    def _pages(self, path: str, key: str, query: dict[str, Any], *, post: bool = False) -> Iterator[dict[str, Any]]:
        while True:
            page = self._ask(path, query, post=post)
            yield from page.get(key, ())
            if not (token := page.get("next_page_token")):
                return
            query = query | {"page_token": token}

    def _ask(self, path: str, query: dict[str, Any], *, post: bool = False) -> dict[str, Any]:
        import requests

        user, password = (os.environ.get(f"MLFLOW_TRACKING_{part}") for part in ("USERNAME", "PASSWORD"))
        token = os.environ.get("MLFLOW_TRACKING_TOKEN")
        try:
            answer = requests.request(
                "POST" if post else "GET",
                f"{self._address}/api/2.0/mlflow/{path}",
                params=None if post else query,
                json=query if post else None,
                auth=(user, password or "") if user else None,
                headers={"Authorization": f"Bearer {token}"} if token else None,
                timeout=30,
            )
            found: dict[str, Any] = answer.json() if "json" in answer.headers.get("content-type", "") else {}
            if found.get("error_code") == "RESOURCE_DOES_NOT_EXIST":
                return {}
            answer.raise_for_status()
        except (requests.RequestException, ValueError) as error:
            raise unreachable(self._address, error) from error
        return found


def unreachable(address: str, error: Exception) -> RegistryError:
    """The error for an MLflow that does not answer as it should."""
    return RegistryError(
        f"MLflow at {address} did not do what was asked: {str(error).splitlines()[0]}\n"
        "Check that it runs, that `conf/<env>/mlflow.yml` names its address, and that the disk has room."
    )


def _pairs(tags: Any) -> dict[str, str]:
    return {tag["key"]: tag.get("value", "") for tag in tags}
