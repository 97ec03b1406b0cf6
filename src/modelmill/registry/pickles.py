"""Finding pickles, which run code when they are loaded: by name, by content, and inside archives."""

import bz2
import gzip
import lzma
import pickletools
import re
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from io import BytesIO
from pathlib import Path, PurePosixPath
from typing import IO

SUFFIXES = frozenset({".ckpt", ".cloudpickle", ".dill", ".joblib", ".p", ".pck", ".pickle", ".pkl", ".pt", ".pth"})
CALLS = frozenset({"BUILD", "GLOBAL", "INST", "NEWOBJ", "NEWOBJ_EX", "OBJ", "REDUCE", "STACK_GLOBAL"})
"""Opcodes that look something up or call it (https://docs.python.org/3/library/pickletools.html)."""

PACKED: dict[bytes, Callable[[bytes], bytes]] = {
    b"\x1f\x8b": gzip.decompress, b"BZh": bz2.decompress,
    b"\xfd7zXZ": lzma.decompress, b"\x5d\x00\x00": lzma.decompress,
    b"x\x01": zlib.decompress, b"x\x5e": zlib.decompress, b"x\x9c": zlib.decompress, b"x\xda": zlib.decompress,
}  # fmt: skip
"""How joblib packs, by the first bytes."""

SEALED = {b"\x04\x22\x4d\x18": "lz4", b"\x28\xb5\x2f\xfd": "zstandard"}
"""What Python does not unpack."""

NUMPY = b"\x93NUMPY"
DEEPEST = 3
"""So deep do we look into archives inside archives; what lies deeper counts as found."""


def find_pickles(folder: Path) -> list[str]:
    """What in a folder is a pickle, or cannot be looked into: 'name: why', sorted.

    Args:
        folder: all files in it are read, as far as it takes to tell; `__pycache__` too.
    """
    found = []
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        with path.open("rb") as stream:
            found += [f"{name}: {why}" for name, why in _look(path.relative_to(folder).as_posix(), stream, 0)]
    return found


def _look(name: str, stream: IO[bytes], depth: int) -> Iterator[tuple[str, str]]:
    """(name, why) of a stream that can be wound back, and of what is packed in it."""
    if PurePosixPath(name.rpartition("!")[2]).suffix.lower() in SUFFIXES:
        yield name, "has the name of a pickle"
        return
    if depth > DEEPEST:
        yield name, f"lies in more than {DEEPEST} archives, one in another"
        return
    if why := _why(stream):
        yield name, why
    for archive in (_unpacked, _zipped, _tarred):
        stream.seek(0)
        try:
            for member, content in archive(stream):
                yield from _look(f"{name}!{member}", BytesIO(content), depth + 1)
        except Exception:  # damaged, or with a password; another reader may be less strict
            yield name, "is an archive that cannot be read"


def _why(stream: IO[bytes]) -> str | None:
    """Why a stream is, or may be, a pickle by itself."""
    start = stream.read(4096)
    stream.seek(0)
    if is_pickle(stream):
        return "is a pickle"
    if start.startswith(NUMPY) and b"|O'" in start:
        return "is an array of objects, which numpy pickles"
    sealed = (
        f"is packed by {how}, so nobody sees what is in it" for magic, how in SEALED.items() if start.startswith(magic)
    )
    return next(sealed, None)


def _unpacked(stream: IO[bytes]) -> Iterator[tuple[str, bytes]]:
    """The content of a packed file; none of one that only begins like that."""
    start = stream.read(8)
    for magic, unpack in PACKED.items():
        if start.startswith(magic):
            stream.seek(0)
            try:
                yield "", unpack(stream.read())
            except (OSError, EOFError, zlib.error, lzma.LZMAError):
                return


def _zipped(stream: IO[bytes]) -> Iterator[tuple[str, bytes]]:
    """Members of a zip archive, which PyTorch's files are."""
    if zipfile.is_zipfile(stream):
        with zipfile.ZipFile(stream) as archive:
            yield from ((one.filename, archive.read(one)) for one in archive.infolist() if not one.is_dir())


def _tarred(stream: IO[bytes]) -> Iterator[tuple[str, bytes]]:
    """Members of a tar archive."""
    try:
        archive = tarfile.TarFile(fileobj=stream)
    except tarfile.TarError:
        return
    with archive:
        for one in archive:
            if one.isfile() and (content := archive.extractfile(one)):
                yield one.name, content.read()


def is_pickle(stream: IO[bytes]) -> bool:
    """Whether bytes from here on are a pickle of protocol 0 to 5.

    Protocols 2 and above say so in two bytes; then opcodes have to follow. Joblib puts arrays between the opcodes, so
    one that looks something up is enough. Protocols 0 and 1 are plain opcodes up to a STOP, which text happens to be,
    too; what is none of a pickle's business is a name that no module has, or a text that goes on.
    """
    start = stream.tell()
    marked = re.match(rb"\x80[\x02-\x05]", stream.read(2)) is not None
    stream.seek(start)
    calls, steps, stopped = False, 0, False
    try:
        for opcode, argument, _ in pickletools.genops(stream):
            steps += 1
            named = opcode.name not in ("GLOBAL", "INST") or re.fullmatch(r"[\w.]+ [\w.]+", str(argument))
            calls = calls or (opcode.name in CALLS and bool(named))
            stopped = opcode.name == "STOP"
    except Exception:  # what is no pickle fails in many ways: no such opcode, no UTF-8, an end before its time
        return marked and calls
    return stopped and (marked or calls or (steps > 1 and not stream.read(1)))
