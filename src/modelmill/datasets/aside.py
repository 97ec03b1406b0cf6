"""Single files, whole or not there: a write goes to a neighbour, which takes the name when it is complete."""

import base64
from pathlib import Path, PurePosixPath
from typing import Any

from kedro_datasets._typing import ImagePreview
from kedro_datasets.json import JSONDataset
from kedro_datasets.plotly import JSONDataset as PlotlyDataset
from kedro_datasets.polars import EagerPolarsDataset
from kedro_datasets.text import TextDataset

from modelmill.files import written_aside

_Dataset: Any = object  # stands for the dataset that the mixin is put before


class WriteAside(_Dataset):
    """Put before a single-file dataset of kedro-datasets, it makes `save` atomic (POSIX rename)."""

    _filepath: PurePosixPath

    def save(self, data: Any) -> None:
        """Save to a hidden neighbour, then rename."""
        final = self._filepath
        try:
            with written_aside(Path(final)) as part:
                self._filepath = PurePosixPath(part)
                super().save(data)
        finally:
            self._filepath = final


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


class Picture(WriteAside, TextDataset):
    """A PNG file, as its bytes."""

    def __init__(self, *, filepath: str, metadata: dict[str, Any] | None = None) -> None:
        modes = {"open_args_load": {"mode": "rb"}, "open_args_save": {"mode": "wb"}}
        super().__init__(filepath=filepath, fs_args=modes, metadata=metadata)

    def preview(self) -> ImagePreview:
        """The picture, as kedro-viz shows it."""
        return ImagePreview(base64.b64encode(self.load()).decode())
