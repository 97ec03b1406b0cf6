"""Where a version comes from: commit, environment, data."""

import hashlib
import os
import re
import subprocess
from importlib.metadata import distributions
from pathlib import Path
from typing import Any

import polars as pl

from modelmill.digest import backbone_origin
from modelmill.records import table_digest
from modelmill.registry.recorded import given_data, versioned_data

LOCK = "requirements.lock"

WRITTEN_BY_RUNS = ("dvc.lock", "dvc.yaml", "params", "data/08_reporting")
"""Files in Git that runs write, and that follow from the others: that they have changed hides no change of those."""

EXPERIMENT = {"dvc_experiment": "DVC_EXP_NAME", "dvc_baseline": "DVC_EXP_BASELINE_REV"}
"""What DVC tells the stages of an experiment: https://dvc.org/doc/user-guide/env"""


def again(name: str) -> str:
    """The command that registers what is there as a new version: `kedro run` skips what has not changed."""
    return f"`kedro run --namespaces {name}.registration --force`"


def code_lineage(root: Path) -> dict[str, str]:
    """Git commit and whether the tree differs from it; SHA-256 of the lock file. 'none' where there is none.

    In a run of `dvc exp run` also the experiment's name and the commit that it started from.
    """
    commit = git(root, "rev-parse", "HEAD")
    status = git(root, "status", "--porcelain", "--", ".", *(f":(exclude){path}" for path in WRITTEN_BY_RUNS))
    lock = root / LOCK
    return {
        "git_commit": commit.decode().strip() if commit else "none",
        "git_dirty": "unknown" if status is None else str(bool(status.strip())).lower(),
        "environment_lock_sha256": hashlib.sha256(lock.read_bytes()).hexdigest() if lock.is_file() else "none",
        **{key: os.environ[variable] for key, variable in EXPERIMENT.items() if variable in os.environ},
    }


def installed_packages() -> dict[str, str]:
    """Version of every distribution that is installed here, by its normalised name (PEP 503)."""
    first_last = reversed([*distributions()])  # of two with one name Python imports the one that is found first
    found = {re.sub(r"[-_.]+", "-", one.metadata["Name"]).lower(): one.version for one in first_last}
    return dict(sorted(found.items()))


def git(root: Path, *arguments: str) -> bytes | None:
    """What git says in a folder; None when it refuses or is not there."""
    try:
        return subprocess.run(["git", "-C", str(root), *arguments], capture_output=True, check=True).stdout
    except (OSError, subprocess.CalledProcessError):
        return None


def data_lineage(
    run: dict[str, Any],
    sources: dict[str, str],
    backbone: Path,
    training: dict[str, Any],
    root: str,
    **splits: pl.DataFrame,
) -> dict[str, Any]:
    """All that a version was made from, so that it can be made again.

    Args:
        run: of MLflow; its `code` is what `code_lineage` found when it began, its `asked` the `--env` and `--params`.
        sources: SHA-256 of every source file by name.
        backbone: its folder.
        training: the report of the fine-tuning; its `machine` says on what it ran.
        root: the project's folder.
        splits: records by the name of their split.

    Returns:
        code, how `kedro run` was asked, SHA-256 of every source file and of the records of every split, DVC's hash of
        all data on the way and of what no stage made, the backbone and what it was made from, the machine, and every
        installed package.
    """
    return {
        "code": run["code"],
        "asked": run["asked"],
        "machine": training["machine"],
        "packages": installed_packages(),
        "data": versioned_data(Path(root), run["name"]),
        "given": given_data(Path(root), run["name"]),
        "sources": sources,
        "splits": {name: {"records": part.height, "sha256": table_digest(part)} for name, part in splits.items()},
        "backbone": backbone_origin(backbone),
    }
