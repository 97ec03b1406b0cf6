"""Files out of archives and folders, by a path with wildcards. Nothing is written outside of where they are put."""

import shutil
import tarfile
import tempfile
import zipfile
from collections.abc import Iterator
from fnmatch import fnmatchcase
from functools import partial
from pathlib import Path, PurePosixPath
from typing import IO, NamedTuple

from modelmill.errors import SourceError
from modelmill.sources.address import before_wildcard

Parts = tuple[str, ...]


class Member(NamedTuple):
    """A file within: its path, and how it is opened; None when it is a link, which stands for a file elsewhere."""

    parts: Parts
    open: "partial[IO[bytes]] | None"


def take_members(place: Path, pattern: str, folder: Path, shown: str) -> list[Path]:
    """Write the files that a pattern stands for into a folder, each by its path from the first wildcard on; without
    wildcards by its name.

    Args:
        place: an archive (zip, wheel, tar in any compression) or a folder.
        pattern: a path with `*`, which stands for a part of one name; it may go on into an archive within.
        folder: where they are written.
        shown: the name of the place in messages.

    Raises:
        SourceError: when it is no archive, is damaged, has a path that would lie outside, or nothing that is meant.
    """
    wanted = tuple(pattern.split("/"))
    fixed = before_wildcard(pattern)[0]
    kept = min(len(fixed.split("/")) if fixed else 0, len(wanted) - 1)
    taken = []
    try:
        for parts, file in _matching(place, wanted, shown):
            target = folder.joinpath(*parts[kept:])
            target.parent.mkdir(parents=True, exist_ok=True)
            with file as source, target.open("wb") as copy:
                shutil.copyfileobj(source, copy)
            taken.append(target)
    except (tarfile.TarError, zipfile.BadZipFile, EOFError, OSError) as error:
        raise SourceError(f"{shown}: this archive is damaged ({error}); fetch it again.") from None
    if not taken:
        raise SourceError(f"{shown}: nothing in it is called '{pattern}'; correct `members`.")
    return taken


def _matching(place: Path, wanted: Parts, shown: str) -> Iterator[tuple[Parts, IO[bytes]]]:
    """Files that are meant, their paths through the archives that they lie in."""
    for member in _members(place, wanted, shown):
        head = wanted[: len(member.parts)]
        if len(head) < len(member.parts) or not all(map(fnmatchcase, member.parts, head)):
            continue
        if member.open is None:
            raise SourceError(f"{shown}: '{'/'.join(member.parts)}' is a link; name the file that it stands for.")
        if len(head) == len(wanted):
            yield member.parts, member.open()
            continue
        with tempfile.NamedTemporaryFile() as inner:
            with member.open() as source:
                shutil.copyfileobj(source, inner)
            inner.flush()
            below = f"{shown}/{'/'.join(member.parts)}"
            for parts, file in _matching(Path(inner.name), wanted[len(head) :], below):
                yield (*member.parts, *parts), file


def _members(place: Path, wanted: Parts, shown: str) -> Iterator[Member]:
    """Files and links of a zip or a tar; of a folder, which may be large, those on the way to what is wanted."""
    if place.is_dir():
        for length in range(1, len(wanted) + 1):
            for path in sorted(path for path in place.glob("/".join(wanted[:length])) if path.is_file()):
                yield Member(path.relative_to(place).parts, partial(path.open, "rb"))
    elif zipfile.is_zipfile(place):
        yield from _in_zip(place, shown)
    elif tarfile.is_tarfile(place):
        yield from _in_tar(place, shown)
    else:
        raise SourceError(f"{shown}: this is no folder, zip or tar archive; `members` asks for what is in one.")


def _in_zip(place: Path, shown: str) -> Iterator[Member]:
    with zipfile.ZipFile(place) as archive:
        named = [(_checked(entry.filename, shown), entry) for entry in archive.infolist()]
        yield from (Member(parts, partial(archive.open, entry)) for parts, entry in named if not entry.is_dir())


def _in_tar(place: Path, shown: str) -> Iterator[Member]:
    with tarfile.open(place) as archive:
        named = [(_checked(entry.name, shown), entry) for entry in archive]
        for parts, entry in named:
            if entry.isfile():
                yield Member(parts, partial(_regular, archive, entry))
            elif entry.issym() or entry.islnk():
                yield Member(parts, None)


def _regular(tar: tarfile.TarFile, entry: tarfile.TarInfo) -> IO[bytes]:
    file = tar.extractfile(entry)
    assert file is not None, "it is a file"
    return file


def _checked(name: str, shown: str) -> Parts:
    """The parts of a member's name; an archive with a path that leads outside of it is not trusted at all."""
    path = PurePosixPath(name)
    if path.is_absolute() or ".." in path.parts or "\\" in name or "\0" in name:
        raise SourceError(f"{shown}: it holds '{name}', a path outside of it, so nothing of it was taken.")
    return path.parts
