"""Which stages are fresh, and what the others are stale because of."""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from types import MappingProxyType
from typing import Literal

from modelmill.errors import DataError, DeclarationError
from modelmill.specs.files import hint
from modelmill.versioning.changes import Change
from modelmill.versioning.dvc_yaml import DVC_YAML, differing, rendered
from modelmill.versioning.plan import Stage, makers
from modelmill.versioning.repository import Repository, is_versioned

NOTHING: Mapping[str, str] = MappingProxyType({})


@dataclass(frozen=True)
class Status:
    """Of one stage. `waiting`: nothing of its own changed, but a stage that it reads from will run first.
    `data missing`: it is not looked at and does not run; `missing` says why.
    """

    stage: str
    status: Literal["fresh", "stale", "never run", "waiting", "data missing"]
    changes: tuple[Change, ...] = ()
    waits_for: tuple[str, ...] = ()
    missing: str | None = None


def status_of(
    stages: Mapping[str, Stage], root: Path, names: Collection[str] = (), absent: Mapping[str, str] = NOTHING
) -> list[Status]:
    """The status of each stage, in the order in which they run.

    Args:
        stages: of the declarations as they are now.
        root: the project's folder.
        names: products and backbones; none means all.
        absent: by product or backbone that cannot run for want of data, why.

    Raises:
        DataError: when the project is not under DVC, or dvc.yaml has other stages.
        DeclarationError: for a name that is not there.
    """
    if not is_versioned(root):
        raise DataError("this project is not under DVC; `git init` and `dvc init` put it there.")
    owners = sorted({stage.namespace.partition(".")[0] for stage in stages.values()})
    for name in names:
        if name not in owners:
            raise DeclarationError(f"no product or backbone is called '{name}'; {hint(name, owners)}")
    if DVC_YAML in differing(rendered(stages.values(), root), root):
        raise DataError("dvc.yaml is not what the pipelines say now; `kedro dvc sync` writes it.")
    repository = Repository(root)
    maker = makers(stages.values())
    found: dict[str, Status] = {}
    for name, stage in stages.items():
        changes = tuple(repository.changes(stage))
        above = {maker[path] for path in stage.inputs if path in maker}
        waits_for = tuple(sorted(one for one in above if found[one].status != "fresh"))
        if changes:
            found[name] = Status(name, "never run" if changes[0].kind == "never run" else "stale", changes, waits_for)
        else:
            found[name] = Status(name, "waiting" if waits_for else "fresh", (), waits_for)
    owned = [(stages[name].namespace.partition(".")[0], one) for name, one in found.items()]
    return [
        replace(one, missing=absent.get(owner), status="data missing" if owner in absent else one.status)
        for owner, one in owned
        if not names or owner in names
    ]


WORST_FIRST = ("data missing", "never run", "stale", "waiting", "fresh")


def by_owner(rows: Iterable[Status], stages: Mapping[str, Stage]) -> dict[str, str]:
    """Of each product and backbone: fresh, or what the worst of its stages is; what waits is stale, seen as a whole."""
    found: dict[str, set[str]] = {}
    for row in rows:
        found.setdefault(stages[row.stage].namespace.partition(".")[0], set()).add(row.status)
    worst = {owner: next(one for one in WORST_FIRST if one in statuses) for owner, statuses in found.items()}
    return {owner: "stale" if status == "waiting" else status for owner, status in worst.items()}


def last_of(rows: Iterable[Status], stages: Mapping[str, Stage]) -> list[str]:
    """Stages that have their data, and whose results no other one of these reads: told of them, DVC makes all; told of
    each, it would look at everything for each.
    """
    made, names = makers(stages.values()), [row.stage for row in rows if not row.missing]
    read = {made[path] for name in names for path in stages[name].inputs if path in made}
    return [name for name in names if name not in read]
