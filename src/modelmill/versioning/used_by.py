"""Which versions of the registry were made from a file or folder, by what the ledger says."""

import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from modelmill.errors import DataError
from modelmill.registry.state import State


@dataclass(frozen=True)
class Use:
    """A version, its stage, and what of it matters: a path (or address) that it was made from, and the hash then.

    `given` is whether that came from outside; `same` whether it is what lies there now, None for what is not a file.
    """

    name: str
    version: int
    stage: str
    path: str
    hash: str
    given: bool
    same: bool | None


def in_project(asked: str, root: Path) -> str:
    """A path from the folder where the command was started as one from the project's folder; addresses stay.

    Raises:
        DataError: for what lies outside the project.
    """
    if "://" in asked:
        return asked
    path = os.path.relpath(os.path.abspath(asked), root)
    if path.startswith(".."):
        raise DataError(f"'{asked}' lies outside the project {root}, of which alone the ledger knows.")
    return PurePosixPath(path).as_posix().removesuffix(".dvc")  # what a `.dvc` file stands for


def uses_of(asked: str, states: Mapping[str, State], present: Callable[[str], str | None]) -> list[Use]:
    """Versions that were made from a file or folder, newest first.

    A file in a folder that DVC holds as one counts as that folder; a folder counts as all that lies below it.

    Args:
        asked: path from the project's folder, or address.
        states: of the models.
        present: gives the hash of a path as it lies there now.
    """
    now: dict[str, str | None] = {}
    found = []
    for name, state in sorted(states.items()):
        for version, event in sorted(state.registered.items(), reverse=True):
            for path, hash_ in _matching(asked, event.given | event.made):
                if path not in now and "://" not in path:
                    now[path] = present(path)
                same = hash_ == now[path] if path in now else None
                stage = state.stage_of(version)
                assert stage is not None, "a registered version is somewhere"
                found.append(Use(name, version, stage, path, hash_, path in event.given, same))
    return found


def silent(states: Mapping[str, State]) -> dict[str, list[int]]:
    """Versions of which the ledger does not say what they were made from, by model."""
    found = {
        name: sorted(version for version, event in state.registered.items() if not event.given | event.made)
        for name, state in sorted(states.items())
    }
    return {name: versions for name, versions in found.items() if versions}


def _matching(asked: str, data: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    wanted = PurePosixPath(asked)
    for path, hash_ in data.items():
        known = PurePosixPath(path)
        if wanted.is_relative_to(known) or known.is_relative_to(wanted):
            yield path, hash_
