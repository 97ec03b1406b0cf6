"""How often an answer changes when a text is rewritten harmlessly."""

from collections.abc import Sequence
from dataclasses import dataclass

import polars as pl

from modelmill.evaluation.paired import share_bounds
from modelmill.evaluation.rewrites import REWRITES, rewritten
from modelmill.specs.registry import RobustnessGate

LEAST = 30
"""Texts that a kind of rewriting must have changed to be judged; with fewer its share is shown alone."""
CONFIDENCE = 0.95


@dataclass(frozen=True)
class Change:
    """One kind of rewriting: `changed` of `asked` answers became others; `low` and `high` hold the share with 95%."""

    kind: str
    asked: int
    changed: int
    share: float
    low: float
    high: float


def rewrite_table(records: pl.DataFrame, rule: RobustnessGate) -> pl.DataFrame:
    """Some records and their rewritten texts.

    Args:
        records: columns id and text.
        rule: how many records, and the seed by which they are drawn.

    Returns:
        columns id, kind and text; kind is null for the texts as they are. What changes nothing gives no row.
    """
    some = (
        records.select("id", "text").sort("id").sample(min(rule.records, records.height), seed=rule.seed, shuffle=True)
    )
    others = [
        (identity, kind, text)
        for identity, original in some.iter_rows()
        for kind, text in rewritten(identity, original, rule.seed).items()
    ]
    schema = {"id": pl.String, "kind": pl.String, "text": pl.String}
    plain = some.select("id", pl.lit(None, pl.String).alias("kind"), "text")
    return pl.concat([plain, pl.DataFrame(others, schema=schema, orient="row")])


def changes(table: pl.DataFrame, answers: Sequence[str]) -> list[Change]:
    """Count the answers that changed.

    Args:
        table: of `rewrite_table`.
        answers: label of each of its rows.
    """
    said = table.select("id", "kind", answer=pl.Series(answers, dtype=pl.String))
    plain = said.filter(pl.col("kind").is_null()).select("id", before="answer")
    both = said.drop_nulls("kind").join(plain, on="id").with_columns(other=pl.col("answer") != pl.col("before"))
    counts = {kind: (asked, other) for kind, asked, other in
              both.group_by("kind").agg(asked=pl.len(), changed=pl.col("other").sum()).iter_rows()}  # fmt: skip
    return [_change(kind, *counts[kind]) for kind in REWRITES if kind in counts]


def _change(kind: str, asked: int, changed: int) -> Change:
    low, high = share_bounds(changed, asked, (1 + CONFIDENCE) / 2)
    return Change(kind, asked, changed, changed / asked, float(low), float(high))


def too_brittle(ours: Sequence[Change], theirs: Sequence[Change] | None, rule: RobustnessGate) -> list[str]:
    """What is wrong, one sentence for each kind: more than `at_most`, or than the incumbent's share and the margin.

    The shares themselves decide, not their bounds: texts follow from the seed, and both models answer the same ones.

    Args:
        ours: of the version.
        theirs: of the incumbent, of the same texts; None for a first version.
        rule: the limits.
    """
    before = {change.kind: change.share for change in theirs or ()}
    wrong = []
    for change in ours:
        if change.asked < LEAST:
            continue
        if change.share > rule.at_most:
            wrong.append(f"{told(change)}, more than {rule.at_most:.1%}")
        if change.kind in before and change.share - before[change.kind] > rule.margin:
            wrong.append(f"{told(change)}, more than the incumbent's {before[change.kind]:.1%} and {rule.margin:.1%}")
    return wrong


def told(change: Change) -> str:
    """'typing_errors changes 12 of 200 answers (6.0%)'."""
    return f"{change.kind} changes {change.changed} of {change.asked} answers ({change.share:.1%})"
