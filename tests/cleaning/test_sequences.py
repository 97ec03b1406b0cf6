"""Interactions become what somebody had so far, and what came next."""

from datetime import UTC, datetime

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from modelmill.cleaning.split import split_records
from modelmill.errors import DataError
from modelmill.specs.source import ContractSpec
from modelmill.specs.split import SplitSpec

CONTRACT = ContractSpec(target="next")
CUTS = [datetime.fromtimestamp(10**9 + days * 86400, UTC) for days in (10, 20)]


def split_of(next_items: int = 1) -> SplitSpec:
    """Validation from day 10 on, test from day 20 on."""
    return SplitSpec(by="time", validation_from=CUTS[0], test_from=CUTS[1], next_items=next_items, near_duplicates=None)


def interactions(*rows: tuple[str | None, str, int]) -> pl.DataFrame:
    """Who had what, and on which day."""
    return pl.DataFrame(
        [(f"i{n}", item, item, f"f:{n}", who, str(10**9 + day * 86400)) for n, (who, item, day) in enumerate(rows)],
        schema=dict.fromkeys(["id", "text", "label", "origin", "group", "time"], pl.String),
        orient="row",
    )


def told(part: pl.DataFrame) -> dict[str, tuple[str, str]]:
    """Text and label by id."""
    return {row["id"]: (row["text"], row["label"]) for row in part.to_dicts()}


def test_each_user_and_time_by_hand() -> None:
    """Items stand in the order of time, those of one moment in that of the file; what is foretold has all before it as
    its history, and the origin and time of its own interaction."""
    rows = [("ann", "c", 2), ("ann", "a", 1), ("ann", "b", 1), ("ann", "d", 12), ("ann", "e", 13), ("ann", "f", 25),
            ("bob", "a", 21), ("bob", "b", 22), ("eve", "a", 3), ("joe", "a", 30), (None, "a", 1)]  # fmt: skip
    train, validation, test, rejects = split_records(interactions(*rows), split_of(), CONTRACT)
    assert told(train) == {"ann:2": ("a b", "c")}
    assert told(validation) == {"ann:4": ("a b c d", "e")}
    assert told(test) == {"ann:5": ("a b c d e", "f"), "bob:1": ("a", "b")}
    assert validation.select("origin", "group", "time").row(0) == ("f:4", "ann", str(10**9 + 13 * 86400))
    assert set(rejects.select("origin", "reason").iter_rows()) == {
        ("f:10", "group is missing"), ("f:8", "nothing came before it"), ("f:9", "nothing came before it"),
    }  # fmt: skip


def test_more_records_of_a_user() -> None:
    """`next_items` takes so many of the last ones in each time that is held out; training has one record a user."""
    rows = [("ann", item, day) for item, day in zip("abcdefg", [1, 2, 3, 11, 12, 13, 21], strict=True)]
    train, validation, test, _ = split_records(interactions(*rows), split_of(2), CONTRACT)
    assert told(train) == {"ann:2": ("a b", "c")}
    assert told(validation) == {"ann:4": ("a b c d", "e"), "ann:5": ("a b c d e", "f")}
    assert told(test) == {"ann:6": ("a b c d e f", "g")}


@given(st.lists(st.tuples(st.sampled_from("abc"), st.integers(0, 29)), min_size=1, max_size=40), st.integers(1, 3))
def test_nothing_comes_from_the_future(made: list[tuple[str, int]], next_items: int) -> None:
    """Whatever happens when: every item of a record was there before its label's, no training record has anything of
    the time that is held out, and no interaction is foretold twice."""
    anchors = [("x", day) for day in (1, 2, 11, 12, 21, 22)]  # so that no part is empty
    rows = [(who, f"item{n}", day) for n, (who, day) in enumerate([*anchors, *made])]
    when = {item: (day, n) for n, (_, item, day) in enumerate(rows)}
    whose = {item: who for who, item, _ in rows}
    parts = split_records(interactions(*rows), split_of(next_items), CONTRACT)[:3]
    for part, (first, last) in zip(parts, [(0, 10), (10, 20), (20, 30)], strict=True):
        for row in part.to_dicts():
            history = row["text"].split()
            assert first <= when[row["label"]][0] < last
            earlier = sorted((when[item], item) for item in when if whose[item] == row["group"])
            assert history == [item for at, item in earlier if at < when[row["label"]]]
    labels = [label for part in parts for label in part["label"]]
    assert len(labels) == len(set(labels))


def test_an_item_with_a_blank_is_named() -> None:
    """Blanks part the items of a history."""
    with pytest.raises(DataError, match="f:1: the item 'Toy Story' has a blank"):
        split_records(interactions(("ann", "a", 1), ("ann", "Toy Story", 2)), split_of(), CONTRACT)


def test_what_is_no_time_is_a_reject() -> None:
    """Unix seconds and ISO 8601 may stand side by side; anything else stops the run when it is much."""
    table = interactions(*[("x", f"i{day}", day) for day in (1, 2, 11, 12, 21, 22)])
    iso = table.with_columns(pl.Series("time", ["2001-09-10", *table["time"][1:]]))
    assert told(split_records(iso, split_of(), CONTRACT)[0]) == {"x:1": ("i1", "i2")}
    wrong = table.with_columns(pl.Series("time", ["yesterday", *table["time"][1:]]))
    with pytest.raises(DataError, match="no time that can be read"):
        split_records(wrong, split_of(), CONTRACT)
