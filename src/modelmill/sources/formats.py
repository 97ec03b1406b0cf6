"""One reader per file format: a file becomes a table whose first column is the place in the file.

Every reader returns the columns `#line` (1-based line or row) and the file's own columns as text.
"""

import csv
import io
import json
import math
import pickle
import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import polars as pl

from modelmill.errors import SourceError

LINE = "#line"
"""The column of every reader's table that says where a record stands."""

POS_TAG = re.compile(r"/[A-Za-z]+\s*")
"""A part-of-speech tag of the People's Daily corpus and the blanks behind it: '迈向/v  充满/v'."""


def decode(path: Path, shown: str, encoding: str) -> str:
    """The file's text.

    Raises:
        SourceError: names the line and byte that cannot be decoded, and the encoding that would read it.
    """
    data = path.read_bytes()
    try:
        return data.decode("utf-8-sig" if encoding.lower().replace("_", "-") in ("utf-8", "utf8") else encoding)
    except UnicodeError as error:
        start = error.start if isinstance(error, UnicodeDecodeError) else 0
        line = data[:start].count(b"\n") + 1
        guess = next(name for name in ("utf-8", "gb18030", "utf-16", "latin-1") if _decodes(data, name))
        raise SourceError(
            f"{shown}:{line}: byte 0x{data[start : start + 1].hex()} is not {encoding}.\n"
            f"Save the file as UTF-8, or declare the encoding in `source` (`encoding: {guess}` would read it)."
        ) from None


def _decodes(data: bytes, encoding: str) -> bool:
    try:
        data.decode(encoding)
    except UnicodeError:
        return False
    return True


def read_lines(path: Path, shown: str, encoding: str) -> pl.DataFrame:
    """One record a line; empty lines carry no record."""
    lines = decode(path, shown, encoding).split("\n")  # not splitlines(): it cuts at U+2028 and form feeds too
    numbered = [(i, line.rstrip("\r")) for i, line in enumerate(lines, 1) if line.strip()]
    return pl.DataFrame(numbered, schema={LINE: pl.Int64, "text": pl.String}, orient="row")


def read_pos_tagged(path: Path, shown: str, encoding: str) -> pl.DataFrame:
    """One record a line, part-of-speech tags taken off."""
    table = read_lines(path, shown, encoding)
    return table.with_columns(pl.col("text").str.replace_all(POS_TAG.pattern, ""))


def read_document(path: Path, shown: str, encoding: str) -> pl.DataFrame:
    """The whole file is one record."""
    return pl.DataFrame({LINE: [1], "text": [decode(path, shown, encoding)]})


def _read_separated(path: Path, shown: str, encoding: str, separator: str) -> pl.DataFrame:
    """A table with a header. Rows with a wrong number of fields stop the reading: their columns cannot be told."""
    csv.field_size_limit(sys.maxsize)
    rows: list[list[str | None]] = []
    reader = csv.reader(io.StringIO(decode(path, shown, encoding), newline=""), delimiter=separator, strict=True)
    try:
        header = next(reader, None)
        if not header:
            raise SourceError(f"{shown}:1: the file is empty; a header line with the column names was expected.")
        end = reader.line_num
        for row in reader:
            line, end = end + 1, reader.line_num  # a quoted field may span lines; the record stands where it begins
            if row and len(row) != len(header):
                raise SourceError(
                    f"{shown}:{line}: {len(row)} fields where the header names {len(header)}.\n"
                    "Mend the row (quote fields that hold the separator), or declare the right `format`."
                )
            if row:
                rows.append([str(line), *(field if field.strip() else None for field in row)])
    except csv.Error as error:
        raise SourceError(f"{shown}:{reader.line_num}: {error}; mend the quotes of this row.") from None
    schema = {LINE: pl.String, **dict.fromkeys(header, pl.String)}
    if len(schema) != len(header) + 1:
        raise SourceError(f"{shown}:1: a column name stands twice (or is '#line'); rename one of them.")
    return pl.DataFrame(rows, schema=schema, orient="row").with_columns(pl.col(LINE).cast(pl.Int64))


def read_csv(path: Path, shown: str, encoding: str) -> pl.DataFrame:
    """Comma-separated values with a header."""
    return _read_separated(path, shown, encoding, ",")


def read_tsv(path: Path, shown: str, encoding: str) -> pl.DataFrame:
    """Tab-separated values with a header."""
    return _read_separated(path, shown, encoding, "\t")


def read_jsonl(path: Path, shown: str, encoding: str) -> pl.DataFrame:
    """One JSON object a line."""
    rows: list[dict[str, Any]] = []
    for number, line in enumerate(decode(path, shown, encoding).split("\n"), 1):
        if not line.strip():
            continue
        try:
            value = json.loads(line)
        except json.JSONDecodeError as error:
            raise SourceError(f"{shown}:{number}: this is not JSON ({error.msg}); mend or remove the line.") from None
        if not isinstance(value, dict):
            raise SourceError(f'{shown}:{number}: expected an object like {{"text": ...}}; mend or remove the line.')
        if _LONE_SURROGATE.search(line) and any(
            "\ud800" <= c <= "\udfff" for c in json.dumps(value, ensure_ascii=False)
        ):
            raise SourceError(f"{shown}:{number}: half of a surrogate pair is not text; mend or remove the line.")
        rows.append({LINE: number, **value})
    return _table_of(rows)


_LONE_SURROGATE = re.compile(r"\\u[dD][89a-fA-F]")


def _table_of(rows: list[dict[str, Any]]) -> pl.DataFrame:
    """Mappings with a `LINE` as a table of text; a key that a row lacks is missing there."""
    names = list(dict.fromkeys(key for row in rows for key in row)) or [LINE]
    schema = {name: pl.Int64 if name == LINE else pl.String for name in names}
    cells = [{name: row.get(name) if name == LINE else _as_text(row.get(name)) for name in names} for row in rows]
    return pl.DataFrame(cells, schema=schema)


def _as_text(value: object) -> str | None:
    """Text stays, numbers become text; NaN and null are missing values."""
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return None
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def read_parquet(path: Path, shown: str, encoding: str) -> pl.DataFrame:
    """A parquet file; all columns are read as text, floating-point NaN as missing."""
    try:
        table = pl.read_parquet(path)
    except (pl.exceptions.PolarsError, OSError) as error:
        reason = str(error).splitlines()[0]
        raise SourceError(f"{shown}: this is not a readable parquet file ({reason}); bring it again.") from None
    return _plain(table)


class _DataOnly(pickle.Unpickler):
    """Bars every global, so a pickle can hold numbers, text and containers but run nothing."""

    def find_class(self, module: str, name: str) -> Any:
        raise pickle.UnpicklingError(f"it wants to load {module}.{name}")


def read_pickle(path: Path, shown: str, encoding: str) -> pl.DataFrame:
    """A pickled sequence of equally long columns (named by place: 0, 1, ...) or of mappings."""
    try:
        with path.open("rb") as stream:
            value = _DataOnly(stream).load()
    except Exception as error:  # a damaged pickle raises almost anything
        raise SourceError(
            f"{shown}: refused to open this pickle: {error}.\nOnly plain data is read; convert the file to parquet."
        ) from None
    items = value if isinstance(value, (list, tuple)) else []
    if items and all(isinstance(item, dict) for item in items):
        return _table_of([{LINE: i, **{str(k): v for k, v in item.items()}} for i, item in enumerate(items, 1)])
    if items and all(isinstance(item, (list, tuple)) and len(item) == len(items[0]) for item in items):
        rows = zip(*items, strict=True)
        return _table_of([{LINE: i, **{str(k): v for k, v in enumerate(row)}} for i, row in enumerate(rows, 1)])
    raise SourceError(f"{shown}: expected a sequence of columns or of mappings; convert the file to parquet.")


READERS: dict[str, Callable[[Path, str, str], pl.DataFrame]] = {
    "lines": read_lines,
    "documents": read_document,
    "pos_tagged": read_pos_tagged,
    "csv": read_csv,
    "tsv": read_tsv,
    "jsonl": read_jsonl,
    "parquet": read_parquet,
    "pickle": read_pickle,
}


def read_hub(address: str, split: str) -> pl.DataFrame:
    """A split of a dataset of the Hugging Face hub, `hf://datasets/OWNER/NAME`, by the `datasets` library."""
    try:
        import datasets
    except ImportError:
        raise SourceError(f"{address}: reading from the hub needs `pip install -e '.[hub]'`.") from None
    name = address.removeprefix("hf://").removeprefix("datasets/")
    try:
        loaded = datasets.load_dataset(name, split=split)
    except Exception as error:  # the hub client raises errors of many libraries
        raise SourceError(
            f"{address}: the hub did not give split '{split}': {error}\nCheck the name, the split and the network."
        ) from None
    table = pl.from_arrow(loaded.with_format("arrow")[:])
    assert isinstance(table, pl.DataFrame)
    return _plain(table)


def _plain(table: pl.DataFrame) -> pl.DataFrame:
    """Columns of text and numbers, as text, NaN as missing; nested and binary columns hold no text or label."""
    kinds = table.schema.items()
    simple = [n for n, kind in kinds if not kind.is_nested() and kind not in (pl.Binary, pl.Object)]
    floats = [n for n in simple if table.schema[n].is_float()]
    plain = table.select(simple).with_columns(pl.col(floats).fill_nan(None)).cast(pl.String)
    return plain.with_row_index(LINE, 1)
