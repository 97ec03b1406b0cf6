"""DuckDB for questions about all records at once: it keeps to a budget of memory and goes on on disk."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import polars as pl

from modelmill.errors import DataError
from modelmill.tables import TableFile

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

ROWS = 50_000
"""Rows of an answer that are fetched at once."""

THREAD_MB = 64
"""Memory that each thread of DuckDB needs for its blocks."""

REPEATED_IDS = """
WITH ids AS (
    SELECT file_row_number AS place, id FROM read_parquet(?, file_row_number = true, hive_partitioning = false)
)
SELECT place, nth FROM (
    SELECT place, row_number() OVER (PARTITION BY id ORDER BY place) AS nth
    FROM ids SEMI JOIN (SELECT id FROM ids GROUP BY id HAVING count(*) > 1) USING (id)
) WHERE nth > 1 ORDER BY place
"""


@contextmanager
def database(folder: Path, memory_mb: int) -> Iterator["DuckDBPyConnection"]:
    """A database in a folder, which the caller removes.

    Raises:
        DataError: when the memory does not suffice, or DuckDB cannot open such a path.
    """
    import duckdb

    if bad := [mark for mark in "?\\" if mark in str(folder)]:
        raise DataError(f"{folder}: DuckDB opens no path with {' or '.join(bad)} in it; rename the project's folder.")
    options: dict[str, str | bool | int | float | list[str]] = {
        "memory_limit": f"{memory_mb}MB",
        "temp_directory": str(folder),
        "preserve_insertion_order": False,
        "threads": max(1, min(os.cpu_count() or 1, memory_mb // THREAD_MB)),
    }
    try:
        with duckdb.connect(folder / "records.duckdb", config=options) as connection:
            yield connection
    except duckdb.OutOfMemoryException as error:
        raise DataError(
            f"looking at all records at once takes more than the {memory_mb} MB that are for the database: "
            f"{str(error).splitlines()[0]}\nRaise `cleaning.memory_mb`; half of it is the database's."
        ) from None


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


def repeated_ids(table: TableFile, folder: Path, memory_mb: int) -> pl.DataFrame:
    """Rows of a table whose id an earlier row has: place and how many rows with it there are so far, by place."""
    with database(folder, memory_mb) as connection:
        found = answers(connection, REPEATED_IDS, [str(table.path)])
        return pl.concat([pl.DataFrame(schema={"place": pl.Int64, "nth": pl.Int64}), *found])
