"""Training in processes of its own: the job on disk, torchrun as a child process, and what comes back."""

import json
import logging
import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from functools import wraps
from pathlib import Path
from typing import Any, Protocol, TypeVar

import polars as pl

from modelmill.errors import UserError
from modelmill.files import write_whole
from modelmill.specs.backbone import PretrainingSpec
from modelmill.specs.base import Spec
from modelmill.specs.training import FineTuningSpec, OptimizerSpec
from modelmill.training.failures import SHUTDOWN, first_failure, somebody_failed
from modelmill.training.ranks import is_rank
from modelmill.training.work import claim, clear

RENDEZVOUS = "MODELMILL_RENDEZVOUS"
"""Environment: where the machines of a training meet, HOST:PORT of the one that `kedro run` is started on."""

JOB, RESULT = "job.json", "result"
CURVES, REPORT, MODEL = "curves.parquet", "report.json", "model"
"""Files of a job, and of its result."""

GRACE = 2 * SHUTDOWN
"""Seconds that torchrun gets to end all ranks."""

Declared = TypeVar("Declared", FineTuningSpec, PretrainingSpec)


class Trained(Protocol):
    """A result of a training; `saved` is called when it is safe."""

    def save(self, folder: Path) -> None: ...

    def saved(self) -> None: ...


Made = tuple[pl.DataFrame, dict[str, Any], Trained]
"""Curves, report, model."""


class Job(Spec):
    """What the processes of a training are to do: call a function of (data, start, spec, checkpoints)."""

    function: str
    """`module:name`."""
    data: Path
    start: Path
    spec: dict[str, Any]
    checkpoints: Path
    devices: int
    nodes: int
    rendezvous: str | None

    @classmethod
    def of(cls, folder: Path) -> "Job":
        """Read it."""
        return cls.model_validate_json((folder / JOB).read_text(encoding="utf-8"))


@dataclass(frozen=True)
class MadeByRanks:
    """A model that other processes have written."""

    folder: Path
    """Of the job."""
    checkpoints: Path

    def save(self, folder: Path) -> None:
        """Copy it."""
        shutil.copytree(self.folder / RESULT / MODEL, folder, dirs_exist_ok=True)

    def saved(self) -> None:
        """Neither the job nor the state of the training is needed any more."""
        clear(self.checkpoints)
        shutil.rmtree(self.folder, ignore_errors=True)  # another machine may still write its log


def in_processes(train: Callable[[Path, Path, Declared, Path], Made]) -> Callable[[Path, Path, Declared, Path], Made]:
    """Make a training do its work in as many processes as its spec declares; one process is the caller's own."""

    @wraps(train)
    def started(data: Path, start: Path, spec: Declared, checkpoints: Path) -> Made:
        plan = spec.training if isinstance(spec, PretrainingSpec) else spec
        if plan.processes == 1 or is_rank():
            return train(data, start, spec, checkpoints)
        job = Job(
            function=f"{train.__module__}:{train.__qualname__}",
            data=data.absolute(),
            start=start.absolute(),
            spec=spec.model_dump(mode="json", by_alias=True),
            checkpoints=checkpoints.absolute(),
            devices=plan.devices,
            nodes=plan.nodes,
            rendezvous=_rendezvous(plan),
        )
        return _done(job)

    return started


def _rendezvous(plan: OptimizerSpec) -> str | None:
    """Where the machines meet; one machine needs no such place."""
    if plan.nodes == 1:
        return None
    place = os.environ.get(RENDEZVOUS, "")
    if not _is_address(place):
        raise UserError(
            f"`training.nodes: {plan.nodes}` needs to know where the machines meet: set {RENDEZVOUS}=HOST:PORT, the "
            f"name of this machine and a free port (1 to 65535) that the others can reach; it is {place!r}."
        )
    return place


def _is_address(place: str) -> bool:
    """Whether it is HOST:PORT; an IPv6 address stands in brackets."""
    found = re.fullmatch(r"(?:[\w.-]+|\[[\da-fA-F:.]+\]):(\d{1,5})", place, re.ASCII)
    return found is not None and 0 < int(found[1]) < 2**16


def _done(job: Job) -> Made:
    """Do a job beside the state of the training: that folder is emptied by the training itself."""
    claim(job.checkpoints)
    folder = job.checkpoints.with_name(f"{job.checkpoints.name}_processes")
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    write_whole(folder / JOB, job.model_dump_json())
    if job.nodes > 1:
        command = shlex.join(["python", "-m", "modelmill.training.join", str(folder / JOB)])
        logging.getLogger(__name__).warning("start on each of the %d other machines: %s", job.nodes - 1, command)
    run_node(folder, job, 0)
    result = folder / RESULT
    report = json.loads((result / REPORT).read_text(encoding="utf-8"))
    return pl.read_parquet(result / CURVES), report, MadeByRanks(folder, job.checkpoints)


def run_node(folder: Path, job: Job, node: int) -> None:
    """Run the ranks of this machine until all are done.

    Args:
        folder: of the job.
        job: what to do.
        node: number of this machine; 0 has rank 0.

    Raises:
        UserError: what a rank has raised, or that one has died, here or on another machine. No rank is left then.
    """
    threads = str(max(1, _cores() // job.devices))
    agent = subprocess.Popen(
        [sys.executable, "-m", "modelmill.training.agent", str(folder), str(node), str(os.getpid())],
        env={"OMP_NUM_THREADS": threads, **os.environ},
        process_group=0,  # Ctrl-C is for us; we end the others
    )
    try:
        while agent.poll() is None and not somebody_failed(folder):
            _wait(agent, 0.2)
    finally:
        agent.terminate()
        _wait(agent, GRACE)
        agent.kill()
        agent.wait()
    if failure := first_failure(folder, machines=job.nodes):
        raise failure
    if agent.returncode:
        log = folder / f"node-{node}.log"
        raise UserError(f"the processes of the training ended with exit code {agent.returncode}; {log} says why.")


def _cores() -> int:
    """That this process may use."""
    return len(os.sched_getaffinity(0)) if sys.platform == "linux" else os.cpu_count() or 1


def _wait(agent: subprocess.Popen[bytes], seconds: float) -> None:
    try:
        agent.wait(seconds)
    except subprocess.TimeoutExpired:
        return
