"""Where a version comes from: commit, environment, data."""

import hashlib
import subprocess
from pathlib import Path
from typing import Any

import polars as pl

from modelmill.digest import backbone_origin
from modelmill.records import table_digest

LOCK = "requirements.lock"


def code_lineage(root: Path) -> dict[str, str]:
    """Git commit and whether the tree differs from it; SHA-256 of the lock file. 'none' where there is none."""
    commit = git(root, "rev-parse", "HEAD")
    status = git(root, "status", "--porcelain")
    lock = root / LOCK
    return {
        "git_commit": commit.decode().strip() if commit else "none",
        "git_dirty": "unknown" if status is None else str(bool(status.strip())).lower(),
        "environment_lock_sha256": hashlib.sha256(lock.read_bytes()).hexdigest() if lock.is_file() else "none",
    }


def git(root: Path, *arguments: str) -> bytes | None:
    """What git says in a folder; None when it refuses or is not there."""
    try:
        return subprocess.run(["git", "-C", str(root), *arguments], capture_output=True, check=True).stdout
    except (OSError, subprocess.CalledProcessError):
        return None


def data_lineage(
    run: dict[str, Any],
    sources: dict[str, str],
    train: pl.DataFrame,
    validation: pl.DataFrame,
    test: pl.DataFrame,
    backbone: Path,
) -> dict[str, Any]:
    """All that a version was made from.

    Args:
        run: of MLflow; its `code` is what `code_lineage` found when it began.
        sources: SHA-256 of every source file by name.
        train: training records.
        validation: validation records.
        test: test records.
        backbone: its folder.

    Returns:
        code, SHA-256 of every source file and of the records of every split, the backbone and what it was made from.
    """
    splits = {"train": train, "validation": validation, "test": test}
    return {
        "code": run["code"],
        "sources": sources,
        "splits": {name: {"records": part.height, "sha256": table_digest(part)} for name, part in splits.items()},
        "backbone": backbone_origin(backbone),
    }
