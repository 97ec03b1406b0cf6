"""All that is known of one version, read from its files, its run and the ledger."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

import yaml

from modelmill.registry.evidence import LINEAGE


@dataclass(frozen=True)
class Facts:
    """A version, as plain data.

    `details` is what `summary.version_details` answers; `declared` the resolved declarations of the product and its
    backbones (config.yml of the run); `product` and `config` are the model folder's product.json and config.json;
    `mlmodel` is MLflow's MLmodel; `requirements` lines of 'name==version'; `reports` gate reports, oldest first. What a
    version does not have is empty.
    """

    name: str
    version: int
    at: datetime
    details: dict[str, Any]
    evaluation: dict[str, Any] = field(default_factory=dict)
    lineage: dict[str, Any] = field(default_factory=dict)
    card: str = ""
    declared: dict[str, Any] = field(default_factory=dict)
    product: dict[str, Any] = field(default_factory=dict)
    config: dict[str, Any] = field(default_factory=dict)
    mlmodel: dict[str, Any] = field(default_factory=dict)
    requirements: list[str] = field(default_factory=list)
    reports: list[dict[str, Any]] = field(default_factory=list)

    @property
    def own(self) -> dict[str, Any]:
        """The product's declaration."""
        found: dict[str, Any] = self.declared.get(self.name, {})
        return found

    @property
    def backbone(self) -> dict[str, Any]:
        """The backbone's declaration."""
        found: dict[str, Any] = self.declared.get(self.own.get("backbone", ""), {})
        return found

    @property
    def labels(self) -> list[str]:
        """What the model answers with."""
        return list(self.product.get("labels", ()))

    @property
    def stage(self) -> str:
        """Where the version is."""
        return str(self.details["stage"])


def read_facts(details: dict[str, Any], at: datetime, model: Path, evidence: Path) -> Facts:
    """Put together what is known.

    Args:
        details: of the version, from the ledger and its run.
        at: now.
        model: the folder that MLflow logged.
        evidence: the files of the run; its folder `gates` holds gate reports.
    """
    artifacts = model / "artifacts" / "model"
    return Facts(
        details["name"], details["version"], at, details,
        evaluation=_json(evidence / "evaluation.json"), lineage=_json(evidence / LINEAGE),
        card=_text(evidence / "model_card.md"), declared=_yaml(evidence / "config.yml"),
        product=_json(artifacts / "product.json"), config=_json(artifacts / "config.json"),
        mlmodel=_yaml(model / "MLmodel"), requirements=_text(model / "requirements.txt").split(),
        reports=_reports(evidence / "gates"),
    )  # fmt: skip


def differences(first: Facts, second: Facts) -> dict[str, Any]:
    """What differs between two versions; of figures all are shown, and nothing says whether a difference is chance.

    Returns:
        by section, name to [first, second].
    """
    return {
        "first": _head(first),
        "second": _head(second),
        "metrics": pairs(first.details["metrics"], second.details["metrics"], same=True),
        "declaration": pairs(flat(first.declared), flat(second.declared)),
        "data": pairs(flat(_data(first)), flat(_data(second))),
        "backbone": pairs(flat(first.lineage.get("backbone", {})), flat(second.lineage.get("backbone", {}))),
        "code": pairs(_code(first), _code(second)),
        "labels": pairs({"labels": first.labels}, {"labels": second.labels}),
        "packages": pairs(_packages(first), _packages(second)),
        "gates": pairs(_gates(first), _gates(second)),
    }


def _head(facts: Facts) -> dict[str, Any]:
    kept = ("version", "stage", "since", "ended", "digest", "registered")
    return {"name": facts.name, **{key: facts.details[key] for key in kept}}


def _data(facts: Facts) -> dict[str, Any]:
    return {key: facts.lineage[key] for key in ("sources", "splits") if key in facts.lineage}


def _code(facts: Facts) -> dict[str, Any]:
    return {key: facts.details[key] for key in ("git_commit", "git_dirty", "environment_lock_sha256")}


def _packages(facts: Facts) -> dict[str, str]:
    return dict(line.split("==", 1) for line in facts.requirements if "==" in line)


def _gates(facts: Facts) -> dict[str, Any]:
    """'staging.floors' -> 'pass'; of the newest report for each stage."""
    return {
        f"{report['stage']}.{result['gate']}": result["status"]
        for report in facts.reports
        for result in report["results"]
    }


def pairs(first: Mapping[str, Any], second: Mapping[str, Any], *, same: bool = False) -> dict[str, list[Any]]:
    """Name to [first, second] of what differs, or with `same` of all; None for what is not there."""
    keys = dict.fromkeys([*first, *second])
    return {key: [first.get(key), second.get(key)] for key in keys if same or first.get(key) != second.get(key)}


def flat(value: Any, prefix: str = "") -> dict[str, Any]:
    """{'a': {'b': 1}} -> {'a.b': 1}; lists stay whole."""
    if not isinstance(value, dict):
        return {prefix: value}
    found: dict[str, Any] = {}
    for key, inner in value.items():
        found |= flat(inner, f"{prefix}.{key}" if prefix else str(key))
    return found


def _reports(folder: Path) -> list[dict[str, Any]]:
    return sorted(map(_json, folder.glob("*.json")), key=lambda report: str(report["time"]))


def _text(path: Path) -> str:
    return path.read_text(encoding="utf-8") if path.is_file() else ""


def _json(path: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(_text(path) or "{}")
    return found


def _yaml(path: Path) -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load(_text(path) or "{}")
    return found
