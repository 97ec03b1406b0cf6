"""The folder of a training belongs to one process at a time."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from modelmill.errors import UserError
from modelmill.training.work import STATE, Work, clear

TRAINS = """
import sys
from pathlib import Path
from modelmill.training.work import STATE, Work, clear
folder = Path(sys.argv[1])
Work(folder, "one").begin()
(folder / STATE).write_text("state")
print("begun", flush=True)
sys.stdin.readline()
clear(folder)
print("cleared", flush=True)
sys.stdin.readline()
"""


@contextmanager
def trains(folder: Path) -> Iterator[subprocess.Popen[str]]:
    """Another process that has begun there; at a line of input it removes its state, and lives on."""
    command = [sys.executable, "-c", TRAINS, str(folder)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert said(process) == "begun"
            yield process
        finally:
            process.kill()


def said(process: subprocess.Popen[str]) -> str:
    """The next line of a process."""
    assert process.stdout
    return process.stdout.readline().strip()


@pytest.mark.parametrize("identity", ["one", "two"])
def test_a_second_process_is_refused(tmp_path: Path, identity: str) -> None:
    """Of the same training or of another; the message names the first one, whose state stays. Killed, it makes room,
    and the same training finds its state."""
    folder = tmp_path / "mood/checkpoints"
    with trains(folder) as first:
        with pytest.raises(UserError, match=rf"process {first.pid} on \S+ trains in {folder}, .* Wait until"):
            Work(folder, identity).begin()
        assert (folder / STATE).read_text() == "state"
        first.kill()
        first.wait()
        assert Work(folder, identity).begin() == (folder / STATE if identity == "one" else None)
    clear(folder)


def test_a_result_that_is_saved_makes_room(tmp_path: Path) -> None:
    """The process lives on, and does not hold the folder any more; the next one there is told of the right one."""
    folder = tmp_path / "checkpoints"
    with trains(folder) as first:
        print(file=first.stdin, flush=True)
        assert said(first) == "cleared"
        assert not folder.exists()
        with trains(folder) as second, pytest.raises(UserError, match=f"process {second.pid} on"):
            Work(folder, "one").begin()


def test_one_process_may_begin_again(tmp_path: Path) -> None:
    """After an error in a notebook."""
    assert [Work(tmp_path / "checkpoints", name).begin() for name in ("one", "one", "two")] == [None] * 3
    clear(tmp_path / "checkpoints")
