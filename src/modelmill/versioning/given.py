"""What comes into the pipelines from outside: files of the project, which DVC watches, and files of packages, which it
cannot; of those a digest stands among the parameters.
"""

import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from modelmill.errors import SourceError
from modelmill.sources.address import HUB, PACKAGE, before_wildcard, file_sha256, local_path, locate_files


@dataclass(frozen=True)
class Address:
    """A declared address: the paths that DVC watches, or the digest of what a package holds there.

    `digest` is 'missing' where the package or the file is not there, and 'hub' for what only its hub knows.
    """

    name: str
    paths: tuple[str, ...] = ()
    digest: str | None = None


class Given:
    """Addresses that the declarations name, by where they name them."""

    def __init__(self, declared: Iterable[tuple[str, str]], root: Path, made: frozenset[str] = frozenset()) -> None:
        """
        Args:
            declared: (dotted path in the parameters, address).
            root: the project's folder.
            made: paths that pipelines write; a folder that holds one is not watched as a whole.
        """
        self._declared = sorted(set(declared))
        self._root = root
        self._made = made
        self._known: dict[str, Address] = {}

    def below(self, section: str) -> Iterator[Address]:
        """Those that a section of the parameters, or what is below it, names."""
        for place, address in self._declared:
            if f"{place}.".startswith(f"{section}."):
                yield self._address(address)

    def _address(self, address: str) -> Address:
        if address not in self._known:
            self._known[address] = self._look(address)
        return self._known[address]

    def _look(self, address: str) -> Address:
        if address.startswith(HUB):
            return Address(address, digest="hub")
        if address.startswith(PACKAGE):
            return Address(address, digest=_digest(address, self._root))
        before, pattern = before_wildcard(address)
        folder = self._root / before
        if not (pattern or folder.is_dir()) or not any(self._is_below(before, path) for path in self._made):
            return Address(address, paths=(before,))
        try:
            found = locate_files(address, self._root)
        except SourceError:  # a run says so; what has not come yet must not keep anybody from planning
            return Address(address, digest="missing")
        return Address(address, paths=tuple(file.path.relative_to(self._root).as_posix() for file in found))

    @staticmethod
    def _is_below(folder: str, path: str) -> bool:
        return Path(path).is_relative_to(folder or ".")


def _digest(address: str, root: Path) -> str:
    """SHA-256 over names and contents of the files; of a folder without wildcards, over all below it."""
    try:
        folder = local_path(address, root)
        found = sorted(path for path in folder.rglob("*") if path.is_file()) if folder.is_dir() else []
        named = [(path.relative_to(folder).as_posix(), path) for path in found if path.suffix != ".pyc"]
        named = named or [(file.shown, file.path) for file in locate_files(address, root)]
    except SourceError:
        return "missing"
    digest = hashlib.sha256()
    for name, path in named:
        digest.update(f"{name}\0{file_sha256(path)}\n".encode())
    return digest.hexdigest()
