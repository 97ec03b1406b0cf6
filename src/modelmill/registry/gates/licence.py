"""The licences of what a version was made from."""

from itertools import zip_longest
from typing import Any

import yaml

from modelmill.errors import GateError
from modelmill.registry.evidence import LINEAGE
from modelmill.registry.gates.base import Case, Finding
from modelmill.specs.licences import refused
from modelmill.specs.registry import LicenceGate

CONFIG = "config.yml"
"""The resolved declarations of the run that registered a version."""


def licence(declared: LicenceGate, case: Case) -> Finding:
    """Whether the backbone, and all that it goes on from, may be used.

    Licences are those that are declared now: one that turned out to be another is corrected there, and counts for
    versions that are older. Which backbones they are is what the version itself says.

    Raises:
        GateError: when the version was made from other backbones than are declared now, or does not say from which.
    """
    backbones = {case.product.backbone: case.backbone, **case.ancestors}
    _same_backbones(case)
    licences = {name: spec.licence for name, spec in backbones.items()}
    evidence: dict[str, Any] = {"licences": licences, "allow": declared.allow}
    if unknown := [name for name, text in licences.items() if text is None]:
        reason = f"cannot tell: no `licence` is declared of {', '.join(unknown)}"
        return Finding("fail", reason, evidence)
    found = {name: refused(text, declared.allow) for name, text in licences.items() if text}
    if any(found.values()):
        named = "; ".join(f"{', '.join(what)} ({name})" for name, what in found.items() if what)
        return Finding("fail", f"not on the list of licences that are allowed: {named}", evidence)
    shown = "; ".join(f"{text} ({name})" for name, text in licences.items())
    return Finding("pass", f"allowed: {shown}", evidence)


def _same_backbones(case: Case) -> None:
    """Raise `GateError` unless the version was made from the backbones that are declared now."""
    subject = case.subject
    made = yaml.safe_load(subject.file(CONFIG).read_text(encoding="utf-8")).get(subject.name, {}).get("backbone")
    level = subject.read(LINEAGE)["backbone"]
    then, sources = [made], [level.get("taken_from")]
    while "from" in level:
        level = level["from"]
        then.append(level["name"])
        sources.append(level.get("taken_from"))
    now = [case.product.backbone, *case.ancestors]
    origins = [spec.model for spec in (case.backbone, *case.ancestors.values())]
    for before, after in zip_longest(zip(then, sources, strict=True), zip(now, origins, strict=True)):
        if before != after:
            raise GateError(
                f"cannot tell: the version was made from {_shown(before)}, and {_shown(after)} is declared now; "
                "`kedro run` makes a new version, or declare what it was made from"
            )


def _shown(backbone: tuple[str, str | None] | None) -> str:
    if backbone is None:
        return "no further backbone"
    name, source = backbone
    return f"`{name}` ({source or 'made here'})"
