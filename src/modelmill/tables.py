"""Tables that may be larger than memory: parquet files, written and read in batches."""

import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np
import polars as pl

BATCH_ROWS, BATCH_BYTES = 10_000, 8 << 20
"""Rows and bytes of text at which a batch is full; it may hold one larger text."""


@dataclass(frozen=True)
class TableFile:
    """A parquet file that is handed on in place of its content; a `passing` one was written for whoever saves it."""

    path: Path
    passing: bool = False

    @property
    def height(self) -> int:
        """Rows."""
        from pyarrow.parquet import read_metadata

        return int(read_metadata(self.path).num_rows)

    @property
    def schema(self) -> dict[str, Any]:
        """Columns and their types."""
        from pyarrow.parquet import read_schema

        return dict(_frame(read_schema(self.path).empty_table()).schema)

    def batches(self) -> Iterator[pl.DataFrame]:
        """The row groups of the file, in order."""
        from pyarrow.parquet import ParquetFile

        with ParquetFile(self.path) as file:
            for group in range(file.num_row_groups):
                yield _frame(file.read_row_group(group))
            if not file.num_row_groups:
                yield _frame(file.schema_arrow.empty_table())

    def read(self) -> pl.DataFrame:
        """The whole table, in memory."""
        return pl.concat(self.batches())

    def save(self, path: Path) -> None:
        """Put the table there; a passing file is moved, and is not here any more."""
        (shutil.move if self.passing else shutil.copyfile)(self.path, path)


class TableWriter:
    """Writes a parquet file batch by batch, in row groups that can be read one at a time; a context manager."""

    def __init__(self, path: Path, schema: dict[str, Any]) -> None:
        from pyarrow.parquet import ParquetWriter

        self._path, self._schema = path, schema
        self._waiting: list[Any] = []  # Arrow tables: a few rows of polars would keep the texts of their whole batch
        self._rows = self._bytes = 0
        self._writer = ParquetWriter(path, _arrow(pl.DataFrame(schema=schema)).schema, compression="zstd")

    def write(self, batch: pl.DataFrame) -> None:
        """Add rows; columns that the batch lacks are missing values."""
        absent = [pl.lit(None, kind).alias(name) for name, kind in self._schema.items() if name not in batch.columns]
        for piece in pieces(batch.with_columns(absent).select(*self._schema)):
            self._waiting.append(_arrow(piece))
            self._rows += piece.height
            self._bytes += int(piece.estimated_size())
            if self._rows >= BATCH_ROWS or self._bytes >= BATCH_BYTES:
                self._flush()

    def _flush(self) -> None:
        from pyarrow import concat_tables

        if self._waiting:
            self._writer.write_table(concat_tables(self._waiting).combine_chunks())
        self._waiting, self._rows, self._bytes = [], 0, 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        if error is None:
            self._flush()
        self._writer.close()
        if error is not None:
            self._path.unlink(missing_ok=True)

    @property
    def table(self) -> TableFile:
        """What was written, once the context is left."""
        return TableFile(self._path, passing=True)


def store(table: pl.DataFrame, path: Path) -> TableFile:
    """A table in memory as one on disk."""
    with TableWriter(path, dict(table.schema)) as writer:
        writer.write(table)
    return writer.table


AnyTable = pl.DataFrame | TableFile
"""A table, in memory or on disk."""


def batches_of(*tables: AnyTable) -> Iterator[pl.DataFrame]:
    """The batches of tables, one after another; of each at least one, which has its columns."""
    for table in tables:
        if isinstance(table, TableFile):
            yield from table.batches()
        else:
            yield from pieces(table) if table.height else [table]


def pieces(table: pl.DataFrame) -> Iterator[pl.DataFrame]:
    """Slices of at most `BATCH_ROWS` rows and `BATCH_BYTES`, or of one row that has more; none of no rows."""
    sizes = np.zeros(table.height, np.int64)
    for column in table.select(pl.col(pl.String, pl.Binary)):
        lengths = column.bin.size() if column.dtype == pl.Binary else column.str.len_bytes()
        sizes += lengths.fill_null(0).to_numpy()
    ends, start = np.cumsum(sizes), 0
    while start < table.height:
        full = int(np.searchsorted(ends, ends[start] - sizes[start] + BATCH_BYTES, "right"))
        stop = min(max(full, start + 1), start + BATCH_ROWS)
        yield table[start:stop]
        start = stop


def _arrow(table: pl.DataFrame) -> Any:
    return table.to_arrow(compat_level=pl.CompatLevel.oldest())


def _frame(table: Any) -> pl.DataFrame:
    found = pl.from_arrow(table)
    assert isinstance(found, pl.DataFrame)
    return found
