"""Folders for what is passing."""

import subprocess
import sys
from pathlib import Path

from modelmill.files import scratch, scratch_folder

ASK = "import sys, os, signal\nfrom modelmill.files import scratch_folder\nprint(scratch_folder(sys.argv[1]))\n"


def ask(root: Path, then: str = "") -> Path:
    """A folder that another process asked for, before it ended."""
    done = subprocess.run([sys.executable, "-c", ASK + then, str(root)], capture_output=True, text=True, check=False)
    return Path(done.stdout.strip())


def test_a_process_leaves_nothing(tmp_path: Path) -> None:
    """Its folder is gone when it ends."""
    folder = ask(tmp_path)
    assert folder.is_relative_to(tmp_path / "data/.scratch")
    assert not folder.exists()


def test_what_a_killed_process_left_goes_with_the_next(tmp_path: Path) -> None:
    """And the folder of one that lives stays."""
    mine = scratch_folder(str(tmp_path))
    (mine / "table").write_text("needed")
    left = ask(tmp_path, "sys.stdout.flush()\nos.kill(os.getpid(), signal.SIGKILL)")
    assert left.is_dir()
    ask(tmp_path)
    assert not left.exists()
    assert (mine / "table").read_text() == "needed"


def test_each_asker_gets_a_folder_of_its_own(tmp_path: Path) -> None:
    """Two products in one run do not write over each other."""
    assert scratch_folder(str(tmp_path)) != scratch_folder(str(tmp_path))


def test_a_working_folder_is_gone_afterwards(tmp_path: Path) -> None:
    """Within a run, not only when the process ends."""
    with scratch(str(tmp_path)) as folder:
        (folder / "large").write_text("much")
    assert not folder.exists()
