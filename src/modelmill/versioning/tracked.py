"""Raw data that DVC tracks: a run reads what was recorded, or nothing."""

from collections.abc import Iterable, Iterator
from pathlib import Path

from modelmill.errors import DataError
from modelmill.sources.address import dvc_files
from modelmill.versioning.repository import Repository, is_versioned, under_dvc


def check_recorded(addresses: Iterable[str], root: Path) -> None:
    """Check that tracked files behind addresses are what their `.dvc` files say: from data that nobody recorded, nobody
    could make the results again.

    What nobody tracks is not looked at, and neither is anything where DVC has started the process: it records itself.

    Raises:
        DataError: with every file or folder that is not, and what to do.
    """
    if under_dvc() or not is_versioned(root):
        return
    files = sorted({file for address in addresses for file in dvc_files(address, root)})
    repository = Repository(root)
    if problems := [problem for file in files for problem in _problems(file, root, repository)]:
        raise DataError("raw data are not as DVC has them.\n" + "\n".join(problems))


def _problems(file: Path, root: Path, repository: Repository) -> Iterator[str]:
    shown = file.relative_to(root).as_posix()
    for one in repository.tracked(file):
        if one.present is None:
            yield f"{one.path} is not there. `dvc pull {shown}` brings it."
        elif one.present != one.recorded:
            yield (
                f"{one.path} is not what {shown} records. `dvc checkout {shown}` brings the recorded one back, "
                f"`dvc add {one.path}` records this one."
            )
