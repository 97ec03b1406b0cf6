"""Which nodes of a stage have finished, while the stage has not: what a killed run leaves for the next one."""

import json
from pathlib import Path
from typing import Any

from modelmill.errors import DataError
from modelmill.files import write_whole


class Journal:
    """Of one stage, in a file beside DVC's own temporary ones; it is gone when the stage is done.

    DVC remembers whole stages. A node counts as finished if the stage follows from the same as when it ran, and what it
    wrote is there unchanged.
    """

    def __init__(self, root: Path, stage: str, follows: Any) -> None:
        """
        Args:
            root: the project's folder.
            stage: its name.
            follows: what its results follow from now, as `Repository.fingerprint` says.
        """
        self._path = root / ".dvc" / "tmp" / "modelmill" / f"{stage}.json"
        self._follows = follows
        try:
            said = json.loads(self._path.read_text(encoding="utf-8")) if self._path.is_file() else {}
        except ValueError as error:
            raise DataError(f"{self._path} is damaged ({error}); delete it: the stage begins anew.") from error
        self._nodes: dict[str, dict[str, str | None]] = said["nodes"] if said.get("follows") == follows else {}

    def finished(self, node: str, written: dict[str, str | None]) -> bool:
        """Whether a node that writes these paths, with these hashes now, has finished."""
        return node in self._nodes and self._nodes[node] == written and None not in written.values()

    def note(self, node: str, written: dict[str, str | None]) -> None:
        """A node has finished, and what it wrote has these hashes."""
        self._nodes[node] = written
        self._path.parent.mkdir(parents=True, exist_ok=True)
        write_whole(self._path, json.dumps({"follows": self._follows, "nodes": self._nodes}, ensure_ascii=False))

    def forget(self) -> None:
        """Let the next run begin with the stage's first node."""
        self._nodes = {}
        self._path.unlink(missing_ok=True)
