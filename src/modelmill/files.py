"""Hidden neighbours under which files are written before they take their name, and folders for what is passing."""

import atexit
import fcntl
import os
import shutil
import socket
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path

import psutil


def aside(final: Path, ending: str) -> Path:
    """The hidden neighbour under which this process writes (`part`) or puts away (`former`)."""
    return final.with_name(f".{final.name}.{socket.gethostname()}.{os.getpid()}.{ending}")


def abandoned(final: Path, ending: str) -> Iterator[Path]:
    """Such neighbours of processes of this host that are dead."""
    for path in sorted(final.parent.glob(f".{final.name}.{socket.gethostname()}.*.{ending}")):
        owner = path.name.split(".")[-2]
        if owner.isdecimal() and not psutil.pid_exists(int(owner)):
            yield path


def sweep(final: Path) -> None:
    """Remove what killed processes left half-written."""
    for path in abandoned(final, "part"):
        remove(path)


def remove(path: Path) -> None:
    """A file or a folder, if it is there."""
    shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)


@contextmanager
def written_aside(final: Path) -> Iterator[Path]:
    """The hidden neighbour to write a file or a new folder to; it takes the name when all went well, and is gone
    otherwise.
    """
    sweep(final)
    part = aside(final, "part")
    try:
        yield part
        os.replace(part, final)
    finally:
        remove(part)


_held: dict[Path, int] = {}
"""Descriptors of the files that this process holds."""


def hold(path: Path) -> str | None:
    """Lock a file for this process, until it releases it or ends, however it ends.

    The file stays when it is released: one that is removed may be the one that another process is about to lock. A file
    and not a folder, for NFS tells other hosts of locks on files only.

    Returns:
        which other process holds it; None when it is ours.
    """
    if path.absolute() in _held:
        return None
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        with open(descriptor) as file:
            return file.read() or "another process"  # which has not written its name yet
    os.truncate(descriptor, 0)
    os.write(descriptor, f"process {os.getpid()} on {socket.gethostname()}".encode())
    _held[path.absolute()] = descriptor
    return None


def release(path: Path) -> None:
    """Let others hold a file; nothing happens when this process does not."""
    if path.absolute() in _held:
        os.close(_held.pop(path.absolute()))


def write_whole(final: Path, text: str) -> None:
    """Write a small file aside."""
    with written_aside(final) as part:
        part.write_text(text, encoding="utf-8")


@contextmanager
def scratch(root: str) -> Iterator[Path]:
    """A folder on the disk of the data, for what does not fit into memory; it is gone afterwards."""
    folder = scratch_folder(root)
    try:
        yield folder
    finally:
        shutil.rmtree(folder)


def scratch_folder(root: str) -> Path:
    """A new folder on the disk of the data, for a file that is handed on; it is gone when the process ends.

    What killed processes left goes when the next one asks: a living one, on whatever host, holds a lock.
    """
    return Path(tempfile.mkdtemp(dir=_own_scratch(Path(root).absolute() / "data" / ".scratch", os.getpid())))


@cache
def _own_scratch(parent: Path, process: int) -> Path:
    parent.mkdir(parents=True, exist_ok=True)
    with _locked(parent, wait=True):  # nobody sweeps a folder that is not locked yet
        for former in parent.iterdir():
            with _locked(former, wait=False) as dead:
                if dead:
                    shutil.rmtree(former, ignore_errors=True)
        folder = Path(tempfile.mkdtemp(dir=parent))
        fcntl.flock(os.open(folder, os.O_RDONLY), fcntl.LOCK_EX)  # until the process ends
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder


@contextmanager
def _locked(folder: Path, *, wait: bool) -> Iterator[bool]:
    """Holds the folder's lock; answers whether it could be had."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
        yield True
    except BlockingIOError:
        yield False
    finally:
        os.close(descriptor)
