"""What ranks do in the tests of processes: nothing that takes long."""

import os
import signal
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl
import psutil

from modelmill.errors import DataError
from modelmill.specs.training import FineTuningSpec
from modelmill.training.fit import CURVE
from modelmill.training.processes import Made, in_processes
from modelmill.training.ranks import World

LONG = 600
"""Seconds that no test waits for."""


@dataclass(frozen=True)
class Note:
    """Stands for a model."""

    text: str

    def save(self, folder: Path) -> None:
        """Write it."""
        (folder / "note").write_text(self.text)

    def saved(self) -> None:
        """Nothing to remove."""


def arrive(data: Path) -> int:
    """Leave the numbers of this rank's process and of the one above; wait for the other rank. Answers the rank."""
    rank = World.here().rank
    part = data / f"part-{rank}"
    part.write_text(f"{os.getpid()} {os.getppid()}")
    part.rename(data / f"rank-{rank}")
    while len(arrived(data)) < 2:
        time.sleep(0.01)
    return rank


def arrived(data: Path) -> list[Path]:
    """What ranks have left."""
    return sorted(data.glob("rank-*"))


def living(data: Path) -> list[int]:
    """Processes of ranks, and those above them, that have not died."""
    numbers = {int(number) for path in arrived(data) for number in path.read_text().split()}
    return [number for number in numbers if psutil.pid_exists(number) and not is_zombie(number)]


def is_zombie(number: int) -> bool:
    """Whether a process has died and nobody has asked how; or has just gone."""
    try:
        return psutil.Process(number).status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


@in_processes
def say_both(data: Path, start: Path, spec: FineTuningSpec, checkpoints: Path) -> Made:
    """Each rank says which one it is; all speak."""
    import logging

    rank = arrive(data)
    logging.getLogger("modelmill").warning("speaks")
    print(f"printed by {rank}")
    curves = pl.DataFrame([("train_loss", 1, 0.1 + rank)], schema=CURVE, orient="row")
    return curves, {"rank": rank, "seed": spec.seed, "none": None}, Note(f"rank {rank}")


@in_processes
def refuse(data: Path, start: Path, spec: FineTuningSpec, checkpoints: Path) -> Made:
    """Rank 1 finds the data wanting; rank 0 waits for it."""
    if arrive(data) == 1:
        raise DataError("the data are `wanting`.\nGive more.")
    time.sleep(LONG)
    raise AssertionError


@in_processes
def stumble(data: Path, start: Path, spec: FineTuningSpec, checkpoints: Path) -> Made:
    """Rank 1 has a mistake in it."""
    if arrive(data) == 1:
        print(1 / 0)
    time.sleep(LONG)
    raise AssertionError


@in_processes
def ignore(data: Path, start: Path, spec: FineTuningSpec, checkpoints: Path) -> Made:
    """As `stumble`, and rank 0 does not stop when it is asked to."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    return stumble(data, start, spec, checkpoints)


@in_processes
def perish(data: Path, start: Path, spec: FineTuningSpec, checkpoints: Path) -> Made:
    """Rank 1 is killed; rank 0 waits for it, as gloo does, and fails."""
    from torch import distributed

    if arrive(data) == 1:
        os.kill(os.getpid(), signal.SIGKILL)
    distributed.barrier()
    raise AssertionError


@in_processes
def linger(data: Path, start: Path, spec: FineTuningSpec, checkpoints: Path) -> Made:
    """All wait."""
    arrive(data)
    time.sleep(LONG)
    raise AssertionError


def run(what: Any, folder: Path, **options: Any) -> Made:
    """Call one of them in two processes."""
    folder.mkdir(exist_ok=True)
    return what(folder, folder, FineTuningSpec.model_validate({"devices": 2, **options}), folder / "work")
