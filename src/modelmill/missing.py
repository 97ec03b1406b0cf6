"""Products whose data is not on this machine: which they are, what waits for them, and what brings the data."""

from collections.abc import Collection, Iterable
from typing import TYPE_CHECKING

from modelmill.config import ProductConfigLoader
from modelmill.errors import DeclarationError
from modelmill.specs.files import hint
from modelmill.specs.source import SourceSpec
from modelmill.versioning.plan import sections_looked_up

if TYPE_CHECKING:
    from kedro.pipeline import Pipeline
    from kedro.pipeline.node import Node


def data_missing(loader: ProductConfigLoader, sections: Iterable[str]) -> dict[str, str]:
    """By product or backbone that names data in these sections which are not here: "data missing: " and what to do."""
    found: dict[str, list[str]] = {}
    for name, problem in loader.missing_sources({*sections}):
        found.setdefault(name, []).append(problem.message.rpartition("\n")[2])
    return {name: f"data missing: {' '.join(dict.fromkeys(remedies))}" for name, remedies in found.items()}


def downloads_of(loader: ProductConfigLoader, names: Collection[str]) -> list[SourceSpec]:
    """Sources with a `download` that products and backbones (none: all) read, those included whose texts they read.

    Raises:
        DeclarationError: for a name that is not there.
    """
    from modelmill.pipelines import all_pipelines

    pipelines, known = all_pipelines(loader.declarations), sorted(loader.declarations.as_parameters())
    for name in names:
        if name not in known:
            raise DeclarationError(f"no product or backbone is called '{name}'; {hint(name, known)}")
    sections = sections_looked_up(node for name in names or known for node in pipelines[name].nodes)
    given = (one.source for one in loader.addresses_in(sections))
    return [source for source in given if source and source.download]


def without_data(loader: ProductConfigLoader, nodes: "Iterable[Node]") -> dict[str, str]:
    """Products and backbones among the nodes that cannot run, each with its reason, in the order of the nodes.

    Their own data is not here, or that of a product whose texts they read, or they read what one of these would make.
    """
    by_name: dict[str, list[Node]] = {}
    for node in nodes:
        by_name.setdefault(owner(node), []).append(node)
    maker = {output: name for name, own in by_name.items() for node in own for output in node.outputs}
    needs = {
        name: {maker[read] for node in own for read in node.inputs if read in maker} for name, own in by_name.items()
    }
    reasons: dict[str, str] = {}
    for name, own in by_name.items():
        absent = data_missing(loader, sections_looked_up(own))
        if name in absent:
            reasons[name] = absent[name]
        elif absent:
            reasons[name] = f"skipped: it reads {', '.join(absent)}, whose data is missing"
    while waiting := {name: above for name in by_name if name not in reasons and (above := needs[name] & {*reasons})}:
        reasons |= {name: f"skipped: it needs {', '.join(sorted(above))}" for name, above in waiting.items()}
    return {name: reasons[name] for name in by_name if name in reasons}


def with_data(loader: ProductConfigLoader, pipeline: "Pipeline") -> "tuple[Pipeline, dict[str, str]]":
    """What of a pipeline can run, and why the rest is skipped.

    Raises:
        DeclarationError: when no product (or, where none was asked for, no backbone) is left.
    """
    from kedro.pipeline import Pipeline

    reasons = without_data(loader, pipeline.nodes)
    asked = {owner(node) for node in pipeline.nodes}
    if reasons and not (asked & {*loader.declarations.products} or asked) - {*reasons}:
        problems = loader.missing_sources(sections_looked_up(pipeline.nodes))
        lines = [f"{name}: {reason}" for name, reason in reasons.items()]
        raise DeclarationError("\n".join([*lines, "Nothing was run.", *(f"  {problem}" for _, problem in problems)]))
    return Pipeline([node for node in pipeline.nodes if owner(node) not in reasons]), reasons


def owner(node: "Node") -> str:
    """The product or backbone of a node."""
    return (node.namespace or "").partition(".")[0]
