"""Reading a database that MLflow has not made, or not as we know it; tests beside read real ones."""

import sqlite3
from pathlib import Path

import pytest

from modelmill.errors import RegistryError
from modelmill.registry.readers import reader_of
from modelmill.registry.runs import RunRow, read_run
from modelmill.specs.mlflow import MlflowSpec


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """Where the database would be."""
    return tmp_path / "mlflow.db"


def test_a_database_that_is_not_there_or_empty_holds_nothing(file: Path) -> None:
    """MLflow makes both when it is first asked; looking makes neither."""
    settings = MlflowSpec(tracking_uri=f"sqlite:///{file}")
    reader = reader_of(settings)
    assert (reader.names(), reader.versions("mood"), reader.tags("mood")) == ([], [], {})
    assert not file.exists()
    file.touch()
    assert (reader.names(), reader.versions("mood"), read_run(settings, "r1")) == ([], [], RunRow())
    assert file.stat().st_size == 0


def test_tables_of_another_mlflow_are_an_error(file: Path) -> None:
    """Not nothing: columns that are not there are named."""
    with sqlite3.connect(file) as database:
        database.execute("CREATE TABLE registered_models (name TEXT)")
    database.close()
    with pytest.raises(RegistryError, match="no such column: workspace") as caught:
        reader_of(MlflowSpec(tracking_uri=f"sqlite:///{file}")).names()
    assert caught.value.exit_code == 8


def test_a_file_that_is_no_database_is_an_error(file: Path) -> None:
    """Its address is named."""
    file.write_text("not a database, but long enough to be looked at as if it were one" * 20)
    with pytest.raises(RegistryError, match=f"MLflow at sqlite:///{file} did not do"):
        reader_of(MlflowSpec(tracking_uri=f"sqlite:///{file}")).names()
