"""What a product predicts: its section `task`. Our own kinds of task are declared in `kinds.py`."""

from collections.abc import Mapping
from contextlib import suppress
from functools import cache
from importlib.metadata import EntryPoint, entry_points
from typing import Any, ClassVar, Literal, Self

from pydantic import Field, GetJsonSchemaHandler, ModelWrapValidatorHandler, model_validator
from pydantic_core import CoreSchema

from modelmill.errors import DeclarationError
from modelmill.specs.base import MistakesError, Spec
from modelmill.specs.files import hint
from modelmill.specs.source import Target

GROUP = "modelmill.tasks"
"""Entry points by which other packages add kinds: the name of the kind, and its subclass of `TaskSpec`."""

Better = Literal["larger", "smaller"]


class TaskSpec(Spec):
    """What is predicted: the name of a kind, or a section with `kind` and what this kind lets one choose.

    A kind is a subclass. Its `metrics` are what it computes, and which values are better; `main_metric` is the one that
    names a product; `implementation` is its `modelmill.tasks.task.Task`, `module:Class`, for reading declarations must
    not import it.
    """

    metrics: ClassVar[Mapping[str, Better]]
    main_metric: ClassVar[str]
    implementation: ClassVar[str]

    kind: str = Field(description="what is predicted")

    @property
    def target(self) -> Target:
        """What the labels of its records are."""
        return "class"

    @property
    def between_labels(self) -> str | None:
        """What separates several labels of a record."""
        return None

    @property
    def ordered_labels(self) -> list[str] | None:
        """The allowed labels, where the kind must know them."""
        return None

    @property
    def reads(self) -> tuple[str, ...]:
        """The columns of a record that its models read."""
        return ("text",)

    @property
    def reads_language(self) -> bool:
        """Whether its records are texts in a language: rules on texts, near duplicates and the like are for those."""
        return "text" in self.reads

    @model_validator(mode="wrap")
    @classmethod
    def _of_its_kind(cls, value: Any, handler: ModelWrapValidatorHandler[Self]) -> Self:
        if cls is not TaskSpec or not isinstance(value, str | dict):
            return handler(value)
        section = {"kind": value} if isinstance(value, str) else value
        if "kind" not in section:
            raise MistakesError({("kind",): f"this key is missing; add it, one of {', '.join(known_kinds())}"})
        try:
            chosen = kind(str(section["kind"]))
        except DeclarationError as error:
            raise MistakesError({() if isinstance(value, str) else ("kind",): error.message}) from error
        found = chosen.model_validate(section)
        assert isinstance(found, cls)
        return found

    @classmethod
    def alternatives(cls) -> list[type["TaskSpec"]]:
        """What may stand where any kind is asked for; of a kind that cannot be loaded, who declares it is told why."""
        return [*loaded_kinds().values()] if cls is TaskSpec else []

    @classmethod
    def __get_pydantic_json_schema__(cls, core: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        if cls is not TaskSpec:
            return handler(core)
        sections = [handler(one.__pydantic_core_schema__) for one in cls.alternatives()]
        return {"anyOf": [{"enum": [*loaded_kinds()]}, *sections], "description": "What is predicted."}


@cache
def known_kinds() -> dict[str, list[EntryPoint]]:
    """All kinds by name: our own, then those of other packages; one that several packages have cannot be loaded."""
    from modelmill.specs import kinds

    found = {name: [EntryPoint(name, f"{kinds.__name__}:{spec.__name__}", GROUP)] for name, spec in kinds.KINDS.items()}
    for point in entry_points(group=GROUP):
        found.setdefault(point.name, []).append(point)
    return found


@cache
def kind(name: str) -> type[TaskSpec]:
    """A kind by its name.

    Raises:
        DeclarationError: when it is not known, two packages have it, or it cannot be loaded.
    """
    if name not in known_kinds():
        raise DeclarationError(f"'{name}' is not known; {hint(name, [*known_kinds()])}")
    point, *others = known_kinds()[name]
    if others:
        values = " and ".join(one.value for one in (point, *others))
        raise DeclarationError(f"{values} are both a kind of task '{name}'; remove the package of one")
    try:
        found = point.load()
    except Exception as error:
        raise DeclarationError(
            f"the kind of task '{name}' ({point.value}) cannot be loaded: {error}. Mend its package, or remove it"
        ) from error
    if not (isinstance(found, type) and issubclass(found, TaskSpec)):
        raise DeclarationError(
            f"the kind of task '{name}' ({point.value}) is no subclass of {__name__}.TaskSpec; mend its package"
        )
    return found


def loaded_kinds() -> dict[str, type[TaskSpec]]:
    """The kinds that can be declared, by name."""
    found = {}
    for name in known_kinds():
        with suppress(DeclarationError):
            found[name] = kind(name)
    return found
