"""A version as a bill of materials: CycloneDX 1.6 (https://cyclonedx.org/docs/1.6/json/).

cyclonedx-python-lib knows no model cards, so the JSON is written here; a test checks it against the schema.
"""

import json
import re
from collections.abc import Mapping
from typing import Any
from uuid import NAMESPACE_URL, uuid5

from modelmill.registry.exports.facts import Facts
from modelmill.specs.task import TaskSpec

SPDX = re.compile(r"[\w.+()-]+( (AND|OR|WITH) [\w.+()-]+)*")
"""The form of an SPDX expression; anything else is a licence by its name."""


def mlbom(facts: Facts) -> str:
    """The version as a `machine-learning-model` with its model card, its data and its packages."""
    packages, data, backbone = _packages(facts), _data(facts), _backbone(facts)
    parts = [*([backbone] if backbone else []), *data, *packages]
    document = {
        "$schema": "http://cyclonedx.org/schema/bom-1.6.schema.json",
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "serialNumber": f"urn:uuid:{uuid5(NAMESPACE_URL, f'{facts.name}/{facts.version}/{facts.at.isoformat()}')}",
        "version": 1,
        "metadata": {
            "timestamp": facts.at.isoformat(),
            "lifecycles": [{"phase": "build"}],
            "tools": {"components": [{"type": "application", "name": "modelmill"}]},
            "component": _model(facts, [one["bom-ref"] for one in data]),
        },
        "components": parts,
        "dependencies": [{"ref": _ref(facts), "dependsOn": [one["bom-ref"] for one in parts]}],
    }
    return json.dumps(document, indent=2, ensure_ascii=False) + "\n"


def _ref(facts: Facts) -> str:
    return f"model:{facts.name}@{facts.version}"


def _model(facts: Facts, data: list[str]) -> dict[str, Any]:
    details = facts.details
    said = {
        "stage": facts.stage,
        "tensor_digest": details["digest"],
        "run_id": details["run_id"],
        "git_commit": details["git_commit"],
        "git_dirty": details["git_dirty"],
        "environment_lock_sha256": details["environment_lock_sha256"],
    }
    return {
        "type": "machine-learning-model",
        "bom-ref": _ref(facts),
        "name": facts.name,
        "version": str(facts.version),
        **_given("description", facts.own.get("description")),
        **_licences(facts.backbone.get("licence")),
        "modelCard": {
            "modelParameters": _parameters(facts, data),
            "quantitativeAnalysis": {"performanceMetrics": _metrics(facts)},
            **_considerations(facts),
        },
        "properties": _properties(said),
    }


def _parameters(facts: Facts, data: list[str]) -> dict[str, Any]:
    kinds = facts.config.get("architectures") or []
    return {
        "approach": {"type": "supervised"},
        **_given("task", _kind(facts.own.get("task"))),
        **_given("architectureFamily", facts.config.get("model_type")),
        **_given("modelArchitecture", kinds[0] if kinds else None),
        "datasets": [{"ref": ref} for ref in data],
        "inputs": [{"format": name} for name in _reads(facts)],
        "outputs": [{"format": one} for one in _outputs(facts)],
    }


def _kind(task: Any) -> str | None:
    """What is predicted, of a section `task` or of the name of a kind."""
    found: str | None = task.get("kind") if isinstance(task, dict) else task
    return found


def _outputs(facts: Facts) -> list[str]:
    """Columns of the answers: 'p_pos (double)', 'label (string), of neg, pos'."""
    labels = f", of {', '.join(facts.labels)}" if facts.labels else ""
    columns = json.loads((facts.mlmodel.get("signature") or {}).get("outputs") or "[]")
    return [
        f"{column['name']} ({column.get('type', 'any')}){labels if column['name'] == 'label' else ''}"
        for column in columns
    ]


def _reads(facts: Facts) -> tuple[str, ...]:
    return TaskSpec.model_validate(facts.own.get("task", "text_classification")).reads


def _metrics(facts: Facts) -> list[dict[str, Any]]:
    """Figures are strings in CycloneDX."""
    overall = [_metric(name, value) for name, value in facts.evaluation.get("metrics", {}).items()]
    by_label = [
        _metric(name, row[name], f"label {label}")
        for label, row in facts.evaluation.get("labels", {}).items()
        for name in ("precision", "recall", "f1")
    ]
    return overall + by_label


def _metric(name: str, value: Mapping[str, float], slice_: str = "test split") -> dict[str, Any]:
    bounds = {"lowerBound": str(value["low"]), "upperBound": str(value["high"])}
    return {"type": name, "value": str(value["value"]), "slice": slice_, "confidenceInterval": bounds}


def _considerations(facts: Facts) -> dict[str, Any]:
    written = facts.own.get("card") or {}
    found = {
        **({"useCases": [written["intended_use"]]} if written.get("intended_use") else {}),
        **({"technicalLimitations": [written["limitations"]]} if written.get("limitations") else {}),
    }
    return {"considerations": found} if found else {}


def _data(facts: Facts) -> list[dict[str, Any]]:
    """Source files by the SHA-256 of their bytes; splits by a digest over their records, which is no hash of a file."""
    sources = [
        {
            "type": "data",
            "bom-ref": f"source:{shown}",
            "name": shown,
            "hashes": [{"alg": "SHA-256", "content": digest}],
            "data": [{"type": "dataset", "name": shown}],
        }
        for shown, digest in facts.lineage.get("sources", {}).items()
    ]
    splits = [
        {
            "type": "data",
            "bom-ref": f"split:{name}",
            "name": f"{facts.name}: {name} split",
            "data": [{"type": "dataset", "name": name, "description": f"{part['records']} records"}],
            "properties": _properties({"records_sha256": part["sha256"], "records": part["records"]}),
        }
        for name, part in facts.lineage.get("splits", {}).items()
    ]
    return sources + splits


def _backbone(facts: Facts) -> dict[str, Any] | None:
    """What the model was fine-tuned from."""
    name, origin = facts.own.get("backbone"), facts.lineage.get("backbone", {})
    if not name:
        return None
    corpus = {f"corpus_sha256_{i}": digest for i, digest in enumerate(_corpora(origin))}
    said = {"tensor_digest": origin.get("digest"), "taken_from": _taken_from(origin), **corpus}
    return {
        "type": "machine-learning-model",
        "bom-ref": f"backbone:{name}",
        "name": name,
        **_given("description", facts.backbone.get("description")),
        **_licences(facts.backbone.get("licence")),
        "properties": _properties(said),
    }


def _corpora(origin: Mapping[str, Any]) -> list[str]:
    """Digests of the texts that a backbone and those before it were pretrained on."""
    own = [origin["corpus_sha256"]] if "corpus_sha256" in origin else []
    return own + (_corpora(origin["from"]) if "from" in origin else [])


def _taken_from(origin: Mapping[str, Any]) -> str | None:
    found: str | None = origin.get("taken_from")
    return found or (_taken_from(origin["from"]) if "from" in origin else None)


def _packages(facts: Facts) -> list[dict[str, Any]]:
    found = []
    for line in facts.requirements:
        name, pinned, version = line.partition("==")
        # https://github.com/package-url/purl-spec: names of PyPI are lower case, with '-' for '_'.
        purl = f"pkg:pypi/{name.lower().replace('_', '-')}" + (f"@{version}" if pinned else "")
        found.append({"type": "library", "bom-ref": purl, "name": name, **_given("version", version), "purl": purl})
    return found


def _licences(licence: str | None) -> dict[str, Any]:
    if not licence or licence == "unknown":
        return {}
    if SPDX.fullmatch(licence):
        return {"licenses": [{"expression": licence}]}
    return {"licenses": [{"license": {"name": licence}}]}


def _given(key: str, value: Any) -> dict[str, Any]:
    return {key: value} if value else {}


def _properties(values: Mapping[str, Any]) -> list[dict[str, str]]:
    return [{"name": f"modelmill:{key}", "value": str(value)} for key, value in values.items() if value is not None]
