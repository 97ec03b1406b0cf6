"""How the processes of a training say what went wrong, and how that becomes one message."""

import ctypes
import json
import os
import signal
import sys
import time
import traceback
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from modelmill import errors
from modelmill.errors import UserError
from modelmill.files import write_whole

if TYPE_CHECKING:
    from torch.distributed.elastic.multiprocessing.errors import ProcessFailure

AGAIN = "Run the same command again: it goes on from the last checkpoint."

SHUTDOWN = 5
"""Seconds that torchrun leaves to ranks to stop when another one has failed."""

SETTLING = 2.0
"""Seconds after which the other machines have said what they saw: a rank that loses another one fails as well."""

PR_SET_PDEATHSIG = 1
"""prctl(2): the signal that a process gets when its parent dies."""


def die_with(parent: int) -> None:
    """Let this process be killed when its parent is (Linux)."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:  # it has died before that
        os._exit(1)


def log_of(folder: Path, rank: int | str) -> Path:
    """What a rank writes that is not for the terminal."""
    return folder / f"rank-{rank}.log"


def tell(folder: Path, rank: int, error: Exception) -> None:
    """Write down what a rank could not do; whatever is no UserError with its traceback."""
    known = isinstance(error, UserError)
    message = error.message if isinstance(error, UserError) else f"{type(error).__name__}: {error}"
    if not known:
        with log_of(folder, rank).open("a", encoding="utf-8") as log:
            traceback.print_exception(error, file=log)
    said = {"rank": rank, "time": time.time(), "kind": type(error).__name__ if known else None, "message": message}
    write_whole(folder / f"error-{rank}.json", json.dumps(said))


def tell_ends(folder: Path, node: int, ends: Mapping[int, "ProcessFailure"]) -> None:
    """Write down by which exit codes ranks of a machine have ended, the first one first; negative ones are signals.

    Those that were left when the first one failed do not count: torchrun itself ends them by SIGTERM. One that does not
    stop then is killed by it after `SHUTDOWN` seconds; None stands for that.
    """
    first, own = next(iter(ends.values())), {}
    for rank, end in ends.items():
        late = end.exitcode == -signal.SIGKILL and end.timestamp - first.timestamp >= SHUTDOWN
        if end is first or end.exitcode != -signal.SIGTERM:
            own[rank] = None if late else end.exitcode
    write_whole(folder / f"ends-{node}.json", json.dumps(own))


def somebody_failed(folder: Path) -> bool:
    """Whether a machine has seen one of its ranks fail."""
    return any(folder.glob("ends-*.json"))


def first_failure(folder: Path, machines: int) -> UserError | None:
    """What went wrong: an error for the user, else a killed rank, else the first error of any other kind; and which
    ranks did not stop because of it.
    """
    if not somebody_failed(folder):
        return None
    if machines > 1:
        time.sleep(SETTLING)
    ends = {rank: code for path in folder.glob("ends-*.json") for rank, code in json.loads(path.read_text()).items()}
    failure = _first_cause(folder, {rank: code for rank, code in ends.items() if code is not None})
    stuck = [rank for rank, code in ends.items() if code is None]
    told = [f"Rank {rank} did not stop when asked to, and was killed after {SHUTDOWN} s." for rank in stuck]
    return type(failure)("\n".join([failure.message, *told]))


def _first_cause(folder: Path, ends: Mapping[str, int]) -> UserError:
    said = sorted((json.loads(path.read_text()) for path in folder.glob("error-*.json")), key=lambda one: one["time"])
    if known := [one for one in said if one["kind"]]:
        kind: type[UserError] = getattr(errors, known[0]["kind"])
        return kind(known[0]["message"])
    if killed := [(rank, -code) for rank, code in ends.items() if code < 0]:
        rank, number = killed[0]
        memory = " (the system kills so when memory is short)" if number == signal.SIGKILL else ""
        return UserError(f"rank {rank} was killed by signal {number}{memory}. {AGAIN}")
    if said:
        rank, log = said[0]["rank"], log_of(folder, said[0]["rank"])
        return UserError(f"rank {rank} failed: {said[0]['message']}\nThe traceback is in {log}.")
    rank, code = next(iter(ends.items()))
    return UserError(f"rank {rank} ended with exit code {code}; {log_of(folder, rank)} may say why. {AGAIN}")
