"""Counting answers that change."""

import polars as pl
import pytest

from modelmill.evaluation.robustness import Change, changes, rewrite_table, too_brittle
from modelmill.specs.registry import RobustnessGate

RECORDS = pl.DataFrame({"id": [f"r{i}" for i in range(50)], "text": [f"The Book {i} is good" for i in range(50)]})


def share(kind: str, changed: int, asked: int = 100) -> Change:
    """A count."""
    return Change(kind, asked, changed, changed / asked, 0.0, 1.0)


def test_records_are_drawn_by_seed_whatever_their_order() -> None:
    """20 of 50, the same ones for both models and at any time; with their texts as they are first."""
    rule = RobustnessGate(records=20, seed=3)
    table = rewrite_table(RECORDS, rule)
    assert table.equals(rewrite_table(RECORDS.reverse(), rule))
    plain = table.filter(pl.col("kind").is_null())
    assert plain.height == 20
    assert table.head(20).equals(plain)
    assert not table.equals(rewrite_table(RECORDS, RobustnessGate(records=20, seed=4)))


def test_an_answer_by_case_changes_with_case_alone() -> None:
    """A model that looks at capitals: half of the texts lose them all, half are nothing else; no more matters."""
    table = rewrite_table(RECORDS, RobustnessGate())
    answers = ["capital" if "Book" in text or "BOOK" in text else "small" for text in table["text"]]
    found = {change.kind: change for change in changes(table, answers)}
    assert set(found) == {"typing_errors", "case", "end_mark", "width", "neutral_sentence", "mention"}
    assert found["case"].asked == 50
    assert 10 < found["case"].changed < 40
    assert found["case"].low < found["case"].share < found["case"].high
    assert found["mention"].changed == found["end_mark"].changed == 0
    assert found["mention"].high == pytest.approx(1 - 0.025 ** (1 / 50))


def test_limits() -> None:
    """By itself, beside the incumbent, and what is too rare to be judged."""
    rule = RobustnessGate(at_most=0.15, margin=0.05)
    ours = [share("case", 16), share("width", 10), share("mention", 9), share("contractions", 9, 10)]
    theirs = [share("case", 16), share("width", 4), share("mention", 4), share("contractions", 0, 10)]
    assert too_brittle(ours, theirs, rule) == [
        "case changes 16 of 100 answers (16.0%), more than 15.0%",
        "width changes 10 of 100 answers (10.0%), more than the incumbent's 4.0% and 5.0%",
    ]
    assert too_brittle(ours, None, rule) == ["case changes 16 of 100 answers (16.0%), more than 15.0%"]
