"""The answer as text."""

from collections.abc import Iterable, Iterator

from modelmill.forget.result import Holder, Row, Trace

SHOWN = 5
"""Rows of a table, or ids, that are listed; the rest is counted, and in the JSON."""


def report_lines(trace: Trace) -> Iterator[str]:
    """A trace, line by line: who has what, then what to do."""
    counts = ", ".join(f"{count} {what[: -1 if count == 1 else None]}" for what, count in trace.looked_at.items())
    found = "was found" if trace.found else "is in no table, and in no version that lists its records"
    yield f"{trace.id} {found} (looked at {counts}; registry {trace.registry})."
    for holder in trace.holders:
        if holder.tables or holder.learned:
            yield f"\n{holder.name} ({holder.kind})"
            yield from (f"  {name:<36} {what}" for name, what in _rows(holder, trace.id))
    for number, step in enumerate(trace.to_do, 1):
        yield f"\n{number}. {step.do}"
        yield from (f"     {item}" for item in step.items)


def _rows(holder: Holder, identity: str) -> Iterator[tuple[str, str]]:
    if others := [other for other in holder.ids if other != identity]:
        yield "the same text under", ", ".join(_cut(others))
    for table in holder.tables:
        said = _cut(_said(row, identity) for row in table.rows)
        bare = not any(row.origin for row in table.rows)
        yield from ((table.name, what) for what in ([", ".join(said)] if bare else said))
    for folder in holder.folders:
        yield folder.name, folder.verdict + (f"; its backbone {folder.backbone}" if folder.backbone else "")
    for version in holder.versions:
        yield f"version {version}", version.says


def _said(row: Row, identity: str) -> str:
    taken = f"taken out by {row.step}: {row.reason}" if row.step else None
    own = row.id if row.id != identity else None
    return ", ".join(part for part in (own, row.origin, taken, row.detail) if part) or "holds it"


def _cut(items: Iterable[str]) -> list[str]:
    listed = list(items)
    return listed if len(listed) <= SHOWN else [*listed[:SHOWN], f"and {len(listed) - SHOWN} more"]
