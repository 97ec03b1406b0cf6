"""Gates on what the evaluation of a version says by itself."""

import re
from collections.abc import Callable
from typing import Any

from modelmill.evaluation.report import describe_gate, gate_passes
from modelmill.registry.evidence import CARD, EVALUATION
from modelmill.registry.gates.base import Case, Finding
from modelmill.specs.product import ProductSpec
from modelmill.specs.registry import Gate, OverlapGate

SECTIONS = ("Intended use", "Results", "Comparison", "Data", "Training", "Limitations", "Owner")
"""What a card must have a section of, with text in it."""

FIELDS: dict[str, Callable[[ProductSpec], Any]] = {
    "description": lambda product: product.description,
}
"""What a product must declare for its card."""


def floors(_: Gate, case: Case) -> Finding:
    """The floors and ceilings that the product declares for the stage."""
    metrics, declared = case.subject.read(EVALUATION)["metrics"], case.product.floors(case.stage)
    asked = [
        {"bound": describe_gate(gate), **metrics[gate.metric], "passes": gate_passes(gate, metrics[gate.metric])}
        for gate in declared
        if gate.metric in metrics
    ]
    unknown = [gate.metric for gate in declared if gate.metric not in metrics]
    missed = [f"{one['bound']} (is {one['value']:.4g})" for one in asked if not one["passes"]]
    evidence = {"floors": asked}
    if unknown:
        return Finding("fail", f"cannot tell: the evaluation has no {', '.join(unknown)}", evidence)
    if missed:
        return Finding("fail", f"misses {', '.join(missed)}", evidence)
    if not asked:
        return Finding("warn", f"the product declares no `gates: {{{case.stage}: ...}}`", evidence)
    return Finding("pass", f"meets {', '.join(one['bound'] for one in asked)}", evidence)


def overlap(gate: OverlapGate, case: Case) -> Finding:
    """How many test texts the model, or its backbone, has read in training."""
    report = case.subject.read(EVALUATION)
    items, leaks = report["items"], report["leaks"]
    found = {"training": leaks["in_training"], "backbone corpus": leaks["in_backbone_corpus"]}
    evidence = {"items": items, **leaks}
    over = [
        f"{count} of {items} in its {what}" for what, count in found.items() if count and count > gate.at_most * items
    ]
    if over:
        return Finding(
            "fail", f"test texts were read before: {', '.join(over)}; at most {gate.at_most:.1%} may", evidence
        )
    if (start := leaks.get("not_looked_in")) or found["backbone corpus"] is None:
        what = f"what `{start}` was pretrained on" if start else "what the backbone was pretrained on"
        return Finding(
            "warn", f"{found['training']} of {items} test texts in its training; nobody knows {what}", evidence
        )
    counts = " and ".join(f"{count} of {items} test texts in its {what}" for what, count in found.items())
    return Finding("pass", counts, evidence)


def card(_: Gate, case: Case) -> Finding:
    """The model card is there, with all its sections, and the product says what it is."""
    text = case.subject.file(CARD).read_text(encoding="utf-8")
    parts = re.split(r"^## +(.+)$", text, flags=re.MULTILINE)
    filled = {heading.strip() for heading, text in zip(parts[1::2], parts[2::2], strict=True) if text.strip()}
    missing = [f"its section '{section}'" for section in SECTIONS if section not in filled]
    missing += [f"`{field}` of the product" for field, value in FIELDS.items() if not value(case.product)]
    if missing:
        return Finding("fail", f"the card lacks {', '.join(missing)}", {"missing": missing})
    return Finding("pass", f"the card has {', '.join(SECTIONS)}, and the product {', '.join(FIELDS)}")
