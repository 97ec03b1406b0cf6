"""Declaration files as text: which line holds which key, and what is wrong with the text itself."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

Key = tuple[Any, ...]


@dataclass(frozen=True)
class Problem:
    """One mistake: where it stands, the path in the declaration, and what to do about it."""

    where: str
    path: str
    message: str

    def __str__(self) -> str:
        return f"{self.where}: {self.path + ': ' if self.path else ''}{self.message}"


@dataclass
class DeclarationFile:
    """One YAML file, its lines by key path, and what could not be read in it.

    `folder` holds all files of one kind and environment, in which a name may be declared once.
    """

    shown: str
    folder: Path
    text: str | None = None
    lines: dict[Key, int] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)


def read_declaration(path: Path, shown: str, folder: Path) -> DeclarationFile:
    """Read one file; a file that is not YAML, not UTF-8 or not a mapping comes back with its problem."""
    file = DeclarationFile(shown, folder)
    try:
        text = path.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = error.object[: error.start].count(b"\n") + 1
        file.problems.append(Problem(f"{shown}:{line}", "", "this is not UTF-8; save the file as UTF-8"))
        return file
    try:
        root = yaml.compose(text, Loader=yaml.SafeLoader)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        reason = getattr(error, "problem", None) or str(error).splitlines()[0]
        where = f"{shown}:{mark.line + 1}" if mark else f"{shown}:1"
        message = f"this is not valid YAML ({reason}); mend this line or the one above it"
        file.problems.append(Problem(where, "", message))
        return file
    if root is None or not isinstance(root, yaml.MappingNode) or not root.value:
        message = "the file must hold one top-level key, the name, with its sections below it"
        file.problems.append(Problem(f"{shown}:1", "", message))
        return file
    seen: set[Key] = set()
    for key, line in _walk(root, ()):
        if key in seen:
            message = f"this key stands twice (first in line {file.lines[key]}); keep one"
            file.problems.append(Problem(f"{shown}:{line}", dotted(key), message))
        seen.add(key)
        file.lines.setdefault(key, line)
    if not file.problems:
        file.text = text
    return file


def _walk(node: yaml.Node, prefix: Key) -> Iterator[tuple[Key, int]]:
    if isinstance(node, yaml.MappingNode):
        for key_node, value_node in node.value:
            key = (*prefix, key_node.value)
            yield key, key_node.start_mark.line + 1
            yield from _walk(value_node, key)
    elif isinstance(node, yaml.SequenceNode):
        for index, item in enumerate(node.value):
            key = (*prefix, index)
            yield key, item.start_mark.line + 1
            yield from _walk(item, key)


def dotted(key: Key) -> str:
    """('a', 'b', 0, 'c') -> 'a.b[0].c'."""
    text = ""
    for part in key:
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else str(part)
    return text


def locate(key: Key, files: list[DeclarationFile]) -> str:
    """file:line of the deepest part of a path that stands in a file; later files win over earlier ones.

    Parts that a user may leave out (the index of a single item) are stepped over.
    """
    best: tuple[int, str] = (0, files[-1].shown if files else "--params")
    for file in files:
        found: Key = ()
        for part in key:
            if (*found, part) in file.lines:
                found = (*found, part)
        if found and len(found) >= best[0]:
            line = file.lines[found]  # 0: the file has no lines, it is the command line
            best = (len(found), f"{file.shown}:{line}" if line else file.shown)
    return best[1]
