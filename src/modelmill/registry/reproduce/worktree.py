"""The project as it was at a commit, in a folder of its own, with its data."""

import shutil
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path, PurePosixPath

import yaml

from modelmill.errors import NotFoundError, RegistryError
from modelmill.registry.held import fetch_at
from modelmill.registry.lineage import git
from modelmill.registry.reproduce.processes import called
from modelmill.sources.address import file_sha256

DVC = (sys.executable, "-m", "dvc")
HERE = "present_project"
"""The DVC remote of a worktree that is the cache of the project: what is made in a worktree stays out of that cache."""


@contextmanager
def checked_out(root: Path, commit: str, folder: Path, *, keep: bool) -> Iterator[Path]:
    """A worktree of Git at a commit; it goes again, whatever happens, unless it is to be kept.

    Args:
        root: the project's folder, which may lie below that of the repository.
        commit: to check out.
        folder: where the worktree is to be; not there yet.
        keep: let it stay.

    Returns:
        the project's folder in it.

    Raises:
        NotFoundError: when the repository has no such commit.
    """
    if git(root, "cat-file", "-e", f"{commit}^{{commit}}") is None:
        raise NotFoundError(f"the commit {commit} is not in the repository of {root}: `git fetch` it")
    inside = called(["git", "rev-parse", "--show-prefix"], root)
    try:
        # Hooks of the repository, such as DVC's own, would act on a tree that is not set up yet.
        quietly = ("-c", "core.hooksPath=/dev/null")
        called(["git", *quietly, "worktree", "add", "--detach", str(folder), commit], root)
        yield folder / inside
    finally:
        if not keep:
            git(root, "worktree", "unlock", str(folder))  # git locks one until it is all there
            shutil.rmtree(folder, ignore_errors=True)
            git(root, "worktree", "prune")


def dvc_hashes(there: Path, data: Mapping[str, str]) -> dict[str, str]:
    """The `.dvc` files of a checked out project that are about what a version was made from, and the hashes in them.

    Args:
        there: the project's folder.
        data: what the version was made from, by path.

    Returns:
        path of the `.dvc` file to DVC's hash; paths are from the project's folder.
    """
    found = {}
    for name in (git(there, "ls-files", "-z", "--", "*.dvc") or b"").decode().split("\0"):
        outs = yaml.safe_load((there / name).read_text(encoding="utf-8"))["outs"] if name else []
        for out in outs:
            path = PurePosixPath(name).parent / out["path"]
            if any(path.is_relative_to(one) or PurePosixPath(one).is_relative_to(path) for one in data):
                found[name] = str(out.get("md5"))
    return found


def bring_data(root: Path, there: Path, commit: str, names: Sequence[str]) -> None:
    """Bring what `.dvc` files name into a checked out project: from the project's cache, or from its remotes.

    Args:
        root: the project's folder.
        there: the project's folder in a worktree.
        commit: that is checked out there.
        names: of the `.dvc` files.

    Raises:
        NotFoundError: when neither the cache nor a remote has it.
    """
    if not (there / ".dvc").is_dir():
        return
    cache = called([*DVC, "cache", "dir"], root)
    called([*DVC, "config", "--local", "cache.dir", str(there / ".dvc" / "cache")], there)
    called([*DVC, "remote", "add", "--local", HERE, cache], there)
    if not names:
        return
    pull = [*DVC, "pull", "--quiet", "--remote", HERE, *names]
    try:
        called(pull, there)
    except RegistryError:
        try:
            fetch_at(root, commit, names)
            called(pull, there)
        except RegistryError as error:
            raise NotFoundError(
                f"the data at commit {commit} ({', '.join(names)}) are neither in DVC's cache here nor in a remote: "
                f"`dvc push` them where they are. {error.message}"
            ) from error


def bring_sources(root: Path, there: Path, sources: Mapping[str, str]) -> None:
    """Copy source files into a checked out project that neither Git nor DVC knew, if they are here as they were.

    Args:
        root: the project's folder.
        there: the project's folder in a worktree.
        sources: SHA-256 by path from the project's folder.

    Raises:
        NotFoundError: when one is not here, or is another one now.
    """
    for name, sha256 in sources.items():
        if (there / name).exists():
            continue
        if not (root / name).is_file() or file_sha256(root / name) != sha256:
            raise NotFoundError(
                f"{name} is neither in Git nor in DVC at the commit of the version, and what lies here is not what the "
                f"version was made from (SHA-256 {sha256}): `dvc add` it, commit, and `kedro run` makes a new one"
            )
        (there / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(root / name, there / name)
