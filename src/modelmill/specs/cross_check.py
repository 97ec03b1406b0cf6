"""What one declaration says of another: names that nothing has, circles, floors that no stage looks at."""

from collections.abc import Iterator, Mapping
from typing import Any

from modelmill.specs.backbone import BackboneSpec, why_not_from
from modelmill.specs.base import listed
from modelmill.specs.files import DeclarationFiles, Key, Kind, Problem, dotted, hint, locate
from modelmill.specs.registry import RegistrySpec
from modelmill.specs.task import loaded_kinds

FROM: Key = ("pretraining", "from")


def cross_check(
    raw: Mapping[Kind, Mapping[str, Any]],
    files: Mapping[Kind, DeclarationFiles],
    backbone_specs: Mapping[str, BackboneSpec],
    registry: RegistrySpec | None,
) -> list[Problem]:
    """Mistakes between declarations, as far as they can be read: they may have mistakes of their own.

    Args:
        raw: for each kind, name to merged plain data.
        files: where the data stands.
        backbone_specs: the backbones that have no mistakes of their own.
        registry: the stages; None when they have mistakes.
    """
    products, backbones = sorted(raw["products"]), sorted(raw["backbones"])
    found: list[tuple[Kind, Key, str]] = [
        ("backbones", (name,), "a product has this name too; names are shared, rename one of them")
        for name in set(products) & set(backbones)
    ]
    for name, product in raw["products"].items():
        found += [("products", (name, *path), message) for path, message in _product_references(product, backbones)]
        found += [("products", (name, "gates", stage), text) for stage, text in _unasked_gates(product, registry)]
    for name, backbone in raw["backbones"].items():
        path: Key = ("pretraining", "corpus", "products")
        found += [
            ("backbones", (name, *path, i), f"unknown product '{giver}'; {hint(giver, products)}")
            for i, giver in enumerate(listed(_at(backbone, *path) or []))
            if giver not in products
        ]
        found += [("backbones", (name, *FROM), text) for text in _base_mistakes(name, raw["backbones"], backbone_specs)]
    return [Problem(locate(path, files[kind].holding(path[0])), dotted(path), text) for kind, path, text in found]


def _product_references(product: Any, backbones: list[str]) -> Iterator[tuple[Key, str]]:
    """(path in the product, message) for each name that nothing is called by."""
    backbone, task = _at(product, "backbone"), _at(product, "task")
    if backbone is not None and backbone not in backbones:
        yield ("backbone",), f"unknown backbone '{backbone}'; {hint(backbone, backbones)}"
    gates = _at(product, "gates")
    stages = gates.items() if isinstance(gates, dict) else ()
    named = {("gates", stage, i, "metric"): gate for stage, some in stages for i, gate in enumerate(listed(some))}
    mentions: dict[Key, Any] = {path: _at(gate, "metric") for path, gate in named.items()}
    mentions["evaluation", "metric"] = _at(product, "evaluation", "metric")
    task = str(_at(task, "kind") if isinstance(task, dict) else task)
    known = [*loaded_kinds()[task].metrics] if task in loaded_kinds() else []
    for path, metric in mentions.items():
        if known and metric is not None and metric not in known:
            yield path, f"{task} has no metric '{metric}'; {hint(metric, known)}"


def _unasked_gates(product: Any, registry: RegistrySpec | None) -> Iterator[tuple[str, str]]:
    """(stage, message) for each floor that no stage of the registry would look at."""
    gates = _at(product, "gates")
    for stage in gates if registry and isinstance(gates, dict) else ():
        assert registry
        if stage not in registry.stages:
            yield stage, f"`registry.yml` has no stage '{stage}'; {hint(stage, list(registry.stages))}"
        elif registry.stages[stage].gates.floors is None:
            yield (
                stage,
                (
                    f"`registry.yml` does not ask for floors at '{stage}', so nobody would look at these; add "
                    f"`floors: {{}}` to its `stages.{stage}.gates`, or take them away here"
                ),
            )


def _base_mistakes(name: str, raw: Mapping[str, Any], specs: Mapping[str, BackboneSpec]) -> Iterator[str]:
    """Messages when what a backbone goes on from is not there, is itself in the end, or is of another kind."""
    chain = [name]
    while isinstance(base := _at(raw[chain[-1]], *FROM), str):
        if base not in raw and len(chain) == 1:
            yield f"unknown backbone '{base}'; {hint(base, sorted({*raw} - {name}))}"
        if base == name:
            yield f"this goes round in a circle ({' from '.join([*chain, base])}); one of them must start anew"
        if base not in raw or base in chain:
            return
        chain.append(base)
    if name in specs and chain[-1] in specs and (message := why_not_from(specs[name], specs[chain[-1]])):
        yield message


def _at(value: Any, *path: str) -> Any:
    """What stands at a path in nested mappings; None when nothing does."""
    for part in path:
        value = value.get(part) if isinstance(value, dict) else None
    return value
