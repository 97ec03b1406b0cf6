"""Single files, whole or not there: a write goes to a neighbour, which takes the name when it is complete."""

import os
from pathlib import Path, PurePosixPath
from typing import Any

from kedro_datasets.json import JSONDataset
from kedro_datasets.plotly import JSONDataset as PlotlyDataset
from kedro_datasets.polars import EagerPolarsDataset
from kedro_datasets.text import TextDataset

_Dataset: Any = object  # stands for the dataset that the mixin is put before


class WriteAside(_Dataset):
    """Put before a single-file dataset of kedro-datasets, it makes `save` atomic (POSIX rename)."""

    _filepath: PurePosixPath

    def save(self, data: Any) -> None:
        """Save to a hidden neighbour, then rename."""
        final = self._filepath
        aside = final.with_name(f".{final.name}.{os.getpid()}.part")
        self._filepath = aside
        try:
            super().save(data)
            os.replace(aside, final)
        finally:
            self._filepath = final
            Path(aside).unlink(missing_ok=True)


class Table(WriteAside, EagerPolarsDataset):
    """A table (polars, parquet)."""

    def __init__(self, *, filepath: str, **options: Any) -> None:
        super().__init__(filepath=filepath, **{"file_format": "parquet", **options})


class Report(WriteAside, JSONDataset):
    """Plain data (JSON)."""


class Figure(WriteAside, PlotlyDataset):
    """A plotly figure."""


class Text(WriteAside, TextDataset):
    """Text such as Markdown."""
