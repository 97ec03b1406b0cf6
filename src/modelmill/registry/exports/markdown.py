"""Pieces of the exports, in Markdown."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from modelmill import markdown
from modelmill.registry.approvals import WORTH
from modelmill.registry.exports.facts import Facts


def table(headings: Sequence[str], rows: Sequence[Sequence[Any]]) -> str:
    """A table; what is empty is a dash."""
    return markdown.table(headings, [[None if value == "" else value for value in row] for row in rows])


def moment(value: datetime | str) -> str:
    """'2026-05-03 09:30:00 UTC'."""
    time = datetime.fromisoformat(value) if isinstance(value, str) else value
    return f"{time.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC"


def figures(facts: Facts) -> str:
    """The metrics with their intervals."""
    rows = [
        [metric, f"{value['value']:.3f}", f"{value['low']:.3f} to {value['high']:.3f}"]
        for metric, value in facts.evaluation.get("metrics", {}).items()
    ]
    return table(["metric", "on the test split", "interval"], rows) if rows else ""


def gates(facts: Facts) -> str:
    """What the gates said when the version was judged last, for each stage."""
    newest = {report["stage"]: report for report in facts.reports}
    rows = [
        [stage, one["gate"], one["status"], one["reason"]]
        for stage, report in newest.items()
        for one in report["results"]
    ]
    return table(["stage", "gate", "answer", "reason"], rows) if rows else ""


def approvals(facts: Facts) -> str:
    """Who agreed to the promotion that brought the version where it is."""
    rows = [
        [one["actor"], moment(one["time"]), WORTH[one["signature"]], one["reason"]]
        for one in facts.details["evidence"]["approvals"]
    ]
    return table(["approved by", "when", "how", "why"], rows) if rows else ""


def events(facts: Facts) -> str:
    """All that happened to the version."""
    rows = [
        [one["seq"], moment(one["time"]), one["actor"], one["what"], one["reason"]] for one in facts.details["events"]
    ]
    return table(["event", "when", "who", "what", "why"], rows) if rows else ""
