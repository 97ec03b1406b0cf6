"""`dvc.yaml` and the files of parameters, as they follow from the stages; what a person wrote in there stays."""

from collections.abc import Iterable, Mapping
from io import StringIO
from pathlib import Path
from typing import Any

import yaml

from modelmill.errors import DeclarationError
from modelmill.files import write_whole
from modelmill.versioning.outputs import KEPT_BY
from modelmill.versioning.plan import Stage

DVC_YAML, PARAMETERS, SYNC = "dvc.yaml", "params", "sync"
OURS = {"written_by": "kedro dvc sync"}
"""`meta:` of the stages that are written here; all others are a person's."""

HEAD = "# What the stage follows; `kedro run` and `kedro dvc sync` write it. Change the declarations instead.\n"


def rendered(stages: Iterable[Stage], root: Path) -> dict[str, str]:
    """The text of `dvc.yaml` and of every file of parameters, by path from the project's folder.

    Raises:
        DeclarationError: when a stage that a person wrote has the name of one of ours, or writes what one of ours does.
    """
    stages = list(stages)
    files = {stage.parameters_file: HEAD + _dump(plain(stage.parameters)) for stage in stages}
    return {DVC_YAML: _dvc_yaml(stages, root / DVC_YAML), **files}


def differing(files: Mapping[str, str], root: Path) -> list[str]:
    """Paths of files that are not there or say something else, and of files of parameters that nobody needs."""
    changed = [path for path, text in files.items() if not _says(root / path, text)]
    there = {path.relative_to(root).as_posix() for path in (root / PARAMETERS).rglob("*.yaml")}
    return [*changed, *sorted(there - set(files))]


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


def _says(path: Path, text: str) -> bool:
    return path.is_file() and path.read_text(encoding="utf-8") == text


def _dump(value: Any) -> str:
    return yaml.dump(value, Dumper=_Dumper, allow_unicode=True, sort_keys=True, width=120)


class _Dumper(yaml.SafeDumper):
    """No anchors: two stages with one list are two lists."""

    def ignore_aliases(self, data: Any) -> bool:
        return True


def _dvc_yaml(stages: list[Stage], path: Path) -> str:
    """The file with our stages first, then those of a person, with their comments."""
    from ruamel.yaml import YAML

    editor = YAML()
    editor.width, editor.preserve_quotes = 120, True
    there = editor.load(path.read_text(encoding="utf-8")) if path.is_file() else None
    whole: Any = there if there is not None else {}
    theirs = {name: stage for name, stage in (whole.get("stages") or {}).items() if not _is_ours(stage)}
    ours = {SYNC: _sync_stage(), **{stage.name: _entry(stage) for stage in stages}}
    if taken := sorted(set(ours) & set(theirs)):
        raise DeclarationError(f"dvc.yaml: the stage '{taken[0]}' has the name of one that is generated; rename it.")
    whole["stages"] = {**ours, **theirs}
    text = StringIO()
    editor.dump(whole, text)
    return text.getvalue()


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
