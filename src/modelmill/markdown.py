"""Pieces of Markdown that several documents share."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any


def table(headings: Sequence[str], rows: Iterable[Sequence[Any]]) -> str:
    """A table; a line break or a bar in a cell does not break it."""
    cells = [[_cell(value) for value in row] for row in rows]
    lines = [list(headings), ["---"] * len(headings), *cells]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def figure(value: Mapping[str, float]) -> str:
    """'0.852 [0.835, 0.869]'."""
    return f"{value['value']:.3f} [{value['low']:.3f}, {value['high']:.3f}]"


def _cell(value: Any) -> str:
    return "-" if value is None else str(value).replace("|", "\\|").replace("\n", " ")
