"""`dvc.yaml` and the files of parameters, as they follow from the stages; what a person wrote in there stays."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from textwrap import indent
from typing import Any

import yaml

from modelmill.errors import DeclarationError
from modelmill.files import write_whole
from modelmill.versioning.outputs import KEPT_BY
from modelmill.versioning.plan import Stage, makers

DVC_YAML, PARAMETERS, SYNC = "dvc.yaml", "params", "sync"
OURS = {"written_by": "kedro dvc sync"}
"""`meta:` of the stages that are written here; all others are a person's."""

HEAD = "# What the stage follows; `kedro run` and `kedro dvc sync` write it. Change the declarations instead.\n"


def rendered(stages: Iterable[Stage], root: Path) -> dict[str, str]:
    """The text of `dvc.yaml` and of every file of parameters, by path from the project's folder.

    Raises:
        DeclarationError: when a stage that a person wrote has the name of one of ours or writes what one of ours does,
            or the file cannot be read.
    """
    stages = list(stages)
    files = {stage.parameters_file: _parameters(stage) for stage in stages}
    return {DVC_YAML: _dvc_yaml(stages, root / DVC_YAML), **files}


def says(stage: Stage, root: Path) -> bool:
    """Whether the file of parameters on disk is that of the stage."""
    return _says(root / stage.parameters_file, _parameters(stage))


def differing(files: Mapping[str, str], root: Path) -> list[str]:
    """Paths of files that are not there or say something else, and of files of parameters that nobody needs."""
    changed = [path for path, text in files.items() if not _says(root / path, text)]
    there = [path for path in (root / PARAMETERS).rglob("*.yaml") if path.read_text(encoding="utf-8").startswith(HEAD)]
    return [*changed, *sorted({path.relative_to(root).as_posix() for path in there} - set(files))]


def write(files: Mapping[str, str], root: Path) -> list[str]:
    """Write what differs, and remove files of parameters that nobody needs.

    Returns:
        the paths that changed.
    """
    changed = differing(files, root)
    for path in changed:
        if path in files:
            (root / path).parent.mkdir(parents=True, exist_ok=True)
            write_whole(root / path, files[path])
        else:
            (root / path).unlink()
    return changed


def plain(value: Any) -> Any:
    """What DVC reads back: mappings, lists and scalars, keys as text."""
    if isinstance(value, Mapping):
        return {str(key): plain(inner) for key, inner in value.items()}
    return [plain(inner) for inner in value] if isinstance(value, list | tuple) else value


def _parameters(stage: Stage) -> str:
    return HEAD + _dump(plain(stage.parameters))


def _says(path: Path, text: str) -> bool:
    return path.is_file() and path.read_text(encoding="utf-8") == text


def _dump(value: Any) -> str:
    return yaml.dump(value, Dumper=_Dumper, allow_unicode=True, sort_keys=True, width=120)


class _Dumper(yaml.CSafeDumper):
    """No anchors: two stages with one list are two lists. Text is quoted where it does not begin with a letter:
    YAML 1.2, which DVC reads, takes `1e3` and `08` for numbers, and PyYAML knows 1.1.
    """

    def ignore_aliases(self, data: Any) -> bool:
        return True


def _text(dumper: _Dumper, value: str) -> yaml.ScalarNode:
    quoted = value and not value[0].isalpha()
    return dumper.represent_scalar("tag:yaml.org,2002:str", value, style='"' if quoted else None)


_Dumper.add_representer(str, _text)


def _dvc_yaml(stages: list[Stage], path: Path) -> str:
    """The file with our stages where they stood; every other line stays as a person wrote it."""
    text = path.read_text(encoding="utf-8") if path.is_file() else ""
    there = _placed(text)
    ours = {SYNC: _sync_stage(), **{stage.name: _entry(stage) for stage in stages}}
    old = [one for one in there.stages if one.is_ours]
    _check_theirs(there, stages, set(ours))
    new = indent(yaml.dump(ours, Dumper=_Dumper, allow_unicode=True, sort_keys=False, width=1000), " " * there.column)
    lines = text.splitlines(keepends=True)
    gone = {number for one in old for number in range(one.first, one.end)}
    at = old[0].first if old else there.below
    kept = [("" if number in gone else line) for number, line in enumerate(lines)]
    if there.below is None:
        return "".join([*kept, "" if text.endswith("\n") or not text else "\n", "stages:\n", new])
    return "".join([*kept[:at], new, *kept[at:]])


@dataclass(frozen=True)
class _Written:
    """A stage in the file: its name, whether it is ours, what it writes, and its lines from `first` to before `end`."""

    name: str
    is_ours: bool
    writes: tuple[str, ...]
    first: int
    end: int


@dataclass(frozen=True)
class _Placed:
    """Where the stages stand: the line below `stages:` (None when that is not there), and the column of their names."""

    below: int | None
    column: int = 2
    stages: tuple[_Written, ...] = ()


def _placed(text: str) -> _Placed:
    try:
        whole = yaml.compose(text, Loader=yaml.CSafeLoader)
        content = yaml.load(text, Loader=yaml.CBaseLoader) or {}  # all text: a stage may be called `1` or `yes`
    except yaml.YAMLError as error:
        raise DeclarationError(
            f"dvc.yaml cannot be read; `git checkout dvc.yaml` brings the committed one back.\n{error}"
        ) from error
    if whole is not None and not isinstance(whole, yaml.MappingNode):
        raise DeclarationError("dvc.yaml: expected keys such as `stages:` at the top; correct it by hand.")
    for key, value in whole.value if whole else ():
        if key.value == "stages":
            if getattr(value, "flow_style", None) is not False:
                raise DeclarationError("dvc.yaml: write below `stages:` one stage on each line, or take the key away.")
            found = [
                _Written(name.value, _is_ours(said), _written(said), name.start_mark.line, _end(stage))
                for name, stage in value.value
                for said in [content["stages"][name.value]]
            ]
            return _Placed(key.start_mark.line + 1, value.value[0][0].start_mark.column, tuple(found))
    return _Placed(None)


def _end(node: Any) -> int:
    """The line after a value; comments below it belong to what follows."""
    if isinstance(node, yaml.CollectionNode) and not node.flow_style:
        last = node.value[-1]
        return _end(last[1] if isinstance(last, tuple) else last)
    return int(node.end_mark.line + (node.end_mark.column > 0))


def _check_theirs(there: "_Placed", stages: list[Stage], names: set[str]) -> None:
    """A stage of a person must not be in the way of ours."""
    made = makers(stages)
    for one in there.stages:
        if one.is_ours:
            continue
        place = f"dvc.yaml:{one.first + 1}: the stage '{one.name}'"
        if one.name in names:
            raise DeclarationError(f"{place} has the name of one that is generated; rename it.")
        for path in filter(made.__contains__, one.writes):
            raise DeclarationError(f"{place} writes {path}, as the generated '{made[path]}' does; take it out of one.")


def _written(stage: Any) -> tuple[str, ...]:
    """Paths that a stage writes, as they stand in the file."""
    kinds = stage if isinstance(stage, Mapping) else {}
    entries = [entry for kind in KEPT_BY for entry in kinds.get(kind) or ()]
    return tuple(str(next(iter(entry)) if isinstance(entry, Mapping) else entry) for entry in entries)


def _is_ours(stage: Any) -> bool:
    return isinstance(stage, Mapping) and stage.get("meta") == OURS


def _sync_stage() -> dict[str, Any]:
    """Makes `dvc repro` see a change in the declarations, which DVC cannot read before they are resolved."""
    return {
        "cmd": "kedro dvc sync",
        "desc": "Resolve the declarations into params/",
        "deps": ["conf/base", "src/modelmill"],
        "outs": [{PARAMETERS: {"cache": False, "persist": True}}],
        "meta": dict(OURS),
    }


def _entry(stage: Stage) -> dict[str, Any]:
    entry: dict[str, Any] = {
        "cmd": stage.command,
        "deps": sorted({*stage.inputs, *stage.code}),
        "params": [{stage.parameters_file: None}],
    }
    for kind, kept in KEPT_BY.items():
        settings = {file.path: {**kept, **file.options} for file in stage.outputs if file.kind == kind}
        files = [{path: said} if said else path for path, said in settings.items()]
        if files:
            entry[kind] = files
    return {**entry, "meta": dict(OURS)}
