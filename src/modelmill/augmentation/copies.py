"""Which records get altered copies, and how many: the same for texts and images."""

from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import islice
from typing import Literal

Copies = int | Literal["balance"]
"""Copies of every record, or as many as bring every label up to the most frequent one."""


def copy_id(identity: str, kind: str, number: int) -> str:
    """The id of a record's copy."""
    return f"{identity}+{kind}{number}"


def plan_copies(labels: Sequence[str], steps: Sequence[tuple[str, Copies]]) -> list[list[tuple[int, int]]]:
    """For each step, row and number of each copy that it makes.

    Args:
        labels: of the records.
        steps: kind and copies of each; numbers go on where steps are of one kind, so that ids and draws differ.
    """
    plan, numbered = [], Counter[str]()
    for kind, copies in steps:
        plan.append([(row, numbered[kind] + number) for row, number in _chosen(labels, copies)])
        numbered[kind] += len(labels) if copies == "balance" else copies
    return plan


def _chosen(labels: Sequence[str], copies: Copies) -> Iterator[tuple[int, int]]:
    if copies != "balance":
        yield from ((row, copy) for copy in range(1, copies + 1) for row in range(len(labels)))
        return
    rows_of: dict[str, list[int]] = {}
    for row, label in enumerate(labels):
        rows_of.setdefault(label, []).append(row)
    most = max(map(len, rows_of.values()), default=0)
    for rows in rows_of.values():
        again = ((row, copy) for copy in range(1, most + 1) for row in rows)
        yield from islice(again, most - len(rows))
