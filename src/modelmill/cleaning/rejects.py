"""The books: every step splits its records into kept ones and rejects with a reason."""

from collections.abc import Mapping
from typing import NamedTuple

import polars as pl

REJECT = {
    "id": pl.String, "step": pl.String, "reason": pl.String, "detail": pl.String,
    "text": pl.String, "label": pl.String, "origin": pl.String,
}  # fmt: skip
"""`reason` is one of a few, to count by; `detail` says which other record, or how much."""


class Sorted(NamedTuple):
    """What a step kept, and what it took out (columns `REJECT`). Together they are what it was given."""

    kept: pl.DataFrame
    rejects: pl.DataFrame


def sort_out(
    records: pl.DataFrame, step: str, reasons: Mapping[int, str], details: Mapping[int, str] | None = None
) -> Sorted:
    """Take out rows by number, in order, each with its reason, and with a detail where there is one."""
    known = details or {}
    rows = sorted(reasons)
    keep = pl.Series([row not in reasons for row in range(records.height)], dtype=pl.Boolean)
    rejects = records[rows].select(
        "id",
        pl.lit(step).alias("step"),
        pl.Series("reason", [reasons[row] for row in rows], dtype=pl.String),
        pl.Series("detail", [known.get(row) for row in rows], dtype=pl.String),
        "text",
        "label",
        "origin",
    )
    result = Sorted(records.filter(keep), rejects)
    assert result.kept.height + result.rejects.height == records.height
    return result
