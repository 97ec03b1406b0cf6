"""What every spec has in common."""

from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

Share = Annotated[float, Field(ge=0, le=1)]
"""A part of one: 0.1 is 10%."""


class Spec(BaseModel):
    """A section of a declaration: unknown keys are errors, and nothing changes once it is read."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False, protected_namespaces=())


def listed(value: Any) -> Any:
    """Let a user write one item where a list is meant."""
    return value if isinstance(value, list) else [value]


OneOrMore = BeforeValidator(listed)
