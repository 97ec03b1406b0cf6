"""What DVC holds of a file at a commit."""

import hashlib
from collections.abc import Iterable
from pathlib import Path
from typing import Any, NamedTuple

from modelmill.errors import RegistryError
from modelmill.registry.lineage import again


class Held(NamedTuple):
    """SHA-256 of the content that DVC holds, or what is the problem."""

    sha256: str | None
    problem: str | None = None


def dvc_digests(root: Path, commit: str, names: Iterable[str]) -> dict[str, Held]:
    """Read files as DVC knew them at a commit, from its cache or a remote: so they can be had again.

    Args:
        root: of the project, which is DVC's root or lies in it.
        commit: that holds the `.dvc` files or the `dvc.lock`.
        names: of files, relative to the root.
    """
    from dvc.exceptions import DvcException
    from dvc.repo import Repo
    from dvc.scm import RevError

    try:
        with Repo(str(root)) as repo:
            above = root.resolve().relative_to(repo.root_dir)
            with repo.switch(commit):  # DVC's root is at "/" of this file system
                return {name: _digest(repo.dvcfs, f"/{(above / name).as_posix()}") for name in names}
    except (DvcException, RevError) as error:
        why = f"cannot tell: DVC says: {str(error).splitlines()[0]}; `dvc init`, then `dvc add` it, and commit"
        return {name: Held(None, why) for name in names}


def _digest(files: Any, path: str) -> Held:
    from dvc.exceptions import DvcException

    try:
        files.info(path)
    except FileNotFoundError:
        return Held(None, f"neither git nor DVC knew it at the commit: `dvc add` it, commit, then {again('NAME')}")
    digest = hashlib.sha256()
    try:
        with files.open(path, "rb") as stream:
            while block := stream.read(1 << 20):
                digest.update(block)
    except (DvcException, OSError) as error:
        why = f"cannot tell: DVC knows it, but has no copy here nor in a remote: `dvc push` it ({error})"
        return Held(None, why)
    return Held(digest.hexdigest())


def fetch_at(root: Path, commit: str, names: Iterable[str]) -> None:
    """Bring what `.dvc` files name at a commit from the project's remotes into its cache, as far as it is there.

    Args:
        root: of the project, which is DVC's root.
        commit: that holds the `.dvc` files.
        names: of the `.dvc` files, relative to the root.

    Raises:
        RegistryError: when DVC refuses.
    """
    import logging

    from dvc.exceptions import DvcException
    from dvc.repo import Repo
    from dvc.scm import RevError

    logging.getLogger("dvc").setLevel(logging.ERROR)  # it warns that the files are not in the present tree
    try:
        with Repo(str(root)) as repo:
            above = root.resolve().relative_to(repo.scm.root_dir)  # of a commit's files Git's root is at "/"
            repo.fetch(targets=[f"/{(above / name).as_posix()}" for name in names], revs=[commit])
    except (DvcException, RevError) as error:
        raise RegistryError(f"DVC: {error}") from error
