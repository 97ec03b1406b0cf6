"""Hidden neighbours under which files are written before they take their name, and folders for what is passing."""

import atexit
import os
import shutil
import tempfile
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import psutil


def aside(final: Path, ending: str) -> Path:
    """The hidden neighbour under which this process writes (`part`) or puts away (`former`)."""
    return final.with_name(f".{final.name}.{os.getpid()}.{ending}")


def abandoned(final: Path, ending: str) -> Iterator[Path]:
    """Such neighbours of processes that are dead."""
    for path in sorted(final.parent.glob(f".{final.name}.*.{ending}")):
        if _is_dead(path.name.split(".")[-2]):
            yield path


def sweep(final: Path) -> None:
    """Remove what killed processes left half-written."""
    for path in abandoned(final, "part"):
        shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)


@cache
def _scratch_of(parent: Path, process: int) -> Path:
    for former in parent.glob("*"):
        if _is_dead(former.name):
            shutil.rmtree(former, ignore_errors=True)
    folder = parent / str(process)
    folder.mkdir(parents=True, exist_ok=True)
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder


def scratch_folder(root: str) -> Path:
    """A new empty folder on the disk of the data, for what does not fit into memory.

    It is gone when the process ends; what killed processes left goes when the next one asks.
    """
    parent = Path(root) / "data" / ".scratch"
    return Path(tempfile.mkdtemp(dir=_scratch_of(parent.absolute(), os.getpid())))


def _is_dead(owner: str) -> bool:
    return owner.isdecimal() and not psutil.pid_exists(int(owner))
