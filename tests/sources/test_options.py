"""Files without a header, with bare quotes, of Orange; labels from numbers; the order in which parts are read."""

from pathlib import Path
from typing import Any

import polars as pl
import pytest

from modelmill.errors import SourceError
from modelmill.sources.read import read_sources
from modelmill.specs.cleaning import CleaningSpec
from modelmill.specs.source import Sources


def read(root: Path, *sources: dict[str, Any]) -> pl.DataFrame:
    """The records of sources."""
    return read_sources(Sources.model_validate([*sources]), CleaningSpec(), str(root))[0].read()


def test_rows_without_header_and_quotes(tmp_path: Path) -> None:
    """As VADER's snippets are written: columns by place, a quote is a mark of the text, lines end as on Windows."""
    (tmp_path / "a.txt").write_bytes(b'1\t-0.9\tno "picture\r\n2\t0.5\t"fine" he said\r\n')
    table = read(
        tmp_path,
        {"files": "a.txt", "format": "tsv", "header": False, "quotes": False, "columns": {"label": 1, "text": 2}},
    )
    assert table.select("text", "label", "origin").rows() == [
        ('no "picture', "-0.9", "a.txt:1"),
        ('"fine" he said', "0.5", "a.txt:2"),
    ]


def test_the_first_row_without_a_header_says_how_many_fields_there_are(tmp_path: Path) -> None:
    """A row with another number of them is named, as where a header is."""
    (tmp_path / "a.csv").write_text("1,good\n2,bad,3\n")
    with pytest.raises(SourceError, match=r"a\.csv:2: 3 fields where the first row has 2"):
        read(tmp_path, {"files": "a.csv", "header": False, "columns": {"text": 1}})


def test_orange_has_three_header_rows(tmp_path: Path) -> None:
    """Names, types, and what a column is for; records begin at line 4. A file without them is not read one short."""
    (tmp_path / "a.tab").write_text(
        "Topic\tText\nd\tstring\nclass\tmeta include=True\ntrade\tjapan fears\nearn\t1 < 2\n"
    )
    source = {"files": "a.tab", "format": "orange_tab", "columns": {"text": "Text", "label": "Topic"}}
    assert read(tmp_path, source).select("text", "label", "origin").rows() == [
        ("japan fears", "trade", "a.tab:4"),
        ("1 < 2", "earn", "a.tab:5"),
    ]
    (tmp_path / "a.tab").write_text("Topic\tText\ntrade\tjapan fears\nearn\tone and two\n")
    with pytest.raises(SourceError, match=r"a\.tab:3: the third row of Orange's format"):
        read(tmp_path, source)


def test_numbers_become_labels_by_ranges(tmp_path: Path) -> None:
    """A bound belongs to the range that begins there; what is in none, or no number, is left for the contract."""
    numbers = ["-4", "-0.1", "-0.0999", "0", "nan", "0.1", " 3.5 ", "1e3", "n/a", ""]
    (tmp_path / "a.csv").write_text("text,label\n" + "".join(f"t{i},{n}\n" for i, n in enumerate(numbers)))
    ranges = {"bad": {"below": -0.1}, "so": {"at_least": -0.1, "below": -0.05}, "good": {"at_least": 0.1}}
    labels = read(tmp_path, {"files": "a.csv", "labels_from": ranges})["label"].to_list()
    assert labels == ["bad", "so", "so", "0", "nan", "good", "good", "good", "n/a", None]


def test_held_out_parts_are_read_first(tmp_path: Path) -> None:
    """So that of a text that stands twice the official test record stays; every record knows its part."""
    for name in ("train", "more", "test"):
        (tmp_path / f"{name}.csv").write_text(f"text,label\nsame,x\n{name},x\n")
    table = read(
        tmp_path, {"files": "train.csv"}, {"files": "more.csv", "part": "train"}, {"files": "test.csv", "part": "test"}
    )
    assert table.select("origin", "part").rows() == [
        ("test.csv:2", "test"), ("test.csv:3", "test"), ("train.csv:2", None), ("train.csv:3", None),
        ("more.csv:2", "train"), ("more.csv:3", "train"),
    ]  # fmt: skip
