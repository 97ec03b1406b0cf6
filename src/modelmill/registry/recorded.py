"""Data that a model was made from, as dvc.lock remembers it: https://dvc.org/doc/user-guide/project-structure/dvcyaml-files"""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

DVC_LOCK = "dvc.lock"


def versioned_data(root: Path, name: str) -> dict[str, str]:
    """Files and folders that the stages of a product, and those that they read from, read and wrote.

    Args:
        root: the project's folder.
        name: of the product; its stages are `<name>-<pipeline>`.

    Returns:
        path from the project's folder to DVC's hash, in the order in which they were made; empty without a dvc.lock.
        Code is left out: the commit names it.
    """
    file = root / DVC_LOCK
    if not file.is_file():
        return {}
    import yaml

    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    stages: Mapping[str, Any] = yaml.load(file.read_text(encoding="utf-8"), loader)["stages"]
    maker = {out["path"]: stage for stage, entry in stages.items() for out in entry.get("outs", ())}
    order: dict[str, None] = {}
    for stage in stages:
        # What registers comes last: when a version is registered, dvc.lock has only the one before.
        if stage.startswith(f"{name}-") and stage != f"{name}-registration":
            order |= dict.fromkeys(_with_those_before(stage, stages, maker))
    found: dict[str, str] = {}
    for stage in order:
        for item in (*stages[stage].get("deps", ()), *stages[stage].get("outs", ())):
            if not item["path"].endswith(".py"):
                found[item["path"]] = item["md5"]
    return found


def _with_those_before(stage: str, stages: Mapping[str, Any], maker: Mapping[str, str]) -> Iterator[str]:
    for item in stages[stage].get("deps", ()):
        if (before := maker.get(item["path"])) is not None:
            yield from _with_those_before(before, stages, maker)
    yield stage
