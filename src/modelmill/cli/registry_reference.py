"""The reference of `registry.yml` in Markdown, made from its specification."""

from datetime import timedelta
from typing import Any, get_args

from pydantic import BaseModel
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from modelmill import markdown
from modelmill.specs.registry import Gate, Gates, NotifySpec, RegistrySpec, SigningSpec, StageSpec

HEAD = """# registry.yml

How models get from stage to stage: `conf/base/registry.yml`, laid over by `conf/<env>/registry.yml` key by key. So an
environment adds gates and changes their keys; a gate of base that it does not want to stop a version gets
`{required: false}` there, for a key cannot be taken away. Made by `kedro product reference docs/reference`; a test says
when it is stale. For editors there is [a schema](../schema/registry.schema.json)."""

SECTIONS: dict[str, tuple[str, type[BaseModel]]] = {
    "The file": ("", RegistrySpec),
    "A stage": ("`stages: {NAME: ...}`, in their order. ", StageSpec),
    "Signatures": ("`signing: ...`; [how to sign](../how-to/sign.md). ", SigningSpec),
    "Notifications": ("`notify: ...`. ", NotifySpec),
}

GATES = """## Gates

`gates: {NAME: {}}` of a stage asks a gate. Each answers `pass`, `fail`, `warn` or `skip` (it could not be asked), with
a reason; `fail` and `skip` stop a version, unless `{required: false}` lets the gate only warn. [How to read those that
compare with the incumbent](../how-to/gates.md)."""


def registry_reference() -> str:
    """All keys with their defaults, and all gates."""
    parts = [HEAD]
    for title, (where, spec) in SECTIONS.items():
        rows = [_row(name, field) for name, field in spec.model_fields.items()]
        parts.append(f"## {title}\n\n{where}{_said(spec)}\n\n" + markdown.table(("key", "default", ""), rows))
    gates = [_gate(name, field) for name, field in Gates.model_fields.items()]
    return "\n\n".join([*parts, GATES, markdown.table(("gate", "asks", "keys"), gates)]) + "\n"


def _row(name: str, field: FieldInfo) -> tuple[str, str, str]:
    return f"`{field.alias or name}`", _default(field), field.description or ""


def _gate(name: str, field: FieldInfo) -> tuple[str, str, str]:
    spec = next(one for one in get_args(field.annotation) if issubclass(one, Gate))
    keys = {key: one for key, one in spec.model_fields.items() if key not in Gate.model_fields}
    told = [
        f"`{key}` ({_default(one)}){': ' + one.description if one.description else ''}" for key, one in keys.items()
    ]
    return f"`{name}`", field.description or _said(spec), "; ".join(told)


def _default(field: FieldInfo) -> str:
    value: Any = field.get_default(call_default_factory=True)
    if value is PydanticUndefined:
        return "must be given"
    if value is None or value == [] or isinstance(value, BaseModel):
        return "-"
    if isinstance(value, timedelta):
        return f"`{value.total_seconds():g}s`"
    return f"`{', '.join(map(str, value)) if isinstance(value, list) else value}`"


def _said(spec: type[BaseModel]) -> str:
    return " ".join((spec.__doc__ or "").split())
