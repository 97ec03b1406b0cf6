"""Where a training keeps its state while it is under way, and which training it is."""

import hashlib
import json
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

from pydantic import BaseModel

from modelmill.errors import UserError
from modelmill.files import hold, release
from modelmill.training.ranks import is_rank

STATE, BEST, START, IDENTITY = "last.ckpt", "best.ckpt", "start.ckpt", "identity"
"""Files of a training that is under way: last state, best weights, those it began with, which training it is."""

LAYOUT = 2
"""Of what is in a state, and of what makes a batch: raise it when either changes."""


@dataclass(frozen=True)
class Work:
    """Where a training keeps its state, and which training it is: the state of another one is put away."""

    folder: Path
    identity: str

    @classmethod
    def of(cls, folder: Path, spec: BaseModel, parts: Sequence[object] = ()) -> "Work":
        """The training of a spec and other parts (digests of what it reads), with these versions of the libraries."""
        versions = [version(name) for name in ("torch", "transformers", "pytorch-lightning", "peft", "numpy")]
        declared = spec.model_dump(mode="json")
        declared.get("training", declared).pop("checkpoint_minutes")  # how often it is saved makes no other training
        text = json.dumps([LAYOUT, declared, *parts, *versions])
        return cls(folder, hashlib.sha256(text.encode()).hexdigest())

    def begin(self) -> Path | None:
        """The state to go on from, or None after everything else was removed from the folder.

        Raises:
            UserError: as `claim`; processes that another one has started leave this to that one.
        """
        if not is_rank():
            claim(self.folder)
        mark = self.folder / IDENTITY
        if mark.is_file() and mark.read_text() == self.identity:
            for part in self.folder.glob(".*.part"):  # half-written, on whatever host: states are large
                part.unlink()
            return self.folder / STATE if (self.folder / STATE).is_file() else None
        _remove(self.folder)
        self.folder.mkdir()
        mark.write_text(self.identity)
        return None


def claim(folder: Path) -> None:
    """Let no other process train in a folder until `clear`, or until this one ends.

    Raises:
        UserError: when another process trains there.
    """
    folder.parent.mkdir(parents=True, exist_ok=True)
    if other := hold(_lock(folder)):
        raise UserError(
            f"{other} trains in {folder}, where one training at a time may keep its state. Wait until it has ended, or "
            "end it; then run the same command again: it goes on from the last state."
        )


def clear(folder: Path) -> None:
    """Remove the state of a training, and let others train there."""
    _remove(folder)
    release(_lock(folder))


def _lock(folder: Path) -> Path:
    """Beside the folder, so that it is still locked while the folder is removed."""
    return folder.with_name(f".{folder.name}.lock")


def _remove(folder: Path) -> None:
    """First what says which training it is, for a kill may fall in between."""
    (folder / IDENTITY).unlink(missing_ok=True)
    shutil.rmtree(folder, ignore_errors=True)
