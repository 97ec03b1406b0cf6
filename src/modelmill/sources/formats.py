"""One reader per file format: a file becomes tables whose first column is the place in the file.

Every reader yields tables of up to `BATCH` records, with the columns `#line` (1-based line or row) and the file's own
columns as text (a blank cell is missing), so that memory does not grow with the file; pickles are read whole.
"""

import json
import math
import pickle
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Any, TypeVar

import polars as pl

from modelmill.errors import SourceError
from modelmill.sources.lines import text_lines, whole_text
from modelmill.sources.separated import separated

LINE = "#line"
"""The column of every reader's table that says where a record stands."""

Item = TypeVar("Item")

BATCH = 10_000
"""Records of a table."""

POS_TAG = re.compile(r"/[A-Za-z]+\s*")
"""A part-of-speech tag of the People's Daily corpus and the blanks behind it: '迈向/v  充满/v'."""


def read_lines(path: Path, shown: str, encoding: str) -> Iterator[pl.DataFrame]:
    """One record a line; empty lines carry no record."""
    lines = enumerate(text_lines(path, shown, encoding), 1)
    numbered = ((i, line.rstrip("\r")) for i, line in lines if line.strip())
    yield from _tables(numbered, {LINE: pl.Int64, "text": pl.String})


def _tables(rows: Iterable[tuple[object, ...]], schema: dict[str, Any]) -> Iterator[pl.DataFrame]:
    """Tables of up to `BATCH` rows; at least one, so that the columns are known of an empty file too."""
    table = None
    for batch in _batches(rows):
        table = pl.DataFrame(batch, schema=schema, orient="row")
        yield table
    if table is None:
        yield pl.DataFrame(schema=schema)


def _batches(items: Iterable[Item]) -> Iterator[tuple[Item, ...]]:
    """As many at a time as make a table (`itertools.batched` of Python 3.12)."""
    iterator = iter(items)
    while batch := tuple(islice(iterator, BATCH)):
        yield batch


def read_pos_tagged(path: Path, shown: str, encoding: str) -> Iterator[pl.DataFrame]:
    """One record a line, part-of-speech tags taken off."""
    for table in read_lines(path, shown, encoding):
        yield table.with_columns(pl.col("text").str.replace_all(POS_TAG.pattern, ""))


def read_document(path: Path, shown: str, encoding: str) -> Iterator[pl.DataFrame]:
    """The whole file is one record."""
    yield _without_blanks(pl.DataFrame({LINE: [1], "text": [whole_text(path, shown, encoding)]}))


def _read_separated(path: Path, shown: str, encoding: str, separator: str) -> Iterator[pl.DataFrame]:
    names, rows = separated(path, shown, encoding, separator)
    schema: dict[str, Any] = {LINE: pl.Int64, **dict.fromkeys(names, pl.String)}
    if len(schema) != len(names) + 1:
        raise SourceError(f"{shown}:1: a column name stands twice (or is '#line'); rename one of them.")
    for table in _tables(rows, schema):
        yield _without_blanks(table)


def read_csv(path: Path, shown: str, encoding: str) -> Iterator[pl.DataFrame]:
    """Comma-separated values with a header."""
    yield from _read_separated(path, shown, encoding, ",")


def read_tsv(path: Path, shown: str, encoding: str) -> Iterator[pl.DataFrame]:
    """Tab-separated values with a header."""
    yield from _read_separated(path, shown, encoding, "\t")


def read_jsonl(path: Path, shown: str, encoding: str) -> Iterator[pl.DataFrame]:
    """One JSON object a line; every key of the file is a column, also where it comes late, so it is read twice.

    A file without objects has no columns, and gives no table.
    """
    names = list(dict.fromkeys(key for row in _objects(path, shown, encoding) for key in row))
    for rows in _batches(_objects(path, shown, encoding)):
        yield _table_of(rows, names)


def _objects(path: Path, shown: str, encoding: str) -> Iterator[dict[str, Any]]:
    for number, line in enumerate(text_lines(path, shown, encoding), 1):
        if not line.strip():
            continue
        try:
            value = json.loads(line)
        except (ValueError, RecursionError) as error:  # endless numbers, or brackets in brackets, too
            reason = getattr(error, "msg", error)
            raise SourceError(f"{shown}:{number}: this is not JSON ({reason}); mend or remove the line.") from None
        if not isinstance(value, dict):
            raise SourceError(f'{shown}:{number}: expected an object like {{"text": ...}}; mend or remove the line.')
        if _LONE_SURROGATE.search(line) and any(
            "\ud800" <= c <= "\udfff" for c in json.dumps(value, ensure_ascii=False)
        ):
            raise SourceError(f"{shown}:{number}: half of a surrogate pair is not text; mend or remove the line.")
        yield {**value, LINE: number}


_LONE_SURROGATE = re.compile(r"\\u[dD][89a-fA-F]")


def _table_of(rows: Sequence[dict[str, Any]], names: list[str]) -> pl.DataFrame:
    """Mappings with a `LINE` as a table of text; a key that a row lacks is missing there."""
    schema = {name: pl.Int64 if name == LINE else pl.String for name in names}
    cells = [{name: row.get(name) if name == LINE else _as_text(row.get(name)) for name in names} for row in rows]
    return _without_blanks(pl.DataFrame(cells, schema=schema))


def _without_blanks(table: pl.DataFrame) -> pl.DataFrame:
    """An empty or blank cell is a missing one, whatever the format: a CSV file cannot tell the two apart."""
    texts = [pl.col(name) for name, kind in table.schema.items() if kind == pl.String]
    return table.with_columns(pl.when(text.str.contains(r"\S")).then(text) for text in texts)


def _mappings(rows: Iterable[dict[str, Any]]) -> Iterator[pl.DataFrame]:
    """Mappings that are in memory already."""
    numbered = [{**{str(key): value for key, value in row.items()}, LINE: i} for i, row in enumerate(rows, 1)]
    names = list(dict.fromkeys(key for row in numbered for key in row))
    for batch in _batches(numbered):
        yield _table_of(batch, names)


def _as_text(value: object) -> str | None:
    """Text stays, numbers become text; NaN and null are missing values."""
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return None
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def read_parquet(path: Path, shown: str, encoding: str) -> Iterator[pl.DataFrame]:
    """A parquet file; all columns are read as text, floating-point NaN as missing."""
    try:
        first = 1
        # A file's name may hold what would be a wildcard, and its folder's what would be a column.
        whole = pl.scan_parquet(path, glob=False, hive_partitioning=False)
        for table in whole.collect_batches(chunk_size=BATCH, maintain_order=True):
            yield _plain(table, first)
            first += table.height
        if first == 1:
            yield _plain(whole.collect(), 1)
    except (pl.exceptions.PolarsError, OSError) as error:
        reason = str(error).splitlines()[0]
        raise SourceError(f"{shown}: this is not a readable parquet file ({reason}); bring it again.") from None


class _DataOnly(pickle.Unpickler):
    """Bars every global, so a pickle can hold numbers, text and containers but run nothing."""

    def find_class(self, module: str, name: str) -> Any:
        raise pickle.UnpicklingError(f"it wants to load {module}.{name}")


def read_pickle(path: Path, shown: str, encoding: str) -> Iterator[pl.DataFrame]:
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
        yield from _mappings(items)
    elif items and all(isinstance(item, (list, tuple)) and len(item) == len(items[0]) for item in items):
        yield from _mappings({str(i): value for i, value in enumerate(row)} for row in zip(*items, strict=True))
    else:
        raise SourceError(f"{shown}: expected a sequence of columns or of mappings; convert the file to parquet.")


READERS: dict[str, Callable[[Path, str, str], Iterator[pl.DataFrame]]] = {
    "lines": read_lines,
    "documents": read_document,
    "pos_tagged": read_pos_tagged,
    "csv": read_csv,
    "tsv": read_tsv,
    "jsonl": read_jsonl,
    "parquet": read_parquet,
    "pickle": read_pickle,
}


def read_hub(address: str, split: str) -> Iterator[pl.DataFrame]:
    """A split of a dataset of the Hugging Face hub, `hf://datasets/OWNER/NAME`, in batches."""
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
    for start in range(0, max(1, len(loaded)), BATCH):  # an empty dataset has columns too
        table = pl.from_arrow(loaded.with_format("arrow")[start : start + BATCH])
        assert isinstance(table, pl.DataFrame)
        yield _plain(table, start + 1)


def _plain(table: pl.DataFrame, first: int) -> pl.DataFrame:
    """Columns of text and numbers, as text, NaN as missing; nested and binary columns hold no text or label."""
    kinds = table.schema.items()
    simple = [n for n, kind in kinds if not kind.is_nested() and kind not in (pl.Binary, pl.Object)]
    floats = [n for n in simple if table.schema[n].is_float()]
    plain = table.select(simple).with_columns(pl.col(floats).fill_nan(None)).cast(pl.String)
    return _without_blanks(plain.with_row_index(LINE, first).with_columns(pl.col(LINE).cast(pl.Int64)))
