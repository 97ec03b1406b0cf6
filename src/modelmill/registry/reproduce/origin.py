"""How a version was made, as its evidence says."""

import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl
import yaml

from modelmill.errors import IntegrityError, NotFoundError
from modelmill.registry.desk import Desk
from modelmill.registry.evidence import EVALUATION, LINEAGE, PREDICTIONS, evidence_digest
from modelmill.registry.fetch import evidence_folder
from modelmill.registry.lineage import again
from modelmill.sources.address import HUB, PACKAGE

DECLARED, COMMIT = "config.yml", re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")
NEEDED = ("code", "asked", "machine", "packages", "data", "sources")
"""Of the lineage; versions of an earlier time have less."""


@dataclass(frozen=True)
class Made:
    """A version and what it was made from.

    `digest` is of its tensors, `lineage` what `registry.lineage` collected, `declared` the resolved declarations of the
    product and its backbones, `evaluation` and `predictions` (columns id, predicted) are of the test split.
    """

    name: str
    version: int
    digest: str
    lineage: dict[str, Any]
    declared: dict[str, Any]
    evaluation: dict[str, Any]
    predictions: pl.DataFrame

    @property
    def commit(self) -> str:
        """Of Git."""
        return str(self.lineage["code"]["git_commit"])

    @property
    def own_sources(self) -> dict[str, str]:
        """SHA-256 of the source files by name, without those that come from a package or a hub."""
        addresses = [source["files"] for source in self.declared[self.name]["source"]]
        packages = {one.removeprefix(PACKAGE).partition("/")[0] for one in addresses if one.startswith(PACKAGE)}
        sources: dict[str, str] = self.lineage["sources"]
        return {
            name: sha256
            for name, sha256 in sources.items()
            if name.partition("/")[0] not in packages and not name.startswith(HUB)
        }

    @property
    def figures(self) -> dict[str, float]:
        """Metrics of the test split."""
        return {name: figure["value"] for name, figure in self.evaluation["metrics"].items()}


def read_made(desk: Desk, name: str, version: int, folder: Path) -> Made:
    """How a version was made; its model files are not needed, so they may have been deleted.

    Args:
        desk: of the registry.
        name: of the model.
        version: its number.
        folder: for what has to be downloaded.

    Raises:
        NotFoundError: when the version does not say how it was made.
        IntegrityError: when the evidence is not what was registered.
    """
    registered = desk.state(name).registered[version]
    evidence = evidence_folder(desk.settings, registered.run_id, folder) if registered.run_id else None
    needed = (LINEAGE, DECLARED, EVALUATION, PREDICTIONS)
    lacking = [one for one in needed if evidence is None or not (evidence / one).is_file()]
    if evidence is None or lacking:
        raise _says_too_little(name, version, lacking)
    if registered.evidence not in (None, evidence_digest(evidence)):
        raise IntegrityError(
            f"the evidence of '{name}' {version} is not what was registered, so it cannot say how the version was "
            f"made: `kedro model verify {name}`"
        )
    lineage = json.loads((evidence / LINEAGE).read_text(encoding="utf-8"))
    if lacking := [f"`{key}` in {LINEAGE}" for key in NEEDED if key not in lineage]:
        raise _says_too_little(name, version, lacking)
    if not COMMIT.fullmatch(lineage["code"]["git_commit"]):  # it becomes an argument of git
        raise _says_too_little(name, version, ["a Git commit"])
    return Made(
        name, version, registered.digest, lineage,
        declared=yaml.safe_load((evidence / DECLARED).read_text(encoding="utf-8")),
        evaluation=json.loads((evidence / EVALUATION).read_text(encoding="utf-8")),
        predictions=pl.read_parquet(evidence / PREDICTIONS),
    )  # fmt: skip


def _says_too_little(name: str, version: int, lacking: list[str]) -> NotFoundError:
    return NotFoundError(
        f"'{name}' {version} cannot be built again: it was registered without {', '.join(lacking)}. Commit, and "
        f"register it again: {again(name)}."
    )
