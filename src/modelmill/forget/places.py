"""Where the catalog puts the datasets of a product or backbone, declared or not any more."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from glob import escape
from pathlib import Path

from kedro.io import DataCatalog

ANY = "any_name"
"""Stands for a name where a pattern is turned into a pattern of paths."""


@dataclass(frozen=True)
class Place:
    """A dataset `mood.train`: its kind (`train`), and its file or folder, which need not be there."""

    dataset: str
    kind: str
    path: Path


def places_of(catalog: DataCatalog, owners: Iterable[str]) -> dict[str, list[Place]]:
    """By owner, every dataset that the catalog has a pattern for; of names that are on disk alone too."""
    patterns = {kind: pattern for pattern in catalog.config_resolver.list_patterns() if (kind := _kind(pattern))}
    names = sorted({*owners, *_names_on_disk(catalog, patterns.values())})
    datasets = {name: {kind: _filled(pattern, name) for kind, pattern in patterns.items()} for name in names}
    return {
        name: [Place(dataset, kind, path) for kind, dataset in own.items() if (path := _path(catalog, dataset))]
        for name, own in datasets.items()
    }


def _kind(pattern: str) -> str:
    """'train' of '{name}.train'; nothing for a pattern that has not one name and something beside it."""
    return _filled(pattern, "").strip("._") if pattern.count("{") == 1 else ""


def _filled(pattern: str, name: str) -> str:
    return re.sub(r"\{.*?\}", name, pattern)


def _path(catalog: DataCatalog, dataset: str) -> Path | None:
    found = catalog.get(dataset)
    path = found._describe().get("filepath") if found else None  # Kedro offers nothing public
    return Path(str(path)) if path else None


def _names_on_disk(catalog: DataCatalog, patterns: Iterable[str]) -> set[str]:
    """Names under which the patterns find something: a product that is no longer declared left it."""
    names = set()
    for pattern in patterns:
        path = str(_path(catalog, _filled(pattern, ANY)) or "")
        if path.count(ANY) == 1:
            shape = re.compile(re.escape(path).replace(ANY, "([^/]+)"))
            wildcard = escape(path).replace(ANY, "*").removeprefix("/")
            matches = (shape.fullmatch(str(found)) for found in Path("/").glob(wildcard))
            names |= {match[1] for match in matches if match}
    return names
