"""Where a version comes from: commit, environment, data."""

import hashlib
import subprocess
from pathlib import Path
from typing import Any

import polars as pl

from modelmill.digest import backbone_origin
from modelmill.records import table_digest


def code_lineage(root: Path) -> dict[str, str]:
    """Git commit and whether the tree differs from it; SHA-256 of the lock file. 'none' where there is none."""
    commit = _git(root, "rev-parse", "HEAD")
    status = _git(root, "status", "--porcelain")
    lock = root / "requirements.lock"
    return {
        "git_commit": commit or "none",
        "git_dirty": "unknown" if status is None else str(bool(status)).lower(),
        "environment_lock_sha256": hashlib.sha256(lock.read_bytes()).hexdigest() if lock.is_file() else "none",
    }


def _git(root: Path, *arguments: str) -> str | None:
    try:
        done = subprocess.run(["git", "-C", str(root), *arguments], capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return None
    return done.stdout.strip()


def data_lineage(
    sources: dict[str, str], train: pl.DataFrame, validation: pl.DataFrame, test: pl.DataFrame, backbone: Path
) -> dict[str, Any]:
    """SHA-256 of every source file, of the records of every split, of the backbone and of what it was made from."""
    splits = {"train": train, "validation": validation, "test": test}
    return {
        "sources": sources,
        "splits": {name: {"records": part.height, "sha256": table_digest(part)} for name, part in splits.items()},
        "backbone": backbone_origin(backbone),
    }
