"""Packages, threads and instruction set of the process in which a version is built again."""

import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from modelmill.errors import NotFoundError
from modelmill.registry.lineage import LOCK, installed_packages
from modelmill.registry.reproduce.processes import Logged

OWN = __name__.partition(".")[0]
"""This package, of which the commit says more than a release."""

INSTRUCTIONS = ("DEFAULT", "AVX2", "AVX512")
"""Of torch on x86, later ones hold the ones before."""

OF_THIS_PROJECT = ("DVC_", "GIT_", "KEDRO_", "MLFLOW_EXPERIMENT", "MLFLOW_REGISTRY", "MLFLOW_RUN", "MLFLOW_TRACKING")
"""Variables that name other places than those of the worktree."""


def environment_of(there: Path, machine: Mapping[str, Any], *, present: Mapping[str, Any]) -> dict[str, str]:
    """Variables of the process, so that it computes as the version's did.

    Args:
        there: the project's folder in a worktree; its source comes before all others.
        machine: on which the version was made.
        present: this one; a smaller instruction set can be asked for, a larger one cannot.
    """
    found = {key: value for key, value in os.environ.items() if not key.startswith(OF_THIS_PROJECT)}
    paths = [str(there / "src"), *filter(None, [os.environ.get("PYTHONPATH")])]
    found["PYTHONPATH"] = os.pathsep.join(paths)
    found |= {"OMP_NUM_THREADS": str(machine["threads"]), "MKL_NUM_THREADS": str(machine["threads"])}
    if machine["threads"] > (os.cpu_count() or 1):
        found["MKL_DYNAMIC"] = "FALSE"  # else MKL takes as many as there are cores, and torch follows it
    found |= {"COLUMNS": "200", "DO_NOT_TRACK": "1", "MODELMILL_ACTOR": "kedro model reproduce"}
    if _is_smaller(asked := machine["instructions"], present["instructions"]):
        # https://docs.pytorch.org/docs/stable/backends.html names the first, oneDNN and MKL have their own
        found |= {"ATEN_CPU_CAPABILITY": asked.lower()}
        if asked == "AVX2":
            found |= {"ONEDNN_MAX_CPU_ISA": asked, "MKL_ENABLE_INSTRUCTIONS": asked}
    if machine["device"] == "cpu":
        found["CUDA_VISIBLE_DEVICES"] = ""
    return found


def present_machine() -> dict[str, Any]:
    """This machine, with its first GPU if it has one."""
    import torch

    from modelmill.training.machine_module import describe_machine

    return describe_machine(torch.device("cuda" if torch.cuda.is_available() else "cpu"))


def machine_differences(then: Mapping[str, Any], present: Mapping[str, Any]) -> dict[str, tuple[Any, Any]]:
    """What of this machine is not as it was and cannot be set for a process: by name, (then, now)."""
    found = {key: (then.get(key), now) for key, now in present.items() if then.get(key) != now and key != "threads"}
    if then["device"] == "cpu":
        found.pop("device", None)
    if _is_smaller(then["instructions"], present["instructions"]):
        found.pop("instructions")
    return found


def _is_smaller(asked: str, able: str) -> bool:
    return {asked, able} <= {*INSTRUCTIONS} and INSTRUCTIONS.index(asked) < INSTRUCTIONS.index(able)


def package_differences(then: Mapping[str, str], now: Mapping[str, str] | None = None) -> list[str]:
    """'polars 2.1.0 -> 2.0.9' for each package of others that is another one now; '-' where it is not there.

    Args:
        then: version by name.
        now: by default what is installed here.
    """
    now = installed_packages() if now is None else now
    names = sorted({*then, *now} - {OWN})
    return [
        f"{name} {then.get(name, '-')} -> {now.get(name, '-')}" for name in names if then.get(name) != now.get(name)
    ]


def make_environment(there: Path, folder: Path, logged: Logged) -> Path:
    """Install the packages of a project's lock file into a new virtual environment.

    Args:
        there: the project's folder.
        folder: of the environment; not there yet.
        logged: runs pip.

    Returns:
        its Python.

    Raises:
        NotFoundError: when the project has no lock file.
        RegistryError: when a package cannot be had.
    """
    lock = there / LOCK
    if not lock.is_file():
        raise NotFoundError(f"there is no {LOCK} at the commit of the version, so no environment can be made from it")
    python = folder / "bin" / "python"
    mine = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    logged.run([sys.executable, "-m", "venv", str(folder)], there, mine)
    logged.run([str(python), "-m", "pip", "install", "--requirement", str(lock)], there, mine)
    return python
