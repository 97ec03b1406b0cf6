"""Tables that may be larger than memory."""

from pathlib import Path
from typing import Any

import polars as pl
from kedro.io import AbstractDataset
from kedro_datasets._typing import TablePreview
from polars import selectors

from modelmill.files import written_aside
from modelmill.tables import TableFile


class LargeTable(AbstractDataset[TableFile, TableFile]):
    """A parquet file, written aside and renamed; nodes hand on the file and read it in batches."""

    def __init__(self, *, filepath: str, metadata: dict[str, Any] | None = None) -> None:
        """
        Args:
            filepath: the file.
            metadata: ignored by Kedro, read by kedro-viz.
        """
        self._filepath = Path(filepath)
        self.metadata = metadata

    def load(self) -> TableFile:
        return TableFile(self._filepath)

    def save(self, data: TableFile) -> None:
        self._filepath.parent.mkdir(parents=True, exist_ok=True)
        with written_aside(self._filepath) as part:
            data.save(part)

    def _exists(self) -> bool:
        return self._filepath.is_file()

    def _describe(self) -> dict[str, Any]:
        return {"filepath": self._filepath}

    def preview(self, nrows: int = 5) -> TablePreview:
        """The first rows."""
        rows = pl.scan_parquet(self._filepath, glob=False, hive_partitioning=False).head(nrows)
        table = rows.select(~selectors.binary()).collect()  # JSON has no bytes
        content = {
            "index": list(range(table.height)),
            "columns": table.columns,
            "data": [list(row) for row in table.rows()],
        }
        return TablePreview(content)
