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
from modelmill.training.precision import resolve_precision

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
        training = declared.get("training", declared)
        training.pop("checkpoint_minutes")  # how often it is saved makes no other training
        training["precision"] = resolve_precision(training["precision"])
        text = json.dumps([LAYOUT, declared, *parts, *versions])
        return cls(folder, hashlib.sha256(text.encode()).hexdigest())

    def begin(self, rank: int = 0) -> Path | None:
        """The state to go on from, or None after rank 0 has removed everything else from the folder.

        Raises:
            UserError: when another process trains here. From now on until `clear`, or until it ends, this one does.
        """
        self.folder.parent.mkdir(parents=True, exist_ok=True)
        if rank == 0 and (other := hold(_lock(self.folder))):
            raise UserError(
                f"{other} trains in {self.folder}, where one training at a time may keep its state. Wait until it has "
                "ended, or end it; then run the same command again: it goes on from the last state."
            )
        mark = self.folder / IDENTITY
        if mark.is_file() and mark.read_text() == self.identity:
            return self.folder / STATE if (self.folder / STATE).is_file() else None
        if rank:
            return None
        _remove(self.folder)
        self.folder.mkdir()
        mark.write_text(self.identity)
        return None


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
