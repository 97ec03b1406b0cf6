"""Files of sources, brought to where the declaration says that they lie."""

import shutil
from collections.abc import Iterable, Iterator
from itertools import groupby
from pathlib import Path
from typing import NamedTuple

from modelmill.errors import SourceError
from modelmill.files import scratch, written_aside
from modelmill.sources.address import LocatedFile, before_wildcard, verify_sha256, why_missing
from modelmill.sources.archive import take_members
from modelmill.sources.registries import bring, check_digest, is_installed, open_debian
from modelmill.specs.download import DownloadSpec
from modelmill.specs.source import SourceSpec


class Brought(NamedTuple):
    """How many files of one source came, and from where."""

    files: str
    came_from: str
    number: int


def fetch_sources(sources: Iterable[SourceSpec], root: Path) -> Iterator[Brought | SourceError]:
    """Bring the files of sources that declare a `download` and are not there; each archive comes once.

    Files are written aside and renamed when all of a source are there and are what is declared.

    Args:
        sources: what to bring.
        root: the project's folder.

    Returns:
        one after another what came; where something did not, why. That keeps no other archive from coming.
    """
    wanted = [(source.download, source) for source in sources if source.download and why_missing(source.files, root)]
    wanted.sort(key=lambda one: one[0].model_dump_json(exclude={"members"}))
    for origin, same in groupby(wanted, key=lambda one: (one[0].from_, one[0].sha256)):
        try:
            with scratch(str(root)) as working:
                place = _brought(*origin, working, root)
                for download, source in same:
                    yield Brought(source.files, download.from_, _put(source, download, place, root))
        except SourceError as error:
            yield error


def _brought(address: str, sha256: str | None, working: Path, root: Path) -> Path:
    """The archive, file or folder that an address names; `sha256` is checked."""
    if is_installed(address) and not sha256:
        return Path("/")  # from which a Debian package names its files
    if "://" in address or address.startswith("pkg:"):
        (folder := working / "came").mkdir()
        place = bring(address, folder)
    else:
        place = root / Path(address).expanduser()
        if not place.exists():
            raise SourceError(f"{address}: there is no such file or folder; correct `download.from`.")
    if sha256 and place.is_dir():
        raise SourceError(f"{address}: this is a folder, which has no SHA-256; leave `download.sha256` out.")
    if sha256:
        check_digest(place, "sha256", sha256, address, "`download.sha256`")
    return open_debian(place, working) if place.suffix == ".deb" else place


def _put(source: SourceSpec, download: DownloadSpec, place: Path, root: Path) -> int:
    """Take the files of a source out of what came, and give them their places; how many."""
    with scratch(str(root)) as working:
        targets = _targets(_taken(download, place, working), working, source, download)
        found = [LocatedFile(path, target, None) for path, target in targets.items()]
        verify_sha256(found, source.sha256, source.files)
        for path, target in targets.items():
            (root / target).parent.mkdir(parents=True, exist_ok=True)
            with written_aside(root / target) as part:
                shutil.copyfile(path, part)
    return len(targets)


def _taken(download: DownloadSpec, place: Path, working: Path) -> list[Path]:
    if download.members:
        return take_members(place, download.members, working, download.from_)
    if place.is_dir():
        raise SourceError(f"{download.from_}: this is a folder; say by `members` which files in it are meant.")
    return [Path(shutil.copyfile(place, working / place.name))]


def _targets(taken: list[Path], working: Path, source: SourceSpec, download: DownloadSpec) -> dict[Path, str]:
    """By file, its path from the project's folder."""
    fixed, pattern = before_wildcard(source.files)
    if not pattern:
        if len(taken) > 1:
            raise SourceError(
                f"{download.from_}: `members: {download.members}` are {len(taken)} files, and `files: {fixed}` is one; "
                "put a `*` into both."
            )
        return {taken[0]: fixed}
    meant = {*working.glob(pattern.replace("{label}", "*"))}
    for path in taken:
        if path not in meant:
            raise SourceError(
                f"{download.from_}: `members` gives '{path.relative_to(working)}', which `files: {source.files}` "
                "does not stand for; let both have the same wildcards."
            )
    return {path: f"{fixed}/{path.relative_to(working).as_posix()}" for path in taken}
