"""Declaration files as text: which line holds which key, and what is wrong with the text itself."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from difflib import get_close_matches
from pathlib import Path
from typing import Any, Literal

import yaml

Key = tuple[Any, ...]
Kind = Literal["products", "backbones"]
"""Folders of files, in which each thing that is declared has a name."""

Whole = Literal["mlflow", "registry"]
"""Files that are one declaration each."""


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


@dataclass
class DeclarationFiles:
    """The files of one kind, in the order in which later ones override earlier ones."""

    kind: Kind | Whole
    files: list[DeclarationFile] = field(default_factory=list)

    @classmethod
    def find(cls, kind: Kind, folders: list[Path], root: Path) -> "DeclarationFiles":
        """Read `<folder>/<kind>/*.yml` of each environment folder."""
        return cls(
            kind,
            [
                read_declaration(path, _shown(path, root), folder / kind)
                for folder in folders
                for path in sorted((folder / kind).rglob("*.y*ml"))
            ],
        )

    @classmethod
    def find_whole(cls, kind: Whole, folders: list[Path], root: Path) -> "DeclarationFiles":
        """Read `<folder>/<kind>.yml` of each environment folder that has one."""
        paths = [path for folder in folders for path in sorted(folder.glob(f"{kind}.y*ml"))]
        return cls(kind, [read_declaration(path, _shown(path, root), path.parent, named=False) for path in paths])

    @property
    def problems(self) -> list[Problem]:
        """What is wrong with the text of the files, and names that two files of one folder define."""
        problems = [problem for file in self.files for problem in file.problems]
        first: dict[tuple[Path, Any], str] = {}
        for file in self.files:
            for key, line in file.lines.items():
                other = first.setdefault((file.folder, key[0]), file.shown)
                if len(key) == 1 and other != file.shown:
                    message = f"'{key[0]}' is declared in {other} too; keep one of them"
                    problems.append(Problem(f"{file.shown}:{line}", str(key[0]), message))
        return problems

    def holding(self, name: str) -> list[DeclarationFile]:
        """The files that say something about a name, or a first key."""
        return [file for file in self.files if (name,) in file.lines]


def _shown(path: Path, root: Path) -> str:
    return str(path.relative_to(root)) if path.is_relative_to(root) else str(path)


def read_declaration(path: Path, shown: str, folder: Path, *, named: bool = True) -> DeclarationFile:
    """Read one file; a file that is not YAML, not UTF-8 or not a mapping comes back with its problem.

    Args:
        path: of the file.
        shown: how the report calls it.
        folder: that holds all files of its kind and environment.
        named: whether its first keys are names; else it may be empty.
    """
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
    if root is None and not named:
        return file
    if not isinstance(root, yaml.MappingNode) or (named and not root.value):
        wanted = "one top-level key, the name, with its sections below it" if named else "keys with their values"
        file.problems.append(Problem(f"{shown}:1", "", f"the file must hold {wanted}"))
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


def hint(word: object, choices: list[str]) -> str:
    """'expected one of ...; did you mean ...?'"""
    close = get_close_matches(str(word), choices, n=1, cutoff=0.6)
    return f"expected one of {', '.join(choices)}" + (f"; did you mean '{close[0]}'?" if close else "")
