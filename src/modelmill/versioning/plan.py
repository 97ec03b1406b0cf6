"""What every stage of DVC is: the nodes of one product and pipeline, what they read, what they write, what they follow.

A stage follows from the pipelines, the catalog and the resolved parameters of a session alone.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import reduce
from graphlib import TopologicalSorter
from inspect import unwrap
from typing import TYPE_CHECKING, Any

from modelmill.specs.task import kind
from modelmill.versioning.code import Imports
from modelmill.versioning.given import Given
from modelmill.versioning.outputs import Datasets, File, check_versionable, settings, types

if TYPE_CHECKING:
    from kedro.pipeline import Pipeline
    from kedro.pipeline.node import Node

AROUND = frozenset({"project_root", "registry"})
"""Parameters that say where the project lies and how its versions are promoted: no result follows from them."""

ASKS = "modelmill/tasks/task.py"
"""Who asks a product's kind of task, imports this file."""

LEFT_OUT = {"product": ("gates",), "pretraining": ("corpus", "tokenizer")}
"""What a node that takes a whole product (or section) does not follow: gates ask about a version once it is there, and
of a corpus and a tokenizer it reads the files that other stages made."""


@dataclass(frozen=True)
class Stage:
    """One stage: the nodes of one product (or backbone) and pipeline.

    `inputs` and `code` are paths from the project's folder, `parameters` the content of its file of parameters.
    """

    name: str
    namespace: str
    nodes: tuple[str, ...]
    inputs: tuple[str, ...]
    outputs: tuple[File, ...]
    code: tuple[str, ...]
    parameters: Mapping[str, Any]

    @property
    def command(self) -> str:
        """What DVC runs."""
        return f"kedro run --namespaces {self.namespace}"

    @property
    def parameters_file(self) -> str:
        """Where DVC reads its parameters."""
        return f"params/{self.namespace.replace('.', '/')}.yaml"


@dataclass(frozen=True)
class Declared:
    """What a session knows: `catalog` and `parameters` resolved, `given` what comes from outside the pipelines."""

    catalog: Mapping[str, Any]
    parameters: Mapping[str, Any]
    given: Given
    imports: Imports


def plan_stages(pipeline: "Pipeline", declared: Declared) -> dict[str, Stage]:
    """The stages of a pipeline by name, each after those whose results it reads.

    Raises:
        DeclarationError: for what DVC cannot version, all of it: a dataset in memory between two stages,
            `versioned: true`, a path outside the project, a path that two stages write, a node in no namespace, of
            `functools.partial` or that takes all parameters.
    """
    datasets = Datasets(declared.catalog)
    check_versionable(pipeline.nodes, datasets)
    groups: dict[str, list[Node]] = defaultdict(list)
    for node in pipeline.nodes:
        assert node.namespace, "checked"
        groups[node.namespace].append(node)
    stages = [_stage(namespace, nodes, datasets, declared) for namespace, nodes in groups.items()]
    maker = makers(stages)
    by_name = {stage.name: stage for stage in sorted(stages, key=lambda stage: stage.name)}
    needs = {name: sorted({maker[path] for path in one.inputs if path in maker}) for name, one in by_name.items()}
    return {name: by_name[name] for name in TopologicalSorter(needs).static_order()}


def makers(stages: Iterable[Stage]) -> dict[str, str]:
    """By path of a result, the name of the stage that makes it."""
    return {file.path: stage.name for stage in stages for file in stage.outputs}


def _stage(namespace: str, nodes: "list[Node]", datasets: Datasets, declared: Declared) -> Stage:
    inputs = {name for node in nodes for name in node.inputs}
    read = {name for name in inputs if not name.startswith("params:")}
    written = {name for node in nodes for name in node.outputs}
    taken = sorted(name.removeprefix("params:") for name in inputs - read)
    outputs = datasets.files(written)
    given = [one for section in sections_looked_up(nodes) for one in declared.given.below(section)]
    entries = {name: datasets.entry(name) for name in sorted(read | written)}
    modules = {unwrap(node.func).__module__ for node in nodes}
    modules |= {kind.rpartition(".")[0] for entry in entries.values() for kind in types(entry)}
    parameters = {
        "nodes": {node.name: _wiring(node) for node in sorted(nodes)},
        "datasets": _nested({name: settings(entry) for name, entry in entries.items()}),
        "parameters": _nested({name: _section(name, declared.parameters) for name in taken if name not in AROUND}),
        "sources": {address.name: address.digest for address in given if address.digest},
    }
    return Stage(
        name=namespace.replace(".", "-"),
        namespace=namespace,
        nodes=tuple(node.name for node in nodes),
        inputs=tuple(
            sorted({*datasets.files(read - written), *(path for one in given for path in one.paths)} - {*outputs})
        ),
        outputs=tuple(outputs[path] for path in sorted(outputs)),
        code=tuple(_code(modules, namespace, declared)),
        parameters={key: value for key, value in parameters.items() if value},
    )


def _code(modules: set[str], namespace: str, declared: Declared) -> list[str]:
    """Files that modules need; of those that ask kinds of task also the product's own kind, which is called by name."""
    files = declared.imports.closure(modules)
    task = declared.parameters.get(namespace.partition(".")[0], {}).get("task")
    if task is None:
        return files
    foreign = declared.imports.package != ASKS.partition("/")[0]  # a project of its own, which installs this package
    if not (foreign or any(path.endswith(ASKS) for path in files)):
        return files
    own = kind(task["kind"])
    return declared.imports.closure({*modules, own.__module__, own.implementation.partition(":")[0]})


def sections_looked_up(nodes: "Iterable[Node]") -> set[str]:
    """Sections whose addresses nodes look up: those who are told where the project lies."""
    looking = (node.inputs for node in nodes if "params:project_root" in node.inputs)
    return {name.removeprefix("params:") for inputs in looking for name in inputs if name.startswith("params:")}


def _wiring(node: "Node") -> dict[str, Any]:
    """Which function a node calls with what: a change here is one of the pipeline."""
    function = unwrap(node.func)
    wiring = {"function": f"{function.__module__}.{function.__qualname__}"}
    # Kedro's public `inputs` and `outputs` leave out which argument, or key of the result, is which dataset.
    return {**wiring, "inputs": node._inputs, "outputs": node._outputs}


def _section(dotted: str, parameters: Mapping[str, Any]) -> Any:
    value: Any = parameters
    for key in dotted.split("."):
        value = value[key]
    left_out = LEFT_OUT.get(dotted.rpartition(".")[2] if "." in dotted else "product", ())
    return {key: inner for key, inner in value.items() if key not in left_out} if left_out and value else value


def _nested(flat: Mapping[str, Any]) -> dict[str, Any]:
    """{'a.b': 1} -> {'a': {'b': 1}}; parts come to what is taken of their whole."""
    nested: Any = {}
    for dotted, value in flat.items():
        nested = _together(nested, reduce(lambda inner, key: {key: inner}, reversed(dotted.split(".")), value))
    return dict(nested)


def _together(one: Any, other: Any) -> Any:
    if not (isinstance(one, Mapping) and isinstance(other, Mapping)):
        return other
    return {**one, **{key: _together(one[key], value) if key in one else value for key, value in other.items()}}
