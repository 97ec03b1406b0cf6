"""Pickles that hold plain data, read without running anything."""

import pickle
from pathlib import Path
from typing import Any

from modelmill.errors import SourceError


class _DataOnly(pickle.Unpickler):
    """Bars every global, so a pickle can hold numbers, text and containers but run nothing."""

    def find_class(self, module: str, name: str) -> Any:
        raise pickle.UnpicklingError(f"it wants to load {module}.{name}")


def load_plain(path: Path, shown: str) -> Any:
    """What a pickle holds.

    Raises:
        SourceError: when it is damaged, or holds anything but plain data.
    """
    try:
        with path.open("rb") as stream:
            return _DataOnly(stream).load()
    except Exception as error:  # a damaged pickle raises almost anything
        raise SourceError(
            f"{shown}: refused to open this pickle: {error}.\nOnly plain data is read; convert the file to parquet."
        ) from None
