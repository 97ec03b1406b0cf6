"""Tables in files: what goes in comes out, in batches that are bounded."""

from pathlib import Path

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from modelmill.tables import TableFile, TableWriter, batches_of, pieces, store

SCHEMA = {"id": pl.String, "text": pl.String, "group": pl.String}


@settings(max_examples=40, deadline=None)
@given(st.lists(st.lists(st.text(max_size=20) | st.none(), max_size=9), max_size=5), st.integers(1, 4))
def test_what_goes_in_comes_out(
    tmp_path_factory: pytest.TempPathFactory, batches: list[list[str | None]], rows: int
) -> None:
    """In order, however it was cut on the way in; a batch has no more than so many rows; a missing column is null."""
    path = tmp_path_factory.mktemp("table") / "t.parquet"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("modelmill.tables.BATCH_ROWS", rows)
        with TableWriter(path, SCHEMA) as writer:
            for texts in batches:
                writer.write(
                    pl.DataFrame({"text": texts, "id": ["x"] * len(texts)}, schema={"text": pl.String, "id": pl.String})
                )
    everything = [text for texts in batches for text in texts]
    table = writer.table
    assert table.height == len(everything)
    assert table.schema == SCHEMA
    assert table.read().to_dict(as_series=False) == {
        "id": ["x"] * len(everything), "text": everything, "group": [None] * len(everything)
    }  # fmt: skip
    assert all(batch.height < 2 * rows for batch in table.batches())


def test_large_texts_make_small_batches(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A batch is full at so many bytes; a single larger text is a batch of its own."""
    monkeypatch.setattr("modelmill.tables.BATCH_BYTES", 1000)
    table = pl.DataFrame({"text": ["a" * 400] * 6 + ["b" * 5000]})
    for batches in (store(table, tmp_path / "t.parquet").batches(), batches_of(table)):
        sizes = [sum(map(len, batch["text"])) for batch in batches]
        assert sum(sizes) == 7400
        assert max(sizes) <= 5000 + 1000


@given(st.lists(st.tuples(st.integers(0, 60) | st.none(), st.integers(0, 60)), min_size=1), st.integers(1, 9))
def test_pieces_are_as_large_as_may_be(lengths: list[tuple[int | None, int]], rows: int) -> None:
    """However long texts and short ones follow on each other: the next row would be one too many, or too large."""
    table = pl.DataFrame(
        {"a": [None if a is None else "é" * a for a, _ in lengths], "b": ["b" * b for _, b in lengths]}
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("modelmill.tables.BATCH_ROWS", rows)
        patch.setattr("modelmill.tables.BATCH_BYTES", 100)
        found = list(pieces(table))
    assert pl.concat(found).equals(table)
    sizes = [2 * (a or 0) + b for a, b in lengths]
    at = 0
    for piece in found:
        end = at + piece.height
        assert piece.height == 1 or (piece.height <= rows and sum(sizes[at:end]) <= 100)
        assert end == len(lengths) or piece.height == rows or sum(sizes[at : end + 1]) > 100
        at = end


def test_an_empty_table_has_its_columns(tmp_path: Path) -> None:
    """One batch without rows, so that whoever reads knows them."""
    (batch,) = store(pl.DataFrame(schema=SCHEMA), tmp_path / "t.parquet").batches()
    assert (batch.height, dict(batch.schema)) == (0, SCHEMA)


def test_a_failed_writer_leaves_nothing(tmp_path: Path) -> None:
    """An error in the middle removes the half-written file."""
    with (
        pytest.raises(pl.exceptions.ColumnNotFoundError),
        TableWriter(tmp_path / "t.parquet", {"id": pl.String}) as writer,
    ):
        writer.write(pl.DataFrame({"id": ["a"]}).select("other"))
    assert not list(tmp_path.iterdir())


def test_only_a_passing_file_is_moved(tmp_path: Path) -> None:
    """What was written to be saved moves; a table that lies somewhere for good is copied."""
    table = store(pl.DataFrame({"a": [1]}), tmp_path / "t.parquet")
    table.save(tmp_path / "moved.parquet")
    assert not table.path.exists()
    TableFile(tmp_path / "moved.parquet").save(tmp_path / "copied.parquet")
    assert (tmp_path / "moved.parquet").read_bytes() == (tmp_path / "copied.parquet").read_bytes()
