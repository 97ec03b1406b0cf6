"""A folder as one dataset: tokenizers, token shards, models."""

import json
import os
import shutil
from pathlib import Path
from typing import Any, Protocol

from kedro.io import AbstractDataset
from kedro_datasets._typing import JSONPreview


class Savable(Protocol):
    """Something that writes itself into an empty folder."""

    def save(self, folder: Path) -> None: ...


class Folder(AbstractDataset[Savable, Path]):
    """Saves an object into a folder, written aside and renamed; loads the folder's path.

    What is in it stays on disk: nodes hand on paths, never weights or token arrays.
    """

    def __init__(self, *, filepath: str, show: str | None = None, metadata: dict[str, Any] | None = None) -> None:
        """
        Args:
            filepath: the folder.
            show: a JSON file in it that kedro-viz shows.
            metadata: ignored by Kedro, read by kedro-viz.
        """
        self._filepath = Path(filepath)
        self._show = show
        self.metadata = metadata

    def load(self) -> Path:
        return self._filepath

    def save(self, data: Savable) -> None:
        final = self._filepath
        final.parent.mkdir(parents=True, exist_ok=True)
        aside = final.with_name(f".{final.name}.{os.getpid()}.part")
        former = final.with_name(f".{final.name}.{os.getpid()}.former")
        shutil.rmtree(aside, ignore_errors=True)
        aside.mkdir()
        try:
            data.save(aside)
            if final.exists():  # a folder that is not empty cannot be renamed over
                final.rename(former)
            try:
                aside.rename(final)
            except OSError:
                former.rename(final)
                raise
        finally:
            shutil.rmtree(aside, ignore_errors=True)
            shutil.rmtree(former, ignore_errors=True)

    def _exists(self) -> bool:
        return self._filepath.is_dir()

    def _describe(self) -> dict[str, Any]:
        return {"filepath": self._filepath, "show": self._show}

    def preview(self) -> JSONPreview:
        """The file `show`, and the names and sizes of all files."""
        files = {
            str(path.relative_to(self._filepath)): path.stat().st_size
            for path in sorted(self._filepath.rglob("*"))
            if path.is_file()
        }
        shown = json.loads((self._filepath / self._show).read_text(encoding="utf-8")) if self._show else None
        return JSONPreview(json.dumps({"content": shown, "bytes": files}, ensure_ascii=False))
