"""Gates about what others rely on: labels and columns stay the same, and the test split is not worn out."""

import json
from pathlib import Path
from typing import Any

import yaml

from modelmill.errors import DataError
from modelmill.registry.gates.answers import FIRST
from modelmill.registry.gates.base import Case, Finding
from modelmill.registry.version_files import Subject, weights
from modelmill.specs.registry import Gate, UseGate


def compatible(declared: Gate, case: Case) -> Finding:
    """Labels and the columns of the signature are those of the incumbent; their order makes no difference."""
    if case.incumbent is None:
        return Finding("pass", FIRST)
    ours, theirs = promises(case.subject), promises(case.incumbent)
    changed = {
        what: {"gone": sorted(theirs[what] - ours[what]), "new": sorted(ours[what] - theirs[what])}
        for what in ours
        if ours[what] != theirs[what]
    }
    if not changed:
        told = f"{len(ours['labels'])} labels, {len(ours['inputs'])} input and {len(ours['outputs'])} output columns"
        return Finding("pass", f"{told} as in version {case.incumbent.version}")
    parts = [
        f"{what}: " + ", ".join(f"{way} {', '.join(names)}" for way, names in change.items() if names)
        for what, change in changed.items()
    ]
    return Finding("fail", f"not as in version {case.incumbent.version}: {'; '.join(parts)}", changed)


def promises(subject: Subject) -> dict[str, set[str]]:
    """Labels, and input and output columns with their types.

    Raises:
        DataError: when the folder has no signature or no labels.
    """
    product = weights(subject.model) / "product.json"
    signature = _signature(subject.model / "MLmodel")
    if not product.is_file() or signature is None:
        what = "artifacts/model/product.json" if not product.is_file() else "signature in MLmodel"
        raise DataError(f"version {subject.version} has no {what}: its labels and columns are not known")
    labels = json.loads(product.read_text(encoding="utf-8"))["labels"]
    return {"labels": set(labels), "inputs": _columns(signature["inputs"]), "outputs": _columns(signature["outputs"])}


def _signature(path: Path) -> dict[str, str] | None:
    if not path.is_file():
        return None
    signature: dict[str, str] | None = yaml.safe_load(path.read_text(encoding="utf-8")).get("signature")
    return signature


def _columns(schema: str) -> set[str]:
    """'text (string)' of MLflow's schema (https://mlflow.org/docs/latest/ml/model/signatures)."""
    columns: list[dict[str, Any]] = json.loads(schema)
    return {f"{one['name']} ({one['type']}{'' if one.get('required', True) else ', optional'})" for one in columns}


def test_use(declared: UseGate, case: Case) -> Finding:
    """How many versions were judged by this test split: the best of many looks better than it is.

    Dwork et al. 2015, The reusable holdout, Science 349:636-638.
    """
    uses = case.test_uses()
    told = f"{uses} version(s) were judged by this test split, this one included"
    evidence = {"test_uses": uses, "warn_above": declared.warn_above}
    if uses > declared.warn_above:
        worn = (
            f"{told}: more than {declared.warn_above}, so its figures flatter. Split anew, or gather new test records"
        )
        return Finding("warn", worn, evidence)
    return Finding("pass", told, evidence)
