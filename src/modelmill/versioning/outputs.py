"""Where the catalog's datasets lie, what DVC is to make of them, and which of them it cannot version."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any

from modelmill.errors import DeclarationError

if TYPE_CHECKING:
    from kedro.pipeline.node import Node

KEPT_BY = {"outs": {}, "metrics": {"cache": False}, "plots": {"cache": False}}
"""What `metadata: {dvc: KIND}` in the catalog makes of a dataset; by default `outs`. Metrics and plots go to Git."""

WORK = "work"
"""The other kind: what a node works in, neither input nor result (checkpoints, the MLflow run that is open)."""


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
        self._resolver = CatalogConfigResolver(dict(catalog), default_runtime_patterns=in_memory)
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
        return File(PurePosixPath(path).as_posix(), kind, options)

    def files(self, names: Iterable[str]) -> dict[str, File]:
        """Those that lie on disk and are results, by path."""
        found = filter(None, map(self.file, names))
        return {file.path: file for file in found if file.kind != WORK}


def check_versionable(nodes: "Sequence[Node]", datasets: Datasets) -> None:
    """Raise `DeclarationError` for all that cannot be a stage's: see `plan_stages`."""
    writer = {name: node for node in nodes for name in node.outputs}
    readers: dict[str, set[str]] = defaultdict(set)
    for node in nodes:
        for name in node.inputs:
            readers[name].add(node.namespace or node.name)
    problems = [
        f"{node.name}: in no namespace, so in no stage. Give its pipeline `namespace=`."
        for node in nodes
        if not node.namespace
    ]
    names = sorted(name for name in {*writer, *readers} if not name.startswith("params:"))
    for name in names:
        if datasets.entry(name).get("versioned"):
            problems.append(
                f"{name}: `versioned: true` writes every run elsewhere, and DVC keeps versions; take it out."
            )
        home = writer[name].namespace if name in writer else None
        elsewhere = sorted(readers[name] - {home or ""})
        if home and elsewhere and datasets.file(name) is None:
            problems.append(
                f"{name}: handed on in memory to {', '.join(elsewhere)}, and a stage starts from files; give it an "
                "entry with `filepath` in conf/base/catalog.yml."
            )
    problems += _path_problems({name: file.path for name in sorted(writer) if (file := datasets.file(name))})
    if problems:
        raise DeclarationError("DVC cannot version these pipelines.\n" + "\n".join(f"  {one}" for one in problems))


def _path_problems(written: Mapping[str, str]) -> Iterable[str]:
    makers: dict[str, str] = {}
    for name, path in written.items():
        if "://" in path or PurePosixPath(path).is_absolute() or ".." in path.split("/"):
            yield (
                f"{name}: '{path}' is outside the project, where DVC keeps no results; put it below data/, a remote "
                "takes it elsewhere (`dvc remote add`)."
            )
        if (other := makers.setdefault(path, name)) != name:
            yield f"{name}: '{path}' is where {other} lies already; give one of them another `filepath`."
