"""What a change makes run again, in Markdown, as the plan of the stages says."""

from collections.abc import Collection, Iterable, Iterator, Mapping
from pathlib import PurePosixPath
from typing import Any

from modelmill.versioning.plan import Stage

ITSELF, FOLLOWS = "●", "○"

HEAD = """# What runs again

Of the products and backbones of this project, as `kedro run` and `dvc repro` have it. Made from the plan of the stages
by `kedro product reference docs/reference`; tests change every key and every file to see that it is so.

`●` a change makes the stage stale by itself. `○` the stage may follow, because it reads what an earlier one makes; it
is skipped when that comes out as before. `kedro dvc status` says which stages are stale, and why. A key of
`globals.yml` counts as those keys that take it; one of `parameters.yml` where a node takes it."""

CODE = """## Source code

How many files of each room of `src/modelmill` a stage needs: those that its functions and datasets import, and what
these import. A change of a byte in one of them makes it stale. A change in `pipelines/`, and in
`conf/base/catalog.yml`, counts where it changes how a stage is put together. No stage needs
{rooms}.

Installed packages are not watched; a version's lineage says which there were."""

ELSEWHERE = {"mlflow": "mlflow.yml", "registry": "registry.yml"}
"""Parameters that have a file of their own."""

Path = tuple[str, ...]
"""A key of the parameters, with those above it."""


def followers(names: Collection[str], stages: Iterable[Stage]) -> set[str]:
    """Stages that read, at one remove or more, what others make; those others are not among them.

    Args:
        names: of the others.
        stages: in the order in which they run.
    """
    stale, changed = set(names), set[str]()
    for stage in stages:
        if stage.name in stale or changed & set(stage.inputs):
            stale.add(stage.name)
            changed |= {file.path for file in stage.outputs}
    return stale - set(names)


def own_stages(
    parameters: Mapping[str, Any], stages: Mapping[str, Stage], rewired: Mapping[Path, Mapping[str, Stage]]
) -> dict[Path, frozenset[str]]:
    """For every key without keys below it, the stages that a change makes stale by itself.

    Args:
        parameters: resolved; of which the keys are.
        stages: their plan.
        rewired: by keys that decide how stages are put together, the plan with another value.
    """
    found = {path: _holders(path, stages) for path in leaves(parameters)}
    for key, other in rewired.items():
        changed = frozenset(name for name, stage in stages.items() if other.get(name) != stage)
        found |= {path: changed for path in found if path[: len(key)] == key}
    return found


def invalidation(
    own: Mapping[Path, frozenset[str]], stages: Mapping[str, Stage], products: Mapping[str, str], files: Iterable[str]
) -> str:
    """The whole document.

    Args:
        own: as `own_stages` finds them.
        stages: of the project, in the order in which they run.
        products: product: its backbone.
        files: all source files of the project's package.
    """
    plan = list(stages.values())
    parts = [HEAD]
    for product, backbone in products.items():
        columns = [stage for owner in (backbone, product) for stage in plan if _owner(stage) == owner]
        rows = [
            [f"{place}: {', '.join(f'`{key}`' for key in keys)}", *_marks(stale, plan, columns)]
            for name, place in {product: product, backbone: backbone, **ELSEWHERE}.items()
            for stale, keys in _together(_uniform((name,), own))
        ]
        parts.append(f"## {product}, and its backbone {backbone}\n\n{_table(['key', *map(_title, columns)], rows)}")
    product, backbone = max(products.items(), key=lambda pair: sum(_owner(stage) in pair for stage in plan))
    columns = [stage for owner in (backbone, product) for stage in plan if _owner(stage) == owner]
    return "\n\n".join([*parts, _code(columns, files)]) + "\n"


def leaves(value: Any, path: Path = ()) -> Iterator[Path]:
    """Every key that has no keys below it."""
    if isinstance(value, Mapping) and value:
        for key, inner in value.items():
            yield from leaves(inner, (*path, key))
    else:
        yield path


def _holders(path: Path, stages: Mapping[str, Stage]) -> frozenset[str]:
    return frozenset(name for name, stage in stages.items() if _holds(stage.parameters.get("parameters", {}), path))


def _holds(value: Any, path: Path) -> bool:
    for key in path:
        if not isinstance(value, Mapping) or key not in value:
            return False
        value = value[key]
    return True


def _uniform(above: Path, own: Mapping[Path, frozenset[str]]) -> Iterator[tuple[Path, frozenset[str]]]:
    """The highest keys below which all keys make the same stages stale; with these."""
    below = {path: stale for path, stale in own.items() if path[: len(above)] == above}
    if len(above) > 1 and len(set(below.values())) == 1:
        yield above, next(iter(below.values()))
        return
    for key in dict.fromkeys(path[len(above)] for path in below):
        yield from _uniform((*above, key), own)


def _together(rows: Iterable[tuple[Path, frozenset[str]]]) -> Iterable[tuple[frozenset[str], list[str]]]:
    """Keys that make the same stages stale in one row."""
    found: dict[frozenset[str], list[str]] = {}
    for path, stale in rows:
        found.setdefault(stale, []).append(".".join(path[1:]))
    return found.items()


def _marks(own: Collection[str], plan: list[Stage], columns: list[Stage]) -> list[str]:
    after = followers(own, plan)
    return [ITSELF if one.name in own else FOLLOWS if one.name in after else "" for one in columns]


def _code(columns: list[Stage], files: Iterable[str]) -> str:
    rooms: dict[str, set[str]] = {}
    for path in sorted(files):
        rooms.setdefault(_room(path), set()).add(path)
    rows = [[f"`{name}`", *(_share(inside, stage) for stage in columns)] for name, inside in rooms.items()]
    nobody = ", ".join(row[0] for row in rows if not any(row[1:]))
    table = _table(["room", *map(_title, columns)], [row for row in rows if any(row[1:])])
    return f"{CODE.format(rooms=nobody)}\n\n{table}"


def _room(path: str) -> str:
    """The package below the project's own that a source file lies in; the file itself where there is none."""
    inner = PurePosixPath(path).parts[2:]
    return inner[0] if len(inner) == 1 else f"{inner[0]}/"


def _share(files: set[str], stage: Stage) -> str:
    needed = len(files & set(stage.code))
    return "" if not needed else "all" if needed == len(files) else f"{needed} of {len(files)}"


def _owner(stage: Stage) -> str:
    return stage.namespace.partition(".")[0]


def _title(stage: Stage) -> str:
    return stage.namespace.replace(".", ": ")


def _table(header: list[str], rows: Iterable[list[str]]) -> str:
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
