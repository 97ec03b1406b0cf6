"""The table of records."""

import hashlib
from pathlib import Path

import polars as pl

from modelmill.records import table_digest
from modelmill.tables import TableFile


def test_the_digest_is_of_the_rows_in_their_order() -> None:
    """By hand for one row; another order is another table, another origin is not."""
    row = pl.DataFrame(
        {"id": ["a"], "text": ["é"], "label": [None], "origin": ["f:1"]}, schema_overrides={"label": pl.String}
    )
    assert table_digest(row) == hashlib.sha256(rb'["a", "\u00e9", null]').hexdigest()
    two = pl.concat([row, row.with_columns(id=pl.lit("b"))])
    assert table_digest(two) != table_digest(two.reverse())
    assert table_digest(two) == table_digest(two.with_columns(origin=pl.lit("g:1")))


def test_a_table_on_disk_has_the_digest_of_the_one_in_memory(tmp_path: Path) -> None:
    """Read part by part, over more than one part."""
    table = pl.DataFrame({"id": map(str, range(25_001)), "text": ["x"] * 25_001, "label": ["y"] * 25_001})
    table.write_parquet(tmp_path / "t.parquet", row_group_size=700)
    assert table_digest(TableFile(tmp_path / "t.parquet")) == table_digest(table)
