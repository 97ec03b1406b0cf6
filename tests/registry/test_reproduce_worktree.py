"""The project at a commit, with its data, beside the project itself."""

import hashlib
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from modelmill.errors import NotFoundError
from modelmill.registry.reproduce.worktree import bring_data, bring_sources, checked_out, dvc_hashes

REVIEWS = "data/reviews"


def run(folder: Path, *command: str) -> str:
    """A command; what it printed."""
    return subprocess.run(command, cwd=folder, check=True, capture_output=True, text=True).stdout.strip()


def dvc(folder: Path, *arguments: str) -> None:
    """DVC's own command."""
    run(folder, sys.executable, "-m", "dvc", *arguments)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A project below the top of a Git repository, committed."""
    top = tmp_path / "repository"
    root = top / "project"
    root.mkdir(parents=True)
    run(top, "git", "init", "--quiet")
    run(top, "git", "config", "user.email", "ann@example.com")
    run(top, "git", "config", "user.name", "Ann")
    (root / "seed").write_text("1")
    commit(root)
    return root


def commit(root: Path) -> str:
    """Commit everything; the commit."""
    run(root, "git", "add", "--all")
    run(root, "git", "commit", "--quiet", "--message", "as it is")
    return run(root, "git", "rev-parse", "HEAD")


def worktrees(root: Path) -> int:
    """How many there are, the repository's own included."""
    return len(run(root, "git", "worktree", "list").splitlines())


def look_and_fail(there: Path) -> None:
    """What a run does that breaks off, while git keeps the worktree locked, as it does until it is all there."""
    run(there.parent, "git", "worktree", "lock", ".")
    assert there.name == "project"
    assert (there / "seed").read_text() == "1"
    raise ZeroDivisionError


def test_the_project_of_a_commit_goes_again_when_it_failed(root: Path, tmp_path: Path) -> None:
    """The folder has the files of the commit, not those that lie here; afterwards Git knows one worktree only."""
    first = run(root, "git", "rev-parse", "HEAD")
    (root / "seed").write_text("2")
    with pytest.raises(ZeroDivisionError), checked_out(root, first, tmp_path / "there", keep=False) as there:
        look_and_fail(there)
    assert not (tmp_path / "there").exists()
    assert worktrees(root) == 1


def test_what_is_kept_stays(root: Path, tmp_path: Path) -> None:
    """For a person who wants to look."""
    with checked_out(root, "HEAD", tmp_path / "there", keep=True):
        pass
    assert (tmp_path / "there" / "project" / "seed").is_file()
    assert worktrees(root) == 2


def test_a_commit_that_is_not_here_is_an_error(root: Path, tmp_path: Path) -> None:
    """It says how to get it."""
    with pytest.raises(NotFoundError, match="git fetch"), checked_out(root, "0" * 40, tmp_path / "there", keep=False):
        pass


def test_data_come_as_they_were_at_the_commit(root: Path, tmp_path: Path) -> None:
    """From the project's cache, and from its remote when that is empty; from nowhere is an error.

    The commit has one row, and the project two by now.
    """
    dvc(root, "init", "--quiet", "--subdir")
    dvc(root, "remote", "add", "--default", "store", str(tmp_path / "store"))
    file = root / REVIEWS / "pos.txt"
    file.parent.mkdir(parents=True)
    file.write_text("one\n")
    dvc(root, "add", "--quiet", REVIEWS)
    dvc(root, "push", "--quiet")
    old = commit(root)
    file.write_text("one\ntwo\n")
    dvc(root, "add", "--quiet", REVIEWS)
    commit(root)
    cache = root / ".dvc" / "cache"
    for number, emptied in enumerate(([], [cache], [cache, tmp_path / "store"])):
        for folder in emptied:
            shutil.rmtree(folder)
        with checked_out(root, old, tmp_path / str(number), keep=False) as there:
            names = [*dvc_hashes(there, {REVIEWS: "of the version"})]
            assert names == [f"{REVIEWS}.dvc"]
            if len(emptied) == 2:
                with pytest.raises(NotFoundError, match="dvc push"):
                    bring_data(root, there, old, names)
            else:
                bring_data(root, there, old, names)
                assert (there / REVIEWS / "pos.txt").read_text() == "one\n"
    assert file.read_text() == "one\ntwo\n"


def test_dvc_files_of_other_products_are_left_alone(root: Path) -> None:
    """Those count that are about a path of the version, a folder around it, or a file in it."""
    for name in ("data/a.dvc", "data/b/c.dvc", "data/other.dvc"):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(f"outs:\n- md5: h\n  path: {Path(name).stem}\n")
    commit(root)
    assert sorted(dvc_hashes(root, {"data/a/in.txt": "", "data/b": ""})) == ["data/a.dvc", "data/b/c.dvc"]


def test_a_source_that_nobody_versioned_is_copied_as_long_as_it_is_the_same(root: Path, tmp_path: Path) -> None:
    """Else the version cannot be built again, and the error says what to do the next time."""
    (root / "raw.txt").write_text("one")
    there = tmp_path / "there"
    there.mkdir()
    sources = {"raw.txt": hashlib.sha256(b"one").hexdigest()}
    bring_sources(root, there, sources)
    assert (there / "raw.txt").read_text() == "one"
    (there / "raw.txt").unlink()
    (root / "raw.txt").write_text("two")
    with pytest.raises(NotFoundError, match=r"raw\.txt is neither in Git nor in DVC.*`dvc add` it"):
        bring_sources(root, there, sources)
