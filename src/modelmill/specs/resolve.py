"""From YAML files to resolved declarations: merge, validate, cross-check; all mistakes in one report."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from pathlib import Path
from typing import Any, Literal, get_args, get_origin

from pydantic import BaseModel, RootModel, ValidationError
from pydantic_core import ErrorDetails

from modelmill.errors import DeclarationError
from modelmill.specs.backbone import BackboneSpec, why_not_from
from modelmill.specs.base import Spec, listed
from modelmill.specs.files import DeclarationFile, Key, Problem, dotted, locate, read_declaration
from modelmill.specs.product import TASK_METRICS, ProductSpec

FROM: Key = ("pretraining", "from")
Kind = Literal["products", "backbones"]
SPECS: dict[Kind, type[Spec]] = {"products": ProductSpec, "backbones": BackboneSpec}


RESERVED = frozenset(
    {"data_cleaning", "augmentation", "tokenization", "pretraining", "fine_tuning", "evaluation", "registration"}
    | {"mlflow", "registry", "project_root", "params", "product", "backbone"}
)
"""Names of pipelines and of parameters that every run has."""


@dataclass(frozen=True)
class Declarations:
    """Every product and backbone, resolved: what was declared plus every default."""

    products: Mapping[str, ProductSpec]
    backbones: Mapping[str, BackboneSpec]

    def as_parameters(self) -> dict[str, Any]:
        """The same values as plain data, by name, for Kedro's parameters."""
        specs = (*self.backbones.items(), *self.products.items())
        return {name: spec.model_dump(mode="json", by_alias=True) for name, spec in specs}


@dataclass
class DeclarationFiles:
    """The files of one kind, in the order in which later ones override earlier ones."""

    kind: Kind
    files: list[DeclarationFile] = field(default_factory=list)

    @classmethod
    def find(cls, kind: Kind, folders: list[Path], root: Path) -> "DeclarationFiles":
        """Read `<folder>/<kind>/*.yml` of each environment folder."""
        files = []
        for folder in folders:
            for path in sorted((folder / kind).rglob("*.y*ml")):
                shown = str(path.relative_to(root)) if path.is_relative_to(root) else str(path)
                files.append(read_declaration(path, shown, folder / kind))
        return cls(kind, files)

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
        """The files that say something about a name."""
        return [file for file in self.files if (name,) in file.lines]


def resolve(
    raw: Mapping[Kind, Mapping[str, Any]],
    files: Mapping[Kind, DeclarationFiles],
    known_problems: list[Problem],
) -> Declarations:
    """Validate merged declarations.

    Args:
        raw: for each kind, name to merged plain data.
        files: where the data stands, for the report.
        known_problems: what reading and merging has found.

    Raises:
        DeclarationError: with every mistake of every file.
    """
    problems = list(known_problems)
    specs: dict[Kind, dict[str, Any]] = {"products": {}, "backbones": {}}
    for kind, spec_class in SPECS.items():
        for name, value in raw[kind].items():
            where = files[kind].holding(name)
            problems += _name_problems(name, where)
            try:
                specs[kind][name] = spec_class.model_validate(value)
            except ValidationError as error:
                problems += [_explain(detail, name, spec_class, where) for detail in error.errors()]
    if not any(found.problems for found in files.values()):  # else what is missing may stand in a file that is broken
        problems += _cross_check(raw, files, specs["backbones"])
    if problems:
        raise DeclarationError(report(problems))
    return Declarations(specs["products"], specs["backbones"])


def report(problems: list[Problem]) -> str:
    """One message with all mistakes, in the order of the files."""
    lines = sorted({str(problem) for problem in problems}, key=_by_number)
    count = "1 mistake" if len(lines) == 1 else f"{len(lines)} mistakes"
    return f"{count} in the declarations; nothing was run.\n" + "\n".join(f"  {line}" for line in lines)


def _by_number(line: str) -> list[str | int]:
    """Line 9 before line 10."""
    return [int(part) if part.isdigit() else part for part in re.split(r"(\d+)", line)]


def hint(word: object, choices: list[str]) -> str:
    """'expected one of ...; did you mean ...?'"""
    close = get_close_matches(str(word), choices, n=1, cutoff=0.6)
    return f"expected one of {', '.join(choices)}" + (f"; did you mean '{close[0]}'?" if close else "")


def _name_problems(name: str, where: list[DeclarationFile]) -> list[Problem]:
    if not re.fullmatch("[a-z][a-z0-9_]*", name):
        message = "a name is lower-case letters, digits and _, and starts with a letter (it names files and models)"
    elif name in RESERVED:
        message = "this name is taken by the framework; choose another"
    else:
        return []
    return [Problem(locate((name,), where), name, message)]


def _explain(detail: ErrorDetails, name: str, spec: type[Spec], where: list[DeclarationFile]) -> Problem:
    path: Key = (name, *(part for part in detail["loc"] if part != "[key]"))
    place = locate(path, where) if where else "--params"
    given = detail["input"]
    match detail["type"]:
        case "extra_forbidden":
            known = _keys_at(spec, detail["loc"][:-1])
            message = f"unknown key; {hint(detail['loc'][-1], known)}"
        case "missing":
            message = "this key is missing; add it"
        case "literal_error":
            message = f"'{given}' is not known; {hint(given, _choices_at(spec, detail['loc']))}"
        case "model_type" | "dict_type":
            message = f"expected a section with keys below it, got {given!r}"
        case "value_error":
            message = str(detail["ctx"]["error"])
        case _:
            message = f"{detail['msg'][0].lower()}{detail['msg'][1:]}, got {_shown(given)}"
    return Problem(place, dotted(path), message)


def _shown(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."


def _annotation_at(spec: type[BaseModel], loc: Key) -> Any:
    """The type of the value at a path below a spec."""
    current: Any = spec
    for part in loc:
        models = [model for model in _flat(current) if isinstance(model, type) and issubclass(model, BaseModel)]
        if models and isinstance(part, str) and part in models[0].model_fields:
            current = models[0].model_fields[part].annotation
    return current


def _flat(annotation: Any) -> list[Any]:
    """A type and all types inside it: list[X] -> [list[X], X]; a root model stands for its root."""
    if isinstance(annotation, type) and issubclass(annotation, RootModel):
        return _flat(annotation.model_fields["root"].annotation)
    return [annotation, *(inner for arg in get_args(annotation) for inner in _flat(arg))]


def _keys_at(spec: type[BaseModel], loc: Key) -> list[str]:
    for model in _flat(_annotation_at(spec, loc)):
        if isinstance(model, type) and issubclass(model, BaseModel):
            return sorted(field.alias or name for name, field in model.model_fields.items())
    return []


def _choices_at(spec: type[BaseModel], loc: Key) -> list[str]:
    for inner in _flat(_annotation_at(spec, loc)):
        if get_origin(inner) is Literal:
            return [str(choice) for choice in get_args(inner)]
    return []


def _cross_check(
    raw: Mapping[Kind, Mapping[str, Any]], files: Mapping[Kind, DeclarationFiles], specs: Mapping[str, BackboneSpec]
) -> list[Problem]:
    """What one declaration says of another, as far as it can be read: it may have mistakes of its own.

    `specs` are the backbones that have none.
    """
    products, backbones = sorted(raw["products"]), sorted(raw["backbones"])
    found: list[tuple[Kind, Key, str]] = [
        ("backbones", (name,), "a product has this name too; names are shared, rename one of them")
        for name in set(products) & set(backbones)
    ]
    for name, product in raw["products"].items():
        found += [("products", (name, *path), message) for path, message in _product_references(product, backbones)]
    for name, backbone in raw["backbones"].items():
        path: Key = ("pretraining", "corpus", "products")
        found += [
            ("backbones", (name, *path, i), f"unknown product '{giver}'; {hint(giver, products)}")
            for i, giver in enumerate(listed(_at(backbone, *path) or []))
            if giver not in products
        ]
        found += [("backbones", (name, *FROM), text) for text in _base_mistakes(name, raw["backbones"], specs)]
    return [Problem(locate(path, files[kind].holding(path[0])), dotted(path), text) for kind, path, text in found]


def _product_references(product: Any, backbones: list[str]) -> Iterator[tuple[Key, str]]:
    """(path in the product, message) for each name that nothing is called by."""
    backbone, task = _at(product, "backbone"), str(_at(product, "task"))
    if backbone is not None and backbone not in backbones:
        yield ("backbone",), f"unknown backbone '{backbone}'; {hint(backbone, backbones)}"
    gates = _at(product, "gates")
    stages = gates.items() if isinstance(gates, dict) else ()
    named = {("gates", stage, i, "metric"): gate for stage, some in stages for i, gate in enumerate(listed(some))}
    mentions: dict[Key, Any] = {path: _at(gate, "metric") for path, gate in named.items()}
    mentions["evaluation", "metric"] = _at(product, "evaluation", "metric")
    known = list(TASK_METRICS.get(task, ()))
    for path, metric in mentions.items():
        if known and metric is not None and metric not in known:
            yield path, f"{task} has no metric '{metric}'; {hint(metric, known)}"


def _base_mistakes(name: str, raw: Mapping[str, Any], specs: Mapping[str, BackboneSpec]) -> Iterator[str]:
    """Messages when what a backbone goes on from is not there, is itself in the end, or is of another kind."""
    chain = [name]
    while isinstance(base := _at(raw[chain[-1]], *FROM), str):
        if base not in raw and len(chain) == 1:
            yield f"unknown backbone '{base}'; {hint(base, sorted({*raw} - {name}))}"
        if base == name:
            yield f"this goes round in a circle ({' from '.join([*chain, base])}); one of them must start anew"
        if base not in raw or base in chain:
            return
        chain.append(base)
    if name in specs and chain[-1] in specs and (message := why_not_from(specs[name], specs[chain[-1]])):
        yield message


def _at(value: Any, *path: str) -> Any:
    """What stands at a path in nested mappings; None when nothing does."""
    for part in path:
        value = value.get(part) if isinstance(value, dict) else None
    return value
