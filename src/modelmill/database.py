"""DuckDB for questions about all records at once: it keeps to a budget of memory and goes on on disk."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import polars as pl

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

ROWS = 50_000
"""Rows of an answer that are fetched at once."""


@contextmanager
def database(folder: Path, memory_mb: int) -> Iterator["DuckDBPyConnection"]:
    """A database in a folder, which the caller removes."""
    import duckdb

    options: dict[str, str | bool | int | float | list[str]] = {
        "memory_limit": f"{memory_mb}MB",
        "temp_directory": str(folder),
        "preserve_insertion_order": False,
    }
    with duckdb.connect(folder / "records.duckdb", config=options) as connection:
        yield connection


def insert(connection: "DuckDBPyConnection", table: str, rows: pl.DataFrame) -> None:
    """Add rows, columns by place."""
    connection.register("added", rows.to_arrow(compat_level=pl.CompatLevel.oldest()))
    connection.execute(f"INSERT INTO {table} SELECT * FROM added")
    connection.unregister("added")


def answers(
    connection: "DuckDBPyConnection", query: str, parameters: list[object] | None = None
) -> Iterator[pl.DataFrame]:
    """The answer to a query, piece by piece."""
    answer: Any = connection.sql(query, params=parameters or [])
    for batch in answer.to_arrow_reader(ROWS):
        found = pl.from_arrow(batch)
        assert isinstance(found, pl.DataFrame)
        yield found
