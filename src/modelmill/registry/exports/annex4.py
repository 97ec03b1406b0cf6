"""The technical documentation that Annex IV of Regulation (EU) 2024/1689 asks for, as far as the registry knows it.

https://eur-lex.europa.eu/eli/reg/2024/1689/oj. What the registry cannot know is marked, never guessed.
"""

from typing import Any, Literal

from modelmill.registry.exports import markdown
from modelmill.registry.exports.facts import Facts

TO_WRITE = "**To be written by the provider:**"


def annex4(facts: Facts) -> str:
    """The nine points in their order; under each what is known, then what is left to write."""
    points = {
        "General description of the system": _general(facts),
        "Elements of the system and its development": _development(facts),
        "Monitoring, functioning and control": _functioning(facts),
        "Whether the performance metrics are appropriate": _appropriate(facts),
        "Risk management system": [_open("the risk management system of Article 9.")],
        "Changes during the lifecycle": _changes(facts),
        "Harmonised standards applied": [_open("the standards applied in full or in part, or the solutions instead.")],
        "EU declaration of conformity": [_open("a copy of the declaration of Article 47.")],
        "Performance after placing on the market": [
            _open("the system of Article 72 that watches the performance in use, with its monitoring plan.")
        ],
    }
    head = (
        f"# Technical documentation: {facts.name}, version {facts.version}\n\n"
        f"After Annex IV of Regulation (EU) 2024/1689. Written {facts.at:%Y-%m-%d} from what the registry holds; "
        "whether the Regulation applies, and whether this is enough, is not for the registry to say."
    )
    sections = [
        f"## {i}. {title}\n\n" + "\n\n".join(filter(None, text)) for i, (title, text) in enumerate(points.items(), 1)
    ]
    return "\n\n".join([head, *sections]) + "\n"


def _open(what: str) -> str:
    return f"{TO_WRITE} {what}"


def _or_open(known: str | Literal[False] | None, what: str) -> str:
    return known.strip() if known else _open(what)


def _written(facts: Facts, key: str) -> str | None:
    found: str | None = (facts.own.get("card") or {}).get(key)
    return found


def _general(facts: Facts) -> list[str]:
    details = facts.details
    promotions = [one for one in details["events"] if one["kind"] == "promoted" and one["version"] == facts.version]
    replaced = [one for one in promotions if one["replaces"]]
    before = f"; in `{replaced[-1]['stage']}` it followed on version {replaced[-1]['replaces']}" if replaced else ""
    signature = facts.mlmodel.get("signature") or {}
    software = ", ".join(facts.requirements)
    return [
        f"### Purpose, provider, version\n\n{facts.own.get('description') or ''}".rstrip(),
        _or_open(_written(facts, "intended_use"), "the intended purpose."),
        _or_open(_written(facts, "owner") and f"Owner: {_written(facts, 'owner')}", "the provider's name."),
        f"Version {facts.version} of `{facts.name}`, in the stage `{facts.stage}`{before}. "
        f"Digest of its tensors: `{details['digest']}`.",
        "### Interaction with other systems, form, interface",
        f"Input: `{signature['inputs']}`. Output: `{signature['outputs']}`." if signature else "",
        _open("the hardware and software outside the system that it works with, the form in which it is placed on the "
              "market, the user interface and the instructions for the deployer."),
        "### Software and hardware",
        f"Packages that the version is pinned to: {software}." if software else _open("versions of the software."),
        _open("the hardware that it is meant to run on."),
    ]  # fmt: skip


def _development(facts: Facts) -> list[str]:
    details, origin = facts.details, facts.lineage.get("backbone", {})
    commit = details["git_commit"]
    dirty = {"true": ", with changes that were not committed", "unknown": ", whose changes are not known"}
    known = commit not in (None, "none") and f"Code: commit `{commit}`{dirty.get(details['git_dirty'], '')}."
    backbone = facts.own.get("backbone")
    pretrained = (
        f"Fine-tuned from the backbone `{backbone}` (licence: {facts.backbone.get('licence') or 'not declared'}"
        f"{', taken from `' + origin['taken_from'] + '`' if 'taken_from' in origin else ''}; digest "
        f"`{origin.get('digest', 'not known')}`). {facts.backbone.get('description') or ''}".rstrip()
    )
    return [
        "### Methods and steps",
        pretrained if backbone else _open("how the model was made."),
        _or_open(known, "the origin of the code."),
        "### Design",
        _choices(facts) or _open("the design choices."),
        _open("the rationale of these choices, and what the system is designed to optimise for."),
        "### Data",
        _data(facts) or _open("the data sets."),
        _open("how the data was obtained, selected and labelled."),
        "### Validation and testing",
        markdown.figures(facts) or _open("the tests and their results."),
        markdown.gates(facts),
        markdown.approvals(facts),
        "### Human oversight and cybersecurity",
        _open("the measures of Article 14 for human oversight, and those for cybersecurity."),
    ]


def _choices(facts: Facts) -> str:
    """What was declared of the model and its training."""
    kinds = facts.config.get("architectures") or []
    chosen: list[list[Any]] = [["architecture", kinds[0]]] if kinds else []
    chosen += [[f"training.{key}", value] for key, value in (facts.own.get("training") or {}).items()]
    return markdown.table(["choice", "value"], chosen) if chosen else ""


def _data(facts: Facts) -> str:
    splits = [
        [f"split {name}", f"{part['records']} records", f"`{part['sha256']}`"]
        for name, part in facts.lineage.get("splits", {}).items()
    ]
    sources = [[name, "source file", f"`{digest}`"] for name, digest in facts.lineage.get("sources", {}).items()]
    return markdown.table(["data", "what", "SHA-256"], [*sources, *splits]) if sources or splits else ""


def _functioning(facts: Facts) -> list[str]:
    rows = [
        [label, row["support"], *(f"{row[name]['value']:.3f}" for name in ("precision", "recall", "f1"))]
        for label, row in facts.evaluation.get("labels", {}).items()
    ]
    labels = markdown.table(["label", "test records", "precision", "recall", "F1"], rows) if rows else ""
    leaks = facts.evaluation.get("leaks")
    seen = leaks and f"Test texts that stand in a training text: {leaks['in_training']}."
    return [
        _or_open(_written(facts, "limitations"), "the limitations."),
        labels,
        seen or "",
        _open("the accuracy for groups of persons, the unintended outcomes that can be foreseen, the risks to health, "
              "safety and fundamental rights, and what deployers need to oversee it."),
    ]  # fmt: skip


def _appropriate(facts: Facts) -> list[str]:
    metric, items = facts.evaluation.get("metric"), facts.evaluation.get("items")
    known = metric and f"The figure that the product is judged by is `{metric}`, on {items} test records."
    return [known or "", _open("why these metrics fit this system.")]


def _changes(facts: Facts) -> list[str]:
    return [markdown.events(facts), _open("changes of the system that are not changes of this model.")]
