"""Where the catalog's datasets lie, what DVC is to make of them, and which of them it cannot version."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any

from modelmill.errors import DeclarationError

if TYPE_CHECKING:
    from kedro.pipeline.node import Node

KEPT_BY = {"outs": {}, "metrics": {"cache": False}, "plots": {"cache": False}}
"""What `metadata: {dvc: KIND}` in the catalog makes of a dataset; by default `outs`. Metrics and plots go to Git."""

WORK = "work"
"""The other kind: what a node works in, neither input nor result (checkpoints, the MLflow run that is open)."""

REMOTE = "://"

NOT_FOLLOWED = ("filepath", "path", "metadata", "validator")
"""Of an entry of the catalog: where it lies is in dvc.yaml, and the contract is a section of its own."""


@dataclass(frozen=True)
class File:
    """A dataset on disk: its path from the project's folder, its kind, and what DVC is to know of a plot."""

    path: str
    kind: str = "outs"
    options: Mapping[str, Any] = field(default_factory=dict)


class Datasets:
    """The catalog's entries, resolved by factory."""

    def __init__(self, catalog: Mapping[str, Any]) -> None:
        from kedro.io import CatalogConfigResolver

        in_memory = {"{default}": {"type": "kedro.io.MemoryDataset"}}
        self._resolver = CatalogConfigResolver(_without_secrets(catalog), default_runtime_patterns=in_memory)
        self._found: dict[str, dict[str, Any]] = {}

    def entry(self, name: str) -> dict[str, Any]:
        """The configuration of a dataset; empty when it only lives in memory."""
        if name not in self._found:
            self._found[name] = self._resolver.resolve_pattern(name) or {}
        return self._found[name]

    def file(self, name: str) -> File | None:
        """Where a dataset lies; None for one in memory."""
        entry = self.entry(name)
        path = entry.get("filepath") or entry.get("path")
        if path is None:
            return None
        said = (entry.get("metadata") or {}).get("dvc") or "outs"
        kind, options = next(iter(said.items())) if isinstance(said, dict) else (said, {})
        return File(path if REMOTE in path else PurePosixPath(path).as_posix(), kind, options)

    def files(self, names: Iterable[str]) -> dict[str, File]:
        """Those that lie on disk and are results, by path."""
        found = filter(None, map(self.file, names))
        return {file.path: file for file in found if file.kind != WORK}


def settings(entry: Mapping[str, Any]) -> dict[str, Any]:
    """How a dataset is read and written, also one that another is made of."""
    kept = {key: value for key, value in entry.items() if key not in NOT_FOLLOWED}
    return {key: settings(value) if isinstance(value, Mapping) else value for key, value in kept.items()}


def types(entry: Mapping[str, Any]) -> Iterator[str]:
    """The class of a dataset, and of the one that it is made of."""
    inner = entry.get("dataset")
    yield str(entry["type"])
    if inner:
        yield from types(inner if isinstance(inner, Mapping) else {"type": inner})


def _without_secrets(value: Any) -> Any:
    """Nobody's credentials are needed to plan, and none may be written down."""
    if not isinstance(value, Mapping):
        return value
    return {key: _without_secrets(inner) for key, inner in value.items() if key != "credentials"}


def check_versionable(nodes: "Sequence[Node]", datasets: Datasets) -> None:
    """Raise `DeclarationError` for all that cannot be a stage's: see `plan_stages`."""
    problems = [f"{node.name}: in no namespace, so in no stage. Give its pipeline `namespace=`." for node in nodes
                if not node.namespace]  # fmt: skip
    problems += [problem for node in nodes for problem in _what_a_node_hides(node)]
    writer = {name: node for node in nodes for name in node.outputs}
    readers: dict[str, set[str]] = defaultdict(set)
    for node in nodes:
        for name in node.inputs:
            readers[name].add(node.namespace or node.name)
    for name in sorted(name for name in {*writer, *readers} if not name.startswith("params:")):
        home = writer[name].namespace if name in writer else None
        problems += _dataset_problems(name, datasets, sorted(readers[name] - {home}) if home else [])
    problems += _path_problems({name: file.path for name in sorted(writer) if (file := datasets.file(name))})
    if problems:
        raise DeclarationError("DVC cannot version these pipelines.\n" + "\n".join(f"  {one}" for one in problems))


def _what_a_node_hides(node: "Node") -> Iterator[str]:
    if "parameters" in node.inputs:
        yield f"{node.name}: takes all `parameters`, and would run again for any; name those it needs, `params:NAME`."
    if isinstance(node.func, partial):
        yield (
            f"{node.name}: no change in what `functools.partial` gives its function would be seen; give it as "
            "`params:NAME`, or write a function."
        )


def _dataset_problems(name: str, datasets: Datasets, elsewhere: list[str]) -> Iterator[str]:
    file = datasets.file(name)
    if datasets.entry(name).get("versioned"):
        yield f"{name}: `versioned: true` writes every run elsewhere, and DVC keeps versions; take it out."
    if file and file.kind not in (*KEPT_BY, WORK):
        kinds = ", ".join([*KEPT_BY, WORK])
        yield f"{name}: `metadata: {{dvc: {file.kind}}}` is not a kind; write one of {kinds}, or leave it out."
    if elsewhere and file is None:
        yield (
            f"{name}: handed on in memory to {', '.join(elsewhere)}, and a stage starts from files; give it an "
            "entry with `filepath` in conf/base/catalog.yml."
        )


def _path_problems(written: Mapping[str, str]) -> Iterator[str]:
    makers: dict[str, str] = {}
    for name, path in written.items():
        if REMOTE in path or PurePosixPath(path).is_absolute() or ".." in path.split("/"):
            yield (
                f"{name}: '{path}' is outside the project, where DVC keeps no results; put it below data/, a remote "
                "takes it elsewhere (`dvc remote add`)."
            )
        if (other := makers.setdefault(path, name)) != name:
            yield f"{name}: '{path}' is where {other} lies already; give one of them another `filepath`."
    for path, name in makers.items():
        for above in map(str, PurePosixPath(path).parents):
            if above in makers:
                yield f"{name}: '{path}' lies in {makers[above]}; give one of them another `filepath`."
