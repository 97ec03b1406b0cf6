"""Raw data that DVC tracks: a run reads what was recorded, or nothing."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from modelmill.errors import DataError
from modelmill.sources.address import dvc_files
from modelmill.versioning.repository import Repository, is_versioned, under_dvc


@dataclass(frozen=True)
class Unrecorded:
    """A tracked file or folder that is not what its `.dvc` file says; the message names the commands that mend it."""

    path: str
    status: Literal["missing", "altered"]
    message: str


def check_recorded(addresses: Iterable[str], root: Path) -> None:
    """Check that tracked files behind addresses are what their `.dvc` files say: from data that nobody recorded, nobody
    could make the results again.

    What nobody tracks is not looked at, and neither is anything where DVC has started the process: it records itself.

    Raises:
        DataError: with every file or folder that is not, and what to do.
    """
    if under_dvc() or not is_versioned(root):
        return
    if found := unrecorded(addresses, root):
        raise DataError("\n".join(["raw data are not as DVC has them.", *(one.message for one in found)]))


def unrecorded(addresses: Iterable[str], root: Path) -> list[Unrecorded]:
    """Tracked files and folders behind addresses that are not what their `.dvc` files say.

    Args:
        addresses: as declared.
        root: of a project under DVC.
    """
    files = sorted({file for address in addresses for file in dvc_files(address, root)})
    repository = Repository(root)
    return [one for file in files for one in _unrecorded(file, root, repository)]


def _unrecorded(file: Path, root: Path, repository: Repository) -> Iterator[Unrecorded]:
    shown = file.relative_to(root).as_posix()
    for one in repository.tracked(file):
        if one.present is None:
            yield Unrecorded(one.path, "missing", f"{one.path} is not there. `dvc pull {shown}` brings it.")
        elif one.present != one.recorded:
            message = (
                f"{one.path} is not what {shown} records. `dvc checkout {shown}` brings the recorded one back, "
                f"`dvc add {one.path}` records this one."
            )
            yield Unrecorded(one.path, "altered", message)
