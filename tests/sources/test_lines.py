"""Lines of files: whatever the piece in which they are read, and whatever is wrong with them."""

import gzip
import pickle
import subprocess
import sys
from pathlib import Path

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from modelmill.errors import SourceError
from modelmill.sources import lines
from modelmill.sources.formats import READERS, reader_of
from modelmill.sources.lines import text_lines
from modelmill.sources.read import read_sources
from modelmill.specs.cleaning import CleaningSpec
from modelmill.specs.source import Sources, SourceSpec

TEXT = st.text(st.characters(exclude_characters="\0"))


def read(path: Path) -> pl.DataFrame:
    """The records of a file."""
    return read_sources(Sources.model_validate({"files": path.name}), CleaningSpec(), str(path.parent))[0].read()


@given(
    st.text(st.characters(exclude_characters="\0")), st.integers(1, 9), st.sampled_from(["utf-8", "utf-16", "gb18030"])
)
def test_pieces_do_not_show(tmp_path_factory: pytest.TempPathFactory, text: str, piece: int, encoding: str) -> None:
    """A character or a line that two pieces share is read as one; only line feeds end a line."""
    path = tmp_path_factory.mktemp("lines") / "a.txt"
    path.write_bytes(text.encode(encoding, "ignore"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(lines, "PIECE", piece)
        found = list(text_lines(path, "a.txt", encoding))
    expected = path.read_bytes().decode(encoding).removeprefix("\ufeff").split("\n")
    assert found == (expected if expected[-1] else expected[:-1])


@pytest.mark.parametrize("piece", [2, 5, 1 << 20])
def test_a_byte_that_is_no_text_is_named_with_its_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, piece: int
) -> None:
    """Wherever pieces end; and the encoding that would read the file is proposed."""
    monkeypatch.setattr(lines, "PIECE", piece)
    (tmp_path / "a.txt").write_bytes("好\n一行\n".encode() + "第三行".encode("gb18030") + b"\nmore\n")
    with pytest.raises(SourceError, match=r"a.txt:3: byte 0xb5 is not utf-8") as caught:
        read(tmp_path / "a.txt")
    assert "encoding: windows-1252" in caught.value.message
    (tmp_path / "a.txt").write_bytes("这\n是\n中文\n".encode("gb18030"))
    with pytest.raises(SourceError, match=r"encoding: gb18030"):
        read(tmp_path / "a.txt")


def test_windows_1252_is_proposed_before_latin_1(tmp_path: Path) -> None:
    """latin-1 would read its euro sign and quotes as control characters; it is left for bytes that Windows lacks."""
    (tmp_path / "a.txt").write_bytes("café €, “q”\n".encode("windows-1252"))
    with pytest.raises(SourceError, match=r"`encoding: windows-1252` would read it"):
        read(tmp_path / "a.txt")
    assert list(text_lines(tmp_path / "a.txt", "a.txt", "windows-1252")) == ["café €, “q”"]
    (tmp_path / "a.txt").write_bytes(b"\x81 \xe9 \n")
    with pytest.raises(SourceError, match=r"`encoding: latin-1` would read it"):
        read(tmp_path / "a.txt")


def test_utf_16_is_recognised(tmp_path: Path) -> None:
    """What some spreadsheets export: the first byte of its mark is no UTF-8."""
    (tmp_path / "a.csv").write_text("text,label\ngood,x\n", encoding="utf-16")
    with pytest.raises(SourceError, match=r"a.csv:1: byte 0xff is not utf-8(?s:.*)encoding: utf-16"):
        read(tmp_path / "a.csv")


def test_gzip_is_read_and_a_damaged_one_is_named(tmp_path: Path) -> None:
    """Cut off, or no archive at all."""
    whole = gzip.compress("\n".join(f"line {i}" for i in range(5000)).encode())
    (tmp_path / "a.txt.gz").write_bytes(whole)
    assert read(tmp_path / "a.txt.gz")["origin"][-1] == "a.txt.gz:5000"
    for damaged in (whole[: len(whole) // 2], whole[:20] + b"x" * 40, b"plain text", b""):
        (tmp_path / "b.jsonl.gz").write_bytes(damaged)
        with pytest.raises(SourceError, match=r"b.jsonl.gz: this gzip archive is damaged or cut off"):
            read(tmp_path / "b.jsonl.gz")


def test_a_cut_off_parquet_file_is_named(tmp_path: Path) -> None:
    """Its directory stands at the end."""
    pl.DataFrame({"text": ["a", "b"]}).write_parquet(tmp_path / "a.parquet")
    (tmp_path / "a.parquet").write_bytes((tmp_path / "a.parquet").read_bytes()[:-20])
    with pytest.raises(SourceError, match=r"a.parquet: this is not a readable parquet file"):
        read(tmp_path / "a.parquet")


def test_parquet_text_that_is_no_utf_8_is_damage(tmp_path: Path) -> None:
    """Other writers do not check it."""
    bytes_as_text = pa.array([b"ok", b"\xff"]).cast(pa.string(), safe=False)
    pq.write_table(pa.table({"text": bytes_as_text}), tmp_path / "a.parquet")
    with pytest.raises(SourceError, match=r"a.parquet: this is not a readable parquet file \(.*UTF"):
        read(tmp_path / "a.parquet")


def test_an_endless_line_stops_the_reading(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With its number, before it fills the memory, in every format of lines."""
    monkeypatch.setattr(lines, "LONGEST", 1000)
    monkeypatch.setattr(lines, "PIECE", 100)
    for name in ("a.txt", "a.csv", "a.tsv", "a.jsonl", "a.txt.gz"):
        text = ("" if "json" in name else "text\n") + "x" * 5000
        (tmp_path / name).write_bytes(gzip.compress(text.encode()) if name.endswith(".gz") else text.encode())
        with pytest.raises(SourceError, match=rf"{name}:{1 + text.count(chr(10))}: this line is longer than"):
            read(tmp_path / name)


PEAK = """
import sys
from pathlib import Path
from modelmill.errors import SourceError
from modelmill.sources.read import read_sources
from modelmill.specs.cleaning import CleaningSpec
from modelmill.specs.source import Sources
def peak():
    status = Path("/proc/self/status").read_text()  # ru_maxrss would begin with that of the parent
    return int(status.partition("VmHWM:")[2].split()[0]) // 1024
before = peak()
try:
    read_sources(Sources.model_validate({"files": sys.argv[1]}), CleaningSpec(), ".")
except SourceError as error:
    print(error.message.splitlines()[0])
print(peak() - before)
"""
on_linux = pytest.mark.skipif(sys.platform != "linux", reason="the peak is read from /proc")


def peak_of_reading(path: Path) -> tuple[str, int]:
    """The error of reading a file in a process of its own, and by how many MiB the process grew."""
    done = subprocess.run(
        [sys.executable, "-c", PEAK, path.name], cwd=path.parent, capture_output=True, text=True, check=True
    )
    *message, mebibytes = done.stdout.splitlines()
    return "".join(message), int(mebibytes)


@on_linux
def test_a_packed_line_of_a_gigabyte_does_not_fill_the_memory(tmp_path: Path) -> None:
    """1 MB of archive that unpacks to one line of 1 GiB: refused at the limit of 64 MiB, of which no copy is made."""
    (tmp_path / "a.jsonl.gz").write_bytes(gzip.compress(b"x" * (1 << 20)) * 1024)
    message, mebibytes = peak_of_reading(tmp_path / "a.jsonl.gz")
    assert message == "a.jsonl.gz:1: this line is longer than 64 million characters."
    assert 64 <= mebibytes < 128


@on_linux
@pytest.mark.parametrize("name", ["a.jsonl", "a.parquet"])
def test_large_documents_do_not_fill_the_memory(tmp_path: Path, name: str) -> None:
    """400 MB in documents of 200 kB, in parquet one row group: fewer of them make a batch."""
    texts = [f"{i} {'lorem ipsum dolor ' * 11_000}" for i in range(2000)]
    table = pl.DataFrame({"id": map(str, range(2000)), "text": texts})
    table.write_parquet(tmp_path / name) if name == "a.parquet" else table.write_ndjson(tmp_path / name)
    message, mebibytes = peak_of_reading(tmp_path / name)
    (tmp_path / name).unlink()
    assert message == ""
    assert mebibytes < 400


@on_linux
@pytest.mark.slow
@pytest.mark.parametrize("name", ["a.txt", "a.csv", "a.jsonl"])
def test_a_line_of_a_gigabyte_does_not_fill_the_memory(tmp_path: Path, name: str) -> None:
    """The same from a file of 1 GiB."""
    with (tmp_path / name).open("wb") as stream:
        for _ in range(1024):
            stream.write(b"x" * (1 << 20))
    message, mebibytes = peak_of_reading(tmp_path / name)
    (tmp_path / name).unlink()
    assert message == f"{name}:1: this line is longer than 64 million characters."
    assert 64 <= mebibytes < 128


@on_linux
@pytest.mark.slow
def test_a_quote_that_swallows_a_gigabyte_does_not_fill_the_memory(tmp_path: Path) -> None:
    """Short lines in a quoted field that nothing closes: refused at the limit too."""
    with (tmp_path / "a.csv").open("w") as stream:
        stream.write('text,label\ngood,x\n"never closed,x\n')
        for _ in range(1024):
            stream.write("some more text\n" * ((1 << 20) // 15))
    message, mebibytes = peak_of_reading(tmp_path / "a.csv")
    (tmp_path / "a.csv").unlink()
    assert message.startswith("a.csv:3: nothing closes the quoted field that begins here (field larger than")
    assert 64 <= mebibytes < 512


@pytest.mark.parametrize("text", ["text\ngood\nbad\n", "好看\n不好看\n", "好\n" + "x" * 100])
@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be"])
def test_utf_16_without_a_mark_is_recognised(tmp_path: Path, encoding: str, text: str) -> None:
    """UTF-8 may read it too, as garbage with NUL characters; the encoding that is proposed reads it."""
    (tmp_path / "a.txt").write_bytes(text.encode(encoding))
    with pytest.raises(SourceError, match=rf"a.txt:1: .*NUL (?s:.*)encoding: {encoding}|is not utf-8"):
        read(tmp_path / "a.txt")
    assert list(text_lines(tmp_path / "a.txt", "a.txt", encoding)) == text.splitlines()


def test_a_file_that_ends_in_a_character_may_be_cut_off(tmp_path: Path) -> None:
    """Bytes that begin a character and do not end it."""
    (tmp_path / "a.txt").write_bytes("一行\n好".encode()[:-1])
    with pytest.raises(SourceError, match=r"a.txt:2: byte 0xe5 is not utf-8.\nBring it again, if it was cut off"):
        read(tmp_path / "a.txt")


def test_names_are_no_wildcards(tmp_path: Path) -> None:
    """A parquet file whose name looks like one is itself, beside the file that the wildcard would mean."""
    for name, text in (("a1.parquet", "one"), ("a[1].parquet", "other")):
        pl.DataFrame({"text": [text]}).write_parquet(tmp_path / name)
    table = read_sources(Sources.model_validate({"files": "*.parquet"}), CleaningSpec(), str(tmp_path))[0].read()
    assert sorted(table["text"]) == ["one", "other"]


def test_json_that_breaks_the_parser_is_named(tmp_path: Path) -> None:
    """An endless number, brackets in brackets; a key of ours does not move the record."""
    for line in ('{"text": ' + "9" * 5000 + "}", "[" * 100_000):
        (tmp_path / "a.jsonl").write_text('{"text": "fine", "#line": 7}\n' + line)
        with pytest.raises(SourceError, match=r"a.jsonl:2: this is not JSON"):
            read(tmp_path / "a.jsonl")
    (tmp_path / "a.jsonl").write_text('{"text": "fine", "#line": 7}\n')
    assert read(tmp_path / "a.jsonl")["origin"].to_list() == ["a.jsonl:1"]


def test_more_records_than_a_table_holds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Places go on from table to table, in every format; a JSON key may come late or be missing later."""
    monkeypatch.setattr("modelmill.sources.formats.BATCH", 2)
    texts = [f"t{i}" for i in range(5)]
    (tmp_path / "a.txt").write_text("\n".join(texts))
    (tmp_path / "b.csv").write_text("\n".join(["text", *texts]))
    (tmp_path / "c.jsonl").write_text("\n".join(f'{{"{"text" if i else "late"}": "{t}"}}' for i, t in enumerate(texts)))
    pl.DataFrame({"text": texts}).write_parquet(tmp_path / "d.parquet")
    for name, first in (("a.txt", 1), ("b.csv", 2), ("c.jsonl", 1), ("d.parquet", 1)):
        table = read(tmp_path / name)
        assert table["text"].to_list() == ([None, *texts[1:]] if name == "c.jsonl" else texts)
        assert table["origin"].to_list() == [f"{name}:{first + i}" for i in range(5)]


def test_large_texts_close_a_table(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of 12 bytes at most where a table has room for 10, in every format; bytes, not characters; none gets lost."""
    monkeypatch.setattr("modelmill.sources.formats.BATCH_BYTES", 10)
    texts = ["好a", "好b", "好c", "d" * 12, "好e"]
    table = pl.DataFrame({"text": texts})
    (tmp_path / "a.lines").write_text("\n".join(texts), encoding="utf-8")
    table.write_csv(tmp_path / "a.csv")
    table.write_ndjson(tmp_path / "a.jsonl")
    (tmp_path / "a.pickle").write_bytes(pickle.dumps(table.to_dicts()))
    for name in ("lines", "csv", "jsonl", "pickle"):
        reader = reader_of(SourceSpec.model_validate({"files": f"a.{name}", "format": name}))
        found = [table["text"].to_list() for table in reader(tmp_path / f"a.{name}", "a", "utf-8")]
        assert found == [texts[:3], texts[3:4], texts[4:]], name
    table.write_parquet(tmp_path / "a.parquet")  # its pages have heads, so a row takes more than its text
    assert [t["text"].to_list() for t in READERS["parquet"](tmp_path / "a.parquet", "a", "")] == [[t] for t in texts]
