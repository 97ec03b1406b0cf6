"""What every spec has in common."""

from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, GetCoreSchemaHandler, GetJsonSchemaHandler
from pydantic_core import CoreSchema, core_schema

Share = Annotated[float, Field(ge=0, le=1)]
"""A part of one: 0.1 is 10%."""


class Spec(BaseModel):
    """A section of a declaration: unknown keys are errors, and nothing changes once it is read."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False, protected_namespaces=())


def listed(value: Any) -> Any:
    """Let a user write one item where a list is meant."""
    return value if isinstance(value, list) else [value]


class MistakesError(ValueError):
    """Several mistakes below one section, each by its path from there; the report says where each of them stands."""

    def __init__(self, found: Mapping[tuple[Any, ...], str]) -> None:
        super().__init__("; ".join(found.values()))
        self.found = found


class OneOrMore:
    """Marks a list field that also takes a single item; the JSON Schema says so."""

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_before_validator_function(listed, handler(source))

    def __get_pydantic_json_schema__(self, core: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        schema = handler(core)
        return {"anyOf": [schema["items"], schema]}
