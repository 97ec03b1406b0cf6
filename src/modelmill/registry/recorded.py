"""Data that a model was made from, as dvc.lock remembers it: https://dvc.org/doc/user-guide/project-structure/dvcyaml-files"""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

DVC_LOCK, REPORTS = "dvc.lock", "data/08_reporting/"

Stages = Mapping[str, Mapping[str, Any]]
"""What dvc.lock says, by stage."""


def versioned_data(root: Path, name: str) -> dict[str, str]:
    """Files and folders that the stages of a product, and those that they read from, read and wrote.

    Args:
        root: the project's folder.
        name: of the product; its stages are `<name>-<pipeline>`.

    Returns:
        path from the project's folder to DVC's hash, in the order in which they were made; empty without a dvc.lock.
        Code is left out: the commit names it.
    """
    return _items(_stages_behind(root, name))


def given_data(root: Path, name: str) -> dict[str, str]:
    """What of it no stage made: it came from outside.

    Args:
        root: the project's folder.
        name: of the product.

    Returns:
        path from the project's folder to DVC's hash; and address of what lies in a package or on a hub to what
        `versioning.given` says of it.
    """
    stages = _stages_behind(root, name)
    made = _makers(stages)
    files = {path: hash_ for path, hash_ in _items(stages).items() if path not in made}
    for entry in stages.values():
        for content in entry.get("params", {}).values():
            files |= content.get("sources", {})
    return files


def way_to_the_model(root: Path, name: str) -> list[str]:
    """What is made on the way to a product's model, in that order, and then the model itself.

    Reports are left out, which hold times.

    Args:
        root: the project's folder.
        name: of the product.

    Returns:
        paths from the project's folder; within a stage in the order of Kedro's layers; empty without a dvc.lock.
    """
    stages = _read(root)
    last = f"{name}-fine_tuning"
    order = _with_those_before(last, stages, _makers(stages)) if last in stages else ()
    return [path for path in _items({stage: stages[stage] for stage in order}) if not path.startswith(REPORTS)]


def _stages_behind(root: Path, name: str) -> Stages:
    """The stages of a product, and before them those that they read from."""
    stages = _read(root)
    maker = _makers(stages)
    order: dict[str, None] = {}
    for stage in stages:
        # What registers comes last: when a version is registered, dvc.lock has only the one before.
        if stage.startswith(f"{name}-") and stage != f"{name}-registration":
            order |= dict.fromkeys(_with_those_before(stage, stages, maker))
    return {stage: stages[stage] for stage in order}


def _read(root: Path) -> Stages:
    file = root / DVC_LOCK
    if not file.is_file():
        return {}
    import yaml

    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    stages: Stages = yaml.load(file.read_text(encoding="utf-8"), loader)["stages"]
    return stages


def _makers(stages: Stages) -> dict[str, str]:
    """Path to the stage that makes it."""
    return {out["path"]: stage for stage, entry in stages.items() for out in entry.get("outs", ())}


def _items(stages: Stages) -> dict[str, str]:
    """What stages read and wrote, without code, and DVC's hash of it."""
    return {
        item["path"]: item["md5"]
        for entry in stages.values()
        for item in (*entry.get("deps", ()), *entry.get("outs", ()))
        if not item["path"].endswith(".py")
    }


def _with_those_before(stage: str, stages: Stages, maker: Mapping[str, str]) -> Iterator[str]:
    for item in stages[stage].get("deps", ()):
        if (before := maker.get(item["path"])) is not None:
            yield from _with_those_before(before, stages, maker)
    yield stage
