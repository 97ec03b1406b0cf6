"""The books: every step splits its records into kept ones and rejects with a reason."""

from collections import Counter
from collections.abc import Mapping
from typing import Any, NamedTuple, Protocol

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


class Step(Protocol):
    """A step of cleaning that looks at one batch of records after another."""

    name: str

    def __call__(self, records: pl.DataFrame) -> Sorted: ...

    def close(self) -> dict[str, Any]:
        """After the last batch: what to report beside the numbers. Raises `DataError` when the whole cannot be used."""
        ...


def sort_out(
    records: pl.DataFrame, step: str, reasons: Mapping[int, str], details: Mapping[int, str] | None = None
) -> Sorted:
    """Take out rows by number, in order, each with its reason, and with a detail where there is one."""
    known = details or {}
    rows = sorted(reasons)
    taken = pl.DataFrame(
        {
            "place": rows,
            "step": [step] * len(rows),
            "reason": [reasons[row] for row in rows],
            "detail": [known.get(row) for row in rows],
        },
        schema=TAKEN,
    )
    return take_out(records, taken)


TAKEN = {"place": pl.Int64, "step": pl.String, "reason": pl.String, "detail": pl.String}
"""Which row goes, and why."""


def take_out(records: pl.DataFrame, taken: pl.DataFrame) -> Sorted:
    """Take out rows (columns `TAKEN`, in order)."""
    keep = pl.repeat(True, records.height, eager=True).scatter(taken["place"], False)
    rejects = pl.concat([records[taken["place"]].drop("step", strict=False), taken.drop("place")], how="horizontal")
    result = Sorted(records.filter(keep), rejects.select(*REJECT))
    assert result.kept.height + result.rejects.height == records.height
    return result


class Books:
    """Keeps the account of records through the steps, over all batches."""

    def __init__(self) -> None:
        self._given: Counter[str] = Counter()
        self._rejected: dict[str, Counter[str]] = {}

    def enter(self, step: str, given: int, rejected: Mapping[str, int]) -> None:
        """Book so many records given to a step, and how many it took out for which reason."""
        self._given[step] += given
        self._rejected.setdefault(step, Counter()).update(rejected)

    def close(self, facts: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
        """The report: records in and out of every step, rejects by reason, and what steps have to say beside."""
        steps: list[dict[str, Any]] = []
        for name, reasons in self._rejected.items():
            given = self._given[name]
            assert not steps or given == steps[-1]["out"]
            rejected = dict(sorted(reasons.items()))
            steps.append({"step": name, "in": given, "out": given - reasons.total(), "rejected": rejected})
        ends = {"in": steps[0]["in"], "out": steps[-1]["out"]}
        told = [{**step, **facts.get(step["step"], {})} for step in steps]
        return {**ends, "rejected": ends["in"] - ends["out"], "steps": told}
