"""A record in tables on disk."""

from pathlib import Path

import polars as pl
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from modelmill.errors import DataError
from modelmill.forget.result import Row
from modelmill.forget.tables import RecordTable, named, same_text

REJECTS = ["id", "step", "detail", "label"]


def table(path: Path, *rows: tuple[str | None, ...], columns: list[str], placed: bool = False) -> RecordTable:
    """A table of strings, written and opened."""
    pl.DataFrame(rows, schema=dict.fromkeys(columns, pl.String), orient="row").write_parquet(path)
    opened = RecordTable.open("mood.some", path, placed=placed)
    assert opened
    return opened


def test_a_record_is_found_with_its_copies(tmp_path: Path) -> None:
    """By its whole id; a place in front, or a part of an id, is another record."""
    ids = ["a", "a+noise1", "a+noise12", "ab", "1:a", "a+shop1", "b+noise1"]
    opened = table(tmp_path / "t.parquet", *[(i, f"f:{n}") for n, i in enumerate(ids)], columns=["id", "origin"])
    assert opened.rows({"a"}) == [Row("a", "f:0"), Row("a+noise1", "f:1"), Row("a+noise12", "f:2")]
    assert opened.rows({"a+noise1"}) == [Row("a+noise1", "f:1")]
    assert opened.rows({"nobody"}) == []


def test_in_a_corpus_ids_have_a_place_in_front(tmp_path: Path) -> None:
    """One number and a colon; what follows may hold more of them."""
    opened = table(tmp_path / "t.parquet", ("0:a",), ("17:a",), ("3:1:a",), ("a",), columns=["id"], placed=True)
    assert [row.id for row in opened.rows({"a"})] == ["0:a", "17:a", "a"]
    assert [row.id for row in opened.rows({"1:a"})] == ["3:1:a"]


@given(st.text(st.characters(codec="utf-8"), min_size=1), st.text(st.characters(codec="utf-8")))
def test_any_id_finds_itself_and_its_copies_and_no_other(identity: str, other: str) -> None:
    """Whatever stands in it, patterns included."""
    ids = pl.DataFrame({"id": [identity, f"{identity}+mix3", f"7:{identity}", f"{identity}{other}x"]})
    assert ids.select(named({identity})).to_series().to_list() == [True, True, False, False]
    assert ids.select(named({identity}, placed=True)).to_series()[2]


def test_what_is_no_table_of_records_is_not_opened(tmp_path: Path) -> None:
    """Nothing there, no column `id`, no parquet; a folder of parts is one table."""
    assert RecordTable.open("t", tmp_path / "none.parquet") is None
    assert RecordTable.open("t", tmp_path) is None
    pl.DataFrame({"step": [1]}).write_parquet(tmp_path / "curves.parquet")
    assert RecordTable.open("t", tmp_path / "curves.parquet") is None
    (tmp_path / "metrics.json").write_text("{}")
    assert RecordTable.open("t", tmp_path / "metrics.json") is None
    parts = tmp_path / "parts[1]"
    parts.mkdir()
    for name in "ab":
        pl.DataFrame({"id": [name]}).write_parquet(parts / f"{name}.parquet")
    opened = RecordTable.open("t", parts)
    assert opened
    assert opened.rows({"b"}) == [Row("b")]


def test_a_table_that_cannot_be_read_is_an_error(tmp_path: Path) -> None:
    """Not a table without the record."""
    (tmp_path / "t.parquet").write_text("half of a")
    with pytest.raises(DataError, match=r"mood.raw: .*t.parquet is not readable as parquet"):
        RecordTable.open("mood.raw", tmp_path / "t.parquet")


def test_the_same_text_under_other_ids(tmp_path: Path) -> None:
    """Word for word in the raw table, whatever became of it; case and blanks aside by the books of cleaning."""
    rows = [("a", "Good!"), ("b", "Good!"), ("c", "good !"), ("d", "bad"), ("e", " "), ("f", " "), ("g", None)]
    raw = table(tmp_path / "raw.parquet", *rows, columns=["id", "text"])
    books = table(
        tmp_path / "rejects.parquet",
        ("c", "duplicates", "of a", "x"),
        ("d", "near_duplicates", "of a, similarity 0.91", "x"),
        ("e", "rules", None, "x"),
        columns=REJECTS,
    )
    assert same_text([raw], {"a"}) == {"a", "b"}
    assert same_text([books], {"a"}) == {"a", "c"}
    assert same_text([raw, books], {"c"}) == {"a", "b", "c"}
    for alone in "defg":
        assert same_text([raw, books], {alone}) == {alone}


def test_the_same_text_under_other_labels(tmp_path: Path) -> None:
    """All records of a contradiction are one text, and no other contradiction is."""
    books = table(
        tmp_path / "rejects.parquet",
        ("a", "contradictions", "of b, labelled bad", "good"),
        ("b", "contradictions", "of a, labelled good", "bad"),
        ("c", "contradictions", "of a, labelled good", "bad"),
        ("d", "contradictions", "of e, labelled bad", "good"),
        ("e", "contradictions", "of d, labelled good", "bad"),
        columns=REJECTS,
    )
    for one in "abc":
        assert same_text([books], {one}) == {"a", "b", "c"}
    assert same_text([books], {"e"}) == {"d", "e"}
    assert books.alike({"a"}) == {}


@given(*[st.text(st.characters(codec="utf-8"), min_size=1)] * 4)
@example("a", "b, labelled c", "a, labelled b", "c")
@example("a, similarity 0.91", "x", "a", "of a")
def test_any_id_and_label_is_followed(
    tmp_path_factory: pytest.TempPathFactory, one: str, label: str, other: str, again: str
) -> None:
    """Whatever stands in them, what separates them included."""
    path = tmp_path_factory.mktemp("books") / "rejects.parquet"
    books = table(
        path,
        (one, "contradictions", f"of {other}, labelled {label}{label}", label),
        (other, "contradictions", f"of {one}, labelled {label}", label * 2),
        (again, "duplicates", f"of {other}", None),
        (f"{again}~", "near_duplicates", f"of {other}, similarity 0.93", None),
        columns=REJECTS,
    )
    assert books.same_text({other}) == {one, other, again}
    assert books.same_text({one}) >= {one, other}
    near = f"{again}~"
    assert books.alike({other}) == ({} if near == other else {near: "similarity 0.93"})


def test_nearly_the_same_text_is_named_with_how_near(tmp_path: Path) -> None:
    """From either side, whatever the other id holds; an exact duplicate is not one."""
    books = table(
        tmp_path / "rejects.parquet",
        ("0:d", "near_duplicates", "of 7:a,\nwith, similarity 0.91", None),
        ("1:c", "duplicates", "of 7:a,\nwith", None),
        columns=REJECTS,
        placed=True,
    )
    assert books.alike({"a,\nwith"}) == {"d": "similarity 0.91"}
    assert books.alike({"d"}) == {"a,\nwith": "similarity 0.91"}
    assert books.alike({"c"}) == books.alike({"a,\nwith", "d"}) == {}
    assert books.same_text({"c"}) == {"a,\nwith", "c"}


@pytest.mark.parametrize("placed", [True, False])
def test_what_gives_a_held_out_text_away_is_named(tmp_path: Path, placed: bool) -> None:
    """From either side, and not followed: it may be another text. A held-out text's id has no place in front."""
    place = "4:" if placed else ""
    books = table(
        tmp_path / "rejects.parquet",
        (f"{place}a", "held_out", "is or holds 1:h", None),
        (f"{place}b", "held_out", "nearly repeats 1:h, similarity 0.93", None),
        (f"{place}c", "benchmarks", "is or holds q, similarity 0.90", None),
        (f"{place}d", "benchmarks", "nearly repeats q, similarity 0.90, similarity 0.95", None),
        columns=REJECTS,
        placed=placed,
    )
    assert books.alike({"1:h"}) == {"a": "is or holds", "b": "similarity 0.93"}
    assert books.alike({"q, similarity 0.90"}) == {"c": "is or holds", "d": "similarity 0.95"}
    assert books.alike({"a"}) == {"1:h": "is or holds"}
    assert books.alike({"d"}) == {"q, similarity 0.90": "similarity 0.95"}
    for one in ("a", "b", "c", "d", "1:h", "q"):
        assert same_text([books], {one}) == {one}


def test_a_leak_across_splits_is_named(tmp_path: Path) -> None:
    """The rejects of `split`."""
    books = table(tmp_path / "rejects.parquet", ("a", "split", "of t, similarity 0.93", None), columns=REJECTS)
    assert books.alike({"t"}) == {"a": "similarity 0.93"}
    assert same_text([books], {"t"}) == {"t"}
