"""From YAML files to resolved declarations: merge, validate, cross-check; all mistakes in one report."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal, TypeVar, get_args, get_origin

from pydantic import BaseModel, RootModel, ValidationError
from pydantic_core import ErrorDetails

from modelmill.errors import DeclarationError
from modelmill.specs.backbone import BackboneSpec
from modelmill.specs.base import MistakesError, Spec
from modelmill.specs.cross_check import cross_check
from modelmill.specs.files import DeclarationFile, DeclarationFiles, Key, Kind, Problem, Whole, dotted, hint, locate
from modelmill.specs.mlflow import MlflowSpec
from modelmill.specs.product import ProductSpec
from modelmill.specs.registry import RegistrySpec
from modelmill.specs.task import TaskSpec, loaded_kinds

S = TypeVar("S", bound=Spec)
SPECS: dict[Kind, type[Spec]] = {"products": ProductSpec, "backbones": BackboneSpec}
WHOLE: dict[Whole, type[Spec]] = {"mlflow": MlflowSpec, "registry": RegistrySpec}
LEAST = "{stages: {candidate: {}, production: {from: candidate}, archived: {from: production}}}"
"""The least `registry.yml`."""

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


def check_whole(
    spec: type[S], raw: dict[str, Any], found: DeclarationFiles, known_problems: list[Problem]
) -> tuple[S | None, list[Problem]]:
    """Validate what files that are one declaration (`registry.yml`) say together.

    Args:
        spec: what they declare.
        raw: merged plain data.
        found: where the data stands.
        known_problems: what reading and merging has found.

    Returns:
        the declaration, None when it has mistakes; and all of those.
    """
    if known_problems:  # what is missing may stand in a file that is broken
        return None, known_problems
    try:
        return spec.model_validate(raw), []
    except ValidationError as error:
        if not found.files:
            message = f"there is no such file, and it has no default; the least that it may hold is {LEAST}"
            return None, [Problem(f"conf/base/{found.kind}.yml", "", message)]
        return None, list(_explain(error, raw, (), spec, found.files))


def resolve(
    raw: Mapping[Kind, Mapping[str, Any]],
    files: Mapping[Kind, DeclarationFiles],
    known_problems: list[Problem],
    registry: RegistrySpec | None,
) -> Declarations:
    """Validate merged declarations.

    Args:
        raw: for each kind, name to merged plain data.
        files: where the data stands, for the report.
        known_problems: what reading and merging has found.
        registry: its stages are those that gates may be of; None when its own declaration has mistakes.

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
                problems += _explain(error, value, (name,), spec_class, where)
    if not any(found.problems for found in files.values()):  # else what is missing may stand in a file that is broken
        problems += cross_check(raw, files, specs["backbones"], registry)
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


def _name_problems(name: str, where: list[DeclarationFile]) -> list[Problem]:
    if not re.fullmatch("[a-z][a-z0-9_]*", name):
        message = "a name is lower-case letters, digits and _, and starts with a letter (it names files and models)"
    elif name in RESERVED:
        message = "this name is taken by the framework; choose another"
    else:
        return []
    return [Problem(locate((name,), where), name, message)]


def _explain(
    errors: ValidationError, raw: Any, start: Key, spec: type[Spec], where: list[DeclarationFile]
) -> Iterator[Problem]:
    """What pydantic says of a value, `start` being the path of the spec in its files; all of one place together."""
    found: dict[Key, list[str]] = {}
    for detail in errors.errors():
        path = (*start, *_keys(detail, raw))
        error = detail.get("ctx", {}).get("error")
        said = error.found if isinstance(error, MistakesError) else {(): _message(detail, spec, raw)}
        for below, message in said.items():
            found.setdefault((*path, *below), []).append(message)
    for path, messages in found.items():
        place = locate(path, where) if where else "--params"
        yield Problem(place, dotted(path), "; or: ".join(dict.fromkeys(messages)))


def _keys(detail: ErrorDetails, raw: Any) -> Iterator[Any]:
    """The path of a mistake as it stands in the file: pydantic adds which alternative of a type it has tried."""
    *above, last = (part for part in detail["loc"] if part != "[key]") if detail["loc"] else [None]
    for part in above:
        if _has(raw, part):
            raw = raw[part]
            yield part
    if detail["type"] == "missing" or _has(raw, last):
        yield last


def _has(raw: Any, part: Any) -> bool:
    return part in raw if isinstance(raw, dict) else isinstance(raw, list) and isinstance(part, int)


def _message(detail: ErrorDetails, spec: type[Spec], raw: Any) -> str:
    given = detail["input"]
    match detail["type"]:
        case "extra_forbidden":
            known = _keys_at(spec, detail["loc"][:-1], raw)
            return f"unknown key; {hint(detail['loc'][-1], known)}"
        case "missing":
            return "this key is missing; add it"
        case "literal_error":
            return f"'{given}' is not known; {hint(given, _choices_at(spec, detail['loc'], raw))}"
        case "model_type" | "dict_type":
            return f"expected a section with keys below it, got {given!r}"
        case "value_error":
            return str(detail["ctx"]["error"])
        case _:
            return f"{detail['msg'][0].lower()}{detail['msg'][1:]}, got {_shown(given)}"


def _shown(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."


def _annotation_at(spec: type[BaseModel], loc: Key, raw: Any) -> Any:
    """The type of the value at a path below a spec; of a task, the kind that `raw`, the spec's own value, names."""
    current: Any = spec
    for part in loc:
        raw = raw.get(part) if isinstance(raw, dict) else None
        models = [model for model in _flat(current) if isinstance(model, type) and issubclass(model, BaseModel)]
        if models and isinstance(part, str) and part in models[0].model_fields:
            current = models[0].model_fields[part].annotation
        if TaskSpec in _flat(current) and isinstance(raw, dict):
            current = loaded_kinds().get(str(raw.get("kind")), current)
    return current


def _flat(annotation: Any) -> list[Any]:
    """A type and all types inside it: list[X] -> [list[X], X]; a root model stands for its root."""
    if isinstance(annotation, type) and issubclass(annotation, RootModel):
        return _flat(annotation.model_fields["root"].annotation)
    if isinstance(annotation, type) and issubclass(annotation, TaskSpec):
        return [*annotation.alternatives(), annotation]
    return [annotation, *(inner for arg in get_args(annotation) for inner in _flat(arg))]


def _keys_at(spec: type[BaseModel], loc: Key, raw: Any) -> list[str]:
    inside = _flat(_annotation_at(spec, loc, raw))
    models = [model for model in inside if isinstance(model, type) and issubclass(model, BaseModel)]
    fields = [field.alias or name for model in models for name, field in model.model_fields.items()]
    return sorted(set(fields))


def _choices_at(spec: type[BaseModel], loc: Key, raw: Any) -> list[str]:
    for inner in _flat(_annotation_at(spec, loc, raw)):
        if get_origin(inner) is Literal:
            return [str(choice) for choice in get_args(inner)]
    return []
