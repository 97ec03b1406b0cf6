"""Comma- and tab-separated files that are none, or broken: the error names the line to mend."""

from pathlib import Path

import polars as pl
import pytest

from modelmill.errors import SourceError
from modelmill.sources.read import read_sources
from modelmill.specs.cleaning import CleaningSpec
from modelmill.specs.source import Sources


def read(path: Path, text: str, **source: object) -> pl.DataFrame:
    """The records of a file with a text."""
    path.write_text(text, encoding="utf-8", newline="")
    sources = Sources.model_validate({"files": path.name, **source})
    return read_sources(sources, CleaningSpec(), str(path.parent))[0].read()


@pytest.mark.parametrize(
    ("name", "text", "marks"),
    [
        ("a.csv", "text;label\ngood;x\n", ("';'", "','", "save the file with commas")),
        ("a.csv", "text;label\ngood, really;x\n", ("';'", "','", "save the file with commas")),
        ("a.csv", '"text";"label"\n"good";"x"\n', ("';'", "','", "save the file with commas")),
        ("a.csv", 'text;label\n"good; really";x\n', ("';'", "','", "save the file with commas")),
        ("a.csv", "text;label\ngood, really; very;x\n", ("';'", "','", "save the file with commas")),
        ("a.csv", "id|text|label\n1|good|x\n", ("'|'", "','", "save the file with commas")),
        ("a.csv", "text\tlabel\ngood\tx\n", ("'\\\\t'", "','", "declare `format: tsv`")),
        ("a.tsv", "text,label\ngood,x\n", ("','", "'\\\\t'", "declare `format: csv`")),
    ],
)
def test_another_separator_is_named(tmp_path: Path, name: str, text: str, marks: tuple[str, str, str]) -> None:
    """Not a missing column, nor broken quotes: that is what follows from it."""
    found, expected, remedy = marks
    match = rf"{name}:1: the header looks separated by {found}, not by {expected}; {remedy}".replace("|", r"\|")
    with pytest.raises(SourceError, match=match):
        read(tmp_path / name, text)


def test_a_single_column_may_have_any_name(tmp_path: Path) -> None:
    """A mark in the only name is no separator where the rows do not have it."""
    table = read(tmp_path / "a.csv", "comment (good; bad)\nfine\nbad; really\n", columns={"text": 0})
    assert table["text"].to_list() == ["fine", "bad; really"]


@pytest.mark.parametrize(
    ("rows", "line"),
    [
        ('"never closed,x\nmore,x\nmore,x\n', 3),
        ('"two\nlines","never closed\nmore\n', 4),
        ('"two\n""lines""\n","never closed\n""more""\n', 5),
        ('5" wide,"never closed\nmore\n', 3),
        ('"a ""word""","never closed\n\n\n', 3),
        ('"closed\nhere",x\nfine,x\n"never\n', 6),
    ],
)
def test_a_quote_that_nothing_closes_is_named_where_it_opens(tmp_path: Path, rows: str, line: int) -> None:
    """Not at the end of the file, where it is noticed."""
    with pytest.raises(SourceError, match=rf"a.csv:{line}: nothing closes the quoted field that begins here"):
        read(tmp_path / "a.csv", "text,label\ngood,x\n" + rows)


def test_so_is_one_that_goes_on_too_long(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is not read to the end of a large file."""
    monkeypatch.setattr("modelmill.sources.lines.LONGEST", 1000)
    with pytest.raises(SourceError, match=r"a.csv:2: nothing closes .* \(field larger than field limit \(1000\)\)"):
        read(tmp_path / "a.csv", 'text\n"never closed\n' + "more\n" * 1000)


def test_a_quote_that_the_next_row_closes(tmp_path: Path) -> None:
    """Both lines are named: where it is noticed and where the row begins."""
    match = r"a.csv:4: ',' expected after '\"' \(in the row that begins at line 3\); mend the quotes"
    with pytest.raises(SourceError, match=match):
        read(tmp_path / "a.csv", 'text,label\ngood,x\n"never closed,x\n"closed",x\n')
    with pytest.raises(SourceError, match=r"a.csv:2: ',' expected after '\"'; mend"):
        read(tmp_path / "a.csv", 'text,label\n"good" book,x\n')


@pytest.mark.parametrize("row", ["one", "one,two,three", "one,two,"])
def test_a_wrong_number_of_fields(tmp_path: Path, row: str) -> None:
    """Too few or too many: the columns of the row cannot be told."""
    with pytest.raises(SourceError, match=rf"a.csv:3: {1 + row.count(',')} fields where the first row has 2"):
        read(tmp_path / "a.csv", f"text,label\ngood,x\n{row}\n")


def test_ends_of_lines(tmp_path: Path) -> None:
    """Line feeds, with carriage returns or without; alone these are no end of a line."""
    for end in ("\n", "\r\n"):
        assert read(tmp_path / "a.csv", f"text,label{end}good,x{end}")["label"].to_list() == ["x"]
    with pytest.raises(SourceError, match=r"a.csv:1: a carriage return stands outside of quotes"):
        read(tmp_path / "a.csv", "text,label\rgood,x\r")


def test_empty_lines_are_no_rows(tmp_path: Path) -> None:
    """Before the header, between rows, at the end; a file of nothing else has no header."""
    table = read(tmp_path / "a.csv", "\n\ntext,label\n\ngood,x\n\n")
    assert table.select("text", "label", "origin").rows() == [("good", "x", "a.csv:5")]
    for text in ("", "\n\n"):
        with pytest.raises(SourceError, match=r"a.csv:1: the file is empty; a header line"):
            read(tmp_path / "a.csv", text)
