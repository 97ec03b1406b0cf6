"""A folder as one dataset: tokenizers, token shards, models."""

import json
import shutil
from pathlib import Path
from typing import Any, Protocol

from kedro.io import AbstractDataset, DatasetError
from kedro_datasets._typing import JSONPreview

from modelmill.files import abandoned, aside, sweep


class Savable(Protocol):
    """Something that writes itself into an empty folder; its `saved`, if it has one, is called when that is safe."""

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
        self._restore()
        return self._filepath

    def save(self, data: Savable) -> None:
        final = self._filepath
        self._restore()
        sweep(final)
        part, former = aside(final, "part"), aside(final, "former")
        part.mkdir(parents=True)
        try:
            data.save(part)
            if final.exists():  # a folder that is not empty cannot be renamed over
                final.rename(former)
            try:
                part.rename(final)
            except OSError:
                if former.exists():
                    former.rename(final)
                raise
        finally:
            shutil.rmtree(part, ignore_errors=True)
            shutil.rmtree(former, ignore_errors=True)
        getattr(data, "saved", lambda: None)()

    def _restore(self) -> None:
        """A writer killed between its two renames leaves the former folder put away, and none in place."""
        for former in abandoned(self._filepath, "former"):
            if self._filepath.exists():
                shutil.rmtree(former)
            else:
                former.rename(self._filepath)

    def _exists(self) -> bool:
        self._restore()
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


class WorkFolder(AbstractDataset[None, Path]):
    """A folder that a node works in; it is an input, there or not, and nothing of it is a result."""

    def __init__(self, *, filepath: str, metadata: dict[str, Any] | None = None) -> None:
        """
        Args:
            filepath: the folder.
            metadata: ignored by Kedro, read by kedro-viz.
        """
        self._filepath = Path(filepath)
        self.metadata = metadata

    def load(self) -> Path:
        return self._filepath

    def save(self, data: None) -> None:
        raise DatasetError(f"{self._filepath} is for the node that reads it; nothing is saved there")

    def _exists(self) -> bool:
        return True

    def _describe(self) -> dict[str, Any]:
        return {"filepath": self._filepath}
