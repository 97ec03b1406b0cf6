"""A version built again, registered in an MLflow of its own."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from modelmill.registry.desk import Desk
from modelmill.registry.reproduce.origin import Made, read_made
from modelmill.registry.reproduce.processes import Logged
from modelmill.specs.mlflow import MlflowSpec
from modelmill.specs.registry import RegistrySpec

ALONE = RegistrySpec.model_validate({"stages": {"candidate": {}, "archived": {}}})
"""Reads the one event of a registry that nothing was promoted in."""


@dataclass(frozen=True)
class Site:
    """Where a version is built again: the project in a worktree, a folder beside it, and what runs it."""

    there: Path
    beside: Path
    python: Path
    environment: dict[str, str]


def rebuild(made: Made, site: Site, logged: Logged) -> Made:
    """Run the pipelines of a version again, as they were asked for.

    Args:
        made: the version.
        site: has its commit and its data.
        logged: runs Kedro.

    Returns:
        what was built.

    Raises:
        RegistryError: when the run fails.
    """
    asked = made.lineage["asked"]
    settings = MlflowSpec(tracking_uri="sqlite:///reproduced.db", artifacts="reproduced").anchored(site.beside)
    _settle(site.there / "conf" / (asked["env"] or "local"), settings)
    given = site.beside / "params.json"  # a file keeps types and nesting, which `--params` has not
    given.write_text(json.dumps({"run": {"params": asked["params"]}}), encoding="utf-8")
    command = [str(site.python), "-m", "kedro", "run", "--force", "--pipelines", made.name, "--config", str(given)]
    command += ["--env", asked["env"]] if asked["env"] else []
    logged.run(command, site.there, site.environment)
    return read_made(Desk(settings, ALONE), made.name, 1, site.beside / "evidence")


def _settle(folder: Path, settings: MlflowSpec) -> None:
    """Let an environment of the worktree register where nobody sees it: no key signs, and nobody is told."""
    folder.mkdir(parents=True, exist_ok=True)
    own = {"signing": {"model_key": None}, "notify": None}
    for name, changed in {"mlflow.yml": settings.model_dump(), "registry.yml": own}.items():
        file = folder / name
        there: dict[str, Any] = (yaml.safe_load(file.read_text(encoding="utf-8")) or {}) if file.is_file() else {}
        file.write_text(yaml.safe_dump({**there, **changed}, allow_unicode=True), encoding="utf-8")
