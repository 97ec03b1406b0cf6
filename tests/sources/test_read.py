"""Reading sources: formats, labels from paths, ids."""

import pickle
from datetime import date, time, timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from modelmill.errors import SourceError
from modelmill.sources.formats import READERS, read_hub
from modelmill.sources.read import read_sources
from modelmill.specs.cleaning import CleaningSpec
from modelmill.specs.source import Sources


def read(root: Path, **source: Any) -> pl.DataFrame:
    """The records of one declared source."""
    return read_sources(Sources.model_validate(source), CleaningSpec(), str(root))[0].read()


def test_label_in_the_path_gives_the_label(tmp_path: Path) -> None:
    """`{label}` stands for a folder or a file name."""
    for label in ("sport", "tech"):
        (tmp_path / label).mkdir()
        (tmp_path / label / "1.txt").write_text(f"a document\nabout {label}")
    table = read(tmp_path, files="{label}/*.txt", format="documents")
    assert table["label"].to_list() == ["sport", "tech"]
    assert table["text"][0] == "a document\nabout sport"
    assert table["origin"].to_list() == ["sport/1.txt:1", "tech/1.txt:1"]


def test_lines_keep_their_numbers(tmp_path: Path) -> None:
    """Empty lines carry no record; a U+2028 or form feed inside a line does not cut it."""
    (tmp_path / "a.txt").write_text("one\n\ntwo\u2028still two\x0cstill\r\n", encoding="utf-8", newline="")
    table = read(tmp_path, files="a.txt")
    assert table["text"].to_list() == ["one", "two\u2028still two\x0cstill"]
    assert table["origin"].to_list() == ["a.txt:1", "a.txt:3"]


def test_part_of_speech_tags_come_off(tmp_path: Path) -> None:
    """The People's Daily format: word/tag, two blanks."""
    (tmp_path / "a.txt").write_text("迈向/v  充满/v  希望/n  的/u  新/a  世纪/n\n", encoding="utf-8")
    assert read(tmp_path, files="a.txt", format="pos_tagged")["text"].to_list() == ["迈向充满希望的新世纪"]


def test_columns_are_renamed(tmp_path: Path) -> None:
    """`columns` names the file's column for each of ours; commas inside quotes are text."""
    (tmp_path / "a.csv").write_text('key,review,stars\n7,"good, really",5\n')
    table = read(tmp_path, files="a.csv", columns={"id": "key", "text": "review", "label": "stars"})
    assert table.row(0) == ("7", "good, really", "5", "a.csv:2")


def test_a_quoted_line_break_is_one_record(tmp_path: Path) -> None:
    """CSV fields may hold line breaks; a record stands where it begins."""
    (tmp_path / "a.csv").write_text('text,label\n"two\nlines",x\nnext,x\n')
    table = read(tmp_path, files="a.csv")
    assert table.select("text", "origin").row(0) == ("two\nlines", "a.csv:2")
    assert table["origin"][1] == "a.csv:4"


def test_pickled_columns_are_named_by_place(tmp_path: Path) -> None:
    """A tuple of lists, as some packages ship their data."""
    (tmp_path / "a.pkl").write_bytes(pickle.dumps((["title"], ["content"], [1])))
    table = read(tmp_path, files="a.pkl", columns={"text": 1, "label": 2})
    assert table.select("text", "label").row(0) == ("content", "1")


@pytest.mark.parametrize("format", ["csv", "jsonl", "parquet", "pickle"])
def test_columns_named_by_place(tmp_path: Path, format: str) -> None:
    """The same column in every format; a `#line` of the file's own is none of them."""
    table = pl.DataFrame({"title": ["a title"], "content": ["a text"], "stars": ["5"]})
    ours = table.with_columns(pl.lit("7").alias("#line"))
    match format:
        case "csv":
            table.write_csv(tmp_path / "a")
        case "jsonl":
            ours.write_ndjson(tmp_path / "a")
        case "parquet":
            ours.write_parquet(tmp_path / "a")
        case _:
            (tmp_path / "a").write_bytes(pickle.dumps(ours.to_dicts()))
    found = read(tmp_path, files="a", format=format, columns={"text": 1, "label": 2})
    assert found.select("text", "label").row(0) == ("a text", "5")


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        ("half \ud800", "half of a surrogate pair is not text"),
        (["half \ud800"], "half of a surrogate pair is not text"),
        ({1, 2}, "Object of type set"),
        (b"bytes", "Object of type bytes"),
        ([10**5000], "Exceeds the limit"),
    ],
)
def test_a_pickled_value_that_is_no_text_is_named(tmp_path: Path, value: object, reason: str) -> None:
    """With its record, as in the other formats; a key too."""
    (tmp_path / "a.pkl").write_bytes(pickle.dumps([{"text": "fine"}, {"text": value}]))
    with pytest.raises(SourceError, match=rf"a.pkl:2: .*{reason}.*mend or remove the record"):
        read(tmp_path, files="a.pkl")
    (tmp_path / "a.pkl").write_bytes(pickle.dumps([{"text": "fine", "\ud800": 1}]))
    with pytest.raises(SourceError, match=r"a.pkl:1: half of a surrogate pair"):
        read(tmp_path, files="a.pkl")


def test_parquet_columns_that_cannot_become_text_do_no_harm(tmp_path: Path) -> None:
    """A duration, bytes, a list; nobody declared them. Of all others there is text."""
    columns = {
        "text": ["x"], "took": [timedelta(3)], "raw": [b"x"], "all": [[1]], "day": [date(2020, 1, 2)], "at": [time(3)],
        "stars": [1.5], "good": [True], "none": [None],
    }  # fmt: skip
    pl.DataFrame(columns).write_parquet(tmp_path / "a.parquet")
    table = next(READERS["parquet"](tmp_path / "a.parquet", "a", ""))
    assert table.columns == ["#line", "text", "day", "at", "stars", "good", "none"]
    assert table.row(0) == (1, "x", "2020-01-02", "03:00:00", "1.5", "true", None)


def test_a_parquet_column_name_that_stands_twice_is_named(tmp_path: Path) -> None:
    """The file is not damaged."""
    pq.write_table(pa.table([["a"], ["b"]], names=["text", "text"]), tmp_path / "a.parquet")
    with pytest.raises(SourceError, match=r"a.parquet: a column name stands twice; rename one of them"):
        read(tmp_path, files="a.parquet")


def test_jsonl_and_parquet_agree(tmp_path: Path) -> None:
    """The same records in both formats read the same, but for the origin's file name."""
    rows = [{"text": "a", "label": "1"}, {"text": None, "label": "2"}]
    pl.DataFrame(rows).write_parquet(tmp_path / "a.parquet")
    pl.DataFrame(rows).write_ndjson(tmp_path / "a.jsonl")
    columns = ["id", "text", "label"]
    assert read(tmp_path, files="a.parquet").select(columns).equals(read(tmp_path, files="a.jsonl").select(columns))


def test_a_blank_cell_is_missing_in_every_format(tmp_path: Path) -> None:
    """Empty, blanks alone, or none: a CSV file cannot tell them apart, so no format does, in no column."""
    rows = [("", "a"), ("  ", "b"), (None, "c"), ("\u3000", ""), ("text", None), (" a ", " ")]
    columns = ["text", "label"]
    table = pl.DataFrame(rows, schema=columns, orient="row")
    table.write_csv(tmp_path / "a.csv")
    table.write_csv(tmp_path / "a.tsv", separator="\t")
    table.write_parquet(tmp_path / "a.parquet")
    table.write_ndjson(tmp_path / "a.jsonl")
    (tmp_path / "a.pkl").write_bytes(pickle.dumps(table.to_dicts()))
    for name in ("a.csv", "a.tsv", "a.parquet", "a.jsonl", "a.pkl"):
        found = read(tmp_path, files=name).select(columns).rows()
        assert found == [(None, "a"), (None, "b"), (None, "c"), (None, None), ("text", None), (" a ", None)], name
    (tmp_path / "empty.txt").write_bytes(b" \n")
    assert read(tmp_path, files="empty.txt", format="documents")["text"].to_list() == [None]


def test_no_records_is_no_error_here(tmp_path: Path) -> None:
    """A part of many may be empty; cleaning says when all are."""
    empty = pl.DataFrame(schema={"text": pl.String, "label": pl.String})
    empty.write_csv(tmp_path / "a.csv")
    empty.write_parquet(tmp_path / "a.parquet")
    for name in ("a.txt", "a.jsonl"):
        (tmp_path / name).write_bytes(b"\n\n")
    for name in ("a.csv", "a.parquet", "a.txt", "a.jsonl"):
        table, digests = read_sources(Sources.model_validate({"files": name}), CleaningSpec(), str(tmp_path))
        assert (table.height, list(digests)) == (0, [name])


def test_ids_follow_from_content(tmp_path: Path) -> None:
    """A record keeps its id when others come before it and when its label is mended; equal records are told apart."""
    (tmp_path / "a.txt").write_text("one\ntwo\ntwo\n")
    before = read(tmp_path, files="a.txt")["id"].to_list()
    (tmp_path / "a.txt").write_text("zero\none\ntwo\ntwo\n")
    after = read(tmp_path, files="a.txt")["id"].to_list()
    assert after[1:] == before
    assert len(set(after)) == 4
    (tmp_path / "b.csv").write_text("text,label\n One,x\none,y\n")
    assert read(tmp_path, files="b.csv")["id"].to_list() == [before[0], f"{before[0]}-2"]


def test_encodings_are_honoured(tmp_path: Path) -> None:
    """GB18030 when declared, UTF-8 with or without a byte-order mark by default."""
    (tmp_path / "gb.txt").write_bytes("好书\n".encode("gb18030"))
    (tmp_path / "bom.txt").write_bytes("\ufeff好书\n".encode())
    assert read(tmp_path, files="gb.txt", encoding="gb18030")["text"].to_list() == ["好书"]
    assert read(tmp_path, files="bom.txt")["text"].to_list() == ["好书"]


def test_digests_are_returned_and_checked(tmp_path: Path) -> None:
    """SHA-256 of each file by name; a declared one that agrees passes."""
    (tmp_path / "a.txt").write_text("one\n")
    expected = "2c8b08da5ce60398e1f19af0e5dccc744df274b826abe585eaba68c525434806"  # printf 'one\n' | sha256sum
    source = {"files": "a.txt", "sha256": {"a.txt": expected}}
    assert read_sources(Sources.model_validate(source), CleaningSpec(), str(tmp_path))[1] == {"a.txt": expected}


def test_package_addresses_read_without_importing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`package://` finds files beside code that is not run; their names say the package, not the machine."""
    (tmp_path / "carrier").mkdir()
    (tmp_path / "carrier/__init__.py").write_text("raise RuntimeError('imported')")
    (tmp_path / "carrier/a.txt").write_text("one\n")
    monkeypatch.syspath_prepend(tmp_path)
    assert read(tmp_path, files="package://carrier/a.txt")["origin"].to_list() == ["carrier/a.txt:1"]


def test_a_split_of_a_hub_dataset_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`hf://datasets/OWNER/NAME`, by the `datasets` library; a folder of that name stands in for the hub."""
    monkeypatch.setenv("HF_HOME", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)
    (tmp_path / "owner/name").mkdir(parents=True)
    for split in ("train", "test"):
        (tmp_path / f"owner/name/{split}.csv").write_text("review,stars\n" + f"good {split},5\n" * 3)
    source = {"files": "hf://datasets/owner/name", "split": "test", "columns": {"text": "review", "label": "stars"}}
    found, digests = read_sources(Sources.model_validate(source), CleaningSpec(), str(tmp_path))
    assert found.read().select("text", "label", "origin").row(0) == ("good test", "5", "hf://datasets/owner/name:1")
    assert set(digests) == {"hf://datasets/owner/name"}
    assert [table.height for table in read_hub("hf://datasets/owner/name", "test")] == [3]
    monkeypatch.setattr("modelmill.sources.formats.BATCH_BYTES", 40)
    assert [table.height for table in read_hub("hf://datasets/owner/name", "test")] == [1, 1, 1]
    with pytest.raises(SourceError, match="the hub did not give split 'dev'"):
        read(tmp_path, **{**source, "split": "dev"})


def test_the_hub_needs_its_extra(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the `datasets` library the message names the extra to install."""
    monkeypatch.setitem(__import__("sys").modules, "datasets", None)
    with pytest.raises(SourceError, match=r"pip install -e '.\[hub\]'"):
        read(tmp_path, files="hf://datasets/owner/name")
