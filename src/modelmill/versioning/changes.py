"""Why a stage is not as it was when it last ran."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

Kind = Literal["never run", "input", "code", "parameter", "pipeline", "output", "command"]


@dataclass(frozen=True)
class Change:
    """One difference from what dvc.lock remembers; `old` and `new` are values of a parameter, or hashes."""

    kind: Kind
    what: str = ""
    old: Any = None
    new: Any = None

    def __str__(self) -> str:
        if self.kind == "never run":
            return "never run"
        if self.kind in ("parameter", "pipeline"):
            return f"{self.kind} {self.what}: {shown(self.old)} -> {shown(self.new)}"
        return f"{self.kind} {self.what}{f' ({self.new})' if self.new == DELETED else ''}"


def shown(value: Any) -> str:
    """A value on one line, cut when it is long."""
    text = "-" if value is None else str(value)
    return text if len(text) <= 40 else f"{text[:37]}..."


DELETED = "deleted"
"""What stands for the new hash of a result that is not there."""

SECTIONS: dict[str, Kind] = {"nodes": "pipeline", "datasets": "pipeline", "sources": "input", "parameters": "parameter"}
"""By section of a file of parameters, what a difference in there is."""


def parameter_changes(remembered: Mapping[str, Any], now: Mapping[str, Any]) -> Iterator[Change]:
    """Differences between two contents of a file of parameters, key by key."""
    for section, kind in SECTIONS.items():
        old, new = (dict(_leaves(side.get(section, {}))) for side in (remembered, now))
        for key in [*old, *(key for key in new if key not in old)]:
            if old.get(key) != new.get(key) or (key in old) != (key in new):
                yield Change(kind, ".".join(map(str, key)), old.get(key), new.get(key))


def _leaves(value: Any, above: tuple[str | int, ...] = ()) -> Iterator[tuple[tuple[str | int, ...], Any]]:
    """Every value below a mapping or list by its path; an empty one is a value."""
    if not (isinstance(value, Mapping | list) and value):
        yield above, value
        return
    for key, inner in value.items() if isinstance(value, Mapping) else enumerate(value):
        yield from _leaves(inner, (*above, key))
