"""One reader per file format: a file becomes tables whose first column is the place in the file.

Every reader yields tables of up to `BATCH` records or `BATCH_BYTES` of text, with the columns `#line` (1-based line or
row) and the file's own columns as text (a blank cell is missing), so that memory does not grow with the file; pickles
are read whole.
"""

import json
import math
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import polars as pl

from modelmill.errors import SourceError
from modelmill.sources.lines import text_lines, whole_text
from modelmill.sources.pickled import load_plain
from modelmill.sources.separated import Dialect, separated, skip_orange_rows
from modelmill.specs.source import SourceSpec
from modelmill.tables import BATCH_BYTES

LINE = "#line"
"""The column of every reader's table that says where a record stands."""

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
    """Tables of full batches; at least one, so that the columns are known of an empty file too."""
    table = None
    for batch in _batches(rows):
        table = pl.DataFrame(batch, schema=schema, orient="row")
        yield table
    if table is None:
        yield pl.DataFrame(schema=schema)


def _batches(rows: Iterable[tuple[object, ...]]) -> Iterator[list[tuple[object, ...]]]:
    """As many at a time as make a table; a batch may hold one text that is larger."""
    batch: list[tuple[object, ...]] = []
    size = 0
    for row in rows:
        batch.append(row)
        size += sum(len(cell.encode()) for cell in row if isinstance(cell, str))
        if len(batch) >= BATCH or size >= BATCH_BYTES:
            yield batch
            batch, size = [], 0
    if batch:
        yield batch


def read_pos_tagged(path: Path, shown: str, encoding: str) -> Iterator[pl.DataFrame]:
    """One record a line, part-of-speech tags taken off."""
    for table in read_lines(path, shown, encoding):
        yield table.with_columns(pl.col("text").str.replace_all(POS_TAG.pattern, ""))


def read_document(path: Path, shown: str, encoding: str) -> Iterator[pl.DataFrame]:
    """The whole file is one record."""
    yield _without_blanks(pl.DataFrame({LINE: [1], "text": [whole_text(path, shown, encoding)]}))


def read_separated(path: Path, shown: str, encoding: str, dialect: Dialect) -> Iterator[pl.DataFrame]:
    """Comma- or tab-separated values."""
    names, rows = separated(path, shown, encoding, dialect)
    yield from _with_names(names, rows, shown)


def _with_names(names: list[str], rows: Iterable[tuple[object, ...]], shown: str) -> Iterator[pl.DataFrame]:
    schema: dict[str, Any] = {LINE: pl.Int64, **dict.fromkeys(names, pl.String)}
    if len(schema) != len(names) + 1:
        raise SourceError(f"{shown}:1: a column name stands twice (or is '#line'); rename one of them.")
    for table in _tables(rows, schema):
        yield _without_blanks(table)


def read_orange_tab(path: Path, shown: str, encoding: str) -> Iterator[pl.DataFrame]:
    """Tab-separated values with the three header rows of Orange 3: names, types, and what a column is for.

    https://orange3.readthedocs.io/projects/orange-data-mining-library/en/latest/reference/data.io.html
    """
    names, rows = separated(path, shown, encoding, Dialect("\t"))
    skip_orange_rows(rows, shown)
    yield from _with_names(names, rows, shown)


def read_jsonl(path: Path, shown: str, encoding: str) -> Iterator[pl.DataFrame]:
    """One JSON object a line; every key of the file is a column, also where it comes late, so it is read twice.

    A file without objects has no columns, and gives no table.
    """
    names = list(dict.fromkeys(key for row in _objects(path, shown, encoding) for key in row))
    if names:
        yield from _tables_of(_objects(path, shown, encoding), names)


def _objects(path: Path, shown: str, encoding: str) -> Iterator[dict[str, Any]]:
    """Each object with its `LINE`, which comes first and wins over a key of that name."""
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
        yield {LINE: number} | value | {LINE: number}


_LONE_SURROGATE = re.compile(r"\\u[dD][89a-fA-F]")


def _tables_of(rows: Iterable[Mapping[str, Any]], names: list[str]) -> Iterator[pl.DataFrame]:
    """Mappings with a `LINE` as tables of text; a key that a row lacks is missing there."""
    schema = {name: pl.Int64 if name == LINE else pl.String for name in names}
    cells = (tuple(row[name] if name == LINE else _as_text(row.get(name)) for name in names) for row in rows)
    for table in _tables(cells, schema):
        yield _without_blanks(table)


def _without_blanks(table: pl.DataFrame) -> pl.DataFrame:
    """An empty or blank cell is a missing one, whatever the format: a CSV file cannot tell the two apart."""
    texts = [pl.col(name) for name, kind in table.schema.items() if kind == pl.String]
    return table.with_columns(pl.when(text.str.contains(r"\S")).then(text) for text in texts)


def _mappings(rows: Iterable[Mapping[Any, Any]], shown: str) -> Iterator[pl.DataFrame]:
    """Mappings that are in memory already."""
    numbered = [_numbered(row, number, shown) for number, row in enumerate(rows, 1)]
    names = list(dict.fromkeys(key for row in numbered for key in row))
    yield from _tables_of(numbered, names)


def _numbered(row: Mapping[Any, Any], number: int, shown: str) -> dict[str, Any]:
    """The row as text, its `LINE` in front."""
    try:
        texts = {str(key): _as_text(value) for key, value in row.items()}
        for text in (*texts, *filter(None, texts.values())):
            text.encode()
    except UnicodeError:
        reason = "half of a surrogate pair is not text"
    except (TypeError, ValueError, RecursionError) as error:  # sets and bytes; endless numbers; lists in themselves
        reason = f"a value cannot be read as text ({error})"
    else:
        return {LINE: number} | texts | {LINE: number}
    raise SourceError(f"{shown}:{number}: {reason}; mend or remove the record.")


def _as_text(value: object) -> str | None:
    """Text stays, numbers become text; NaN and null are missing values."""
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return None
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def read_parquet(path: Path, shown: str, encoding: str) -> Iterator[pl.DataFrame]:
    """A parquet file; all columns are read as text, floating-point NaN as missing."""
    first = 1
    for table in _stored(path, shown):
        yield _plain(table, first)
        first += table.height


def _stored(path: Path, shown: str) -> Iterator[pl.DataFrame]:
    """The columns that can become text, by pyarrow, which streams pages; polars holds whole row groups."""
    from pyarrow import ArrowException
    from pyarrow.parquet import ParquetFile

    try:
        names = _textual(pl.read_parquet_schema(path))
        with ParquetFile(path, pre_buffer=False, buffer_size=1 << 20) as file:
            for group in range(file.num_row_groups):
                rows = _group_rows(file.metadata.row_group(group), names)
                for batch in file.iter_batches(rows, row_groups=[group], columns=names):
                    batch.validate(full=True)  # polars takes it on trust that text is UTF-8
                    yield pl.DataFrame(batch.select(names))
            if not file.metadata.num_rows:
                yield pl.DataFrame(file.schema_arrow.empty_table().select(names))
    except pl.exceptions.DuplicateError:
        raise SourceError(f"{shown}: a column name stands twice; rename one of them.") from None
    except (pl.exceptions.PolarsError, ArrowException, OSError) as error:
        reason = str(error).splitlines()[0]
        raise SourceError(f"{shown}: this is not a readable parquet file ({reason}); bring it again.") from None


def _group_rows(group: Any, names: list[str]) -> int:
    """Rows of a row group (its metadata) that make a batch."""
    columns = (group.column(i) for i in range(group.num_columns))
    return _batch_rows(
        group.num_rows,
        sum(column.total_uncompressed_size for column in columns if column.path_in_schema.partition(".")[0] in names),
    )


def _batch_rows(rows: int, size: int) -> int:
    """Rows that make a batch, where so many rows have so many bytes."""
    return min(BATCH, max(1, rows * BATCH_BYTES // max(1, size)))


def read_pickle(path: Path, shown: str, encoding: str) -> Iterator[pl.DataFrame]:
    """A pickled sequence of equally long columns (named by place: 0, 1, ...) or of mappings."""
    value = load_plain(path, shown)
    items = value if isinstance(value, (list, tuple)) else []
    if items and all(isinstance(item, dict) for item in items):
        yield from _mappings(items, shown)
    elif items and all(isinstance(item, (list, tuple)) and len(item) == len(items[0]) for item in items):
        yield from _mappings((dict(enumerate(row)) for row in zip(*items, strict=True)), shown)
    else:
        raise SourceError(f"{shown}: expected a sequence of columns or of mappings; convert the file to parquet.")


Reader = Callable[[Path, str, str], Iterator[pl.DataFrame]]
READERS: dict[str, Reader] = {
    "lines": read_lines,
    "documents": read_document,
    "pos_tagged": read_pos_tagged,
    "orange_tab": read_orange_tab,
    "jsonl": read_jsonl,
    "parquet": read_parquet,
    "pickle": read_pickle,
}


SEPARATORS = {"csv": ",", "tsv": "\t"}


def reader_of(source: SourceSpec) -> Reader:
    """What reads the files of a source."""
    kind = source.resolved_format
    if kind not in SEPARATORS:
        return READERS[kind]
    return partial(read_separated, dialect=Dialect(SEPARATORS[kind], source.header, source.quotes))


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
    rows = _batch_rows(len(loaded), loaded.data.nbytes)
    for start in range(0, max(1, len(loaded)), rows):  # an empty dataset has columns too
        table = pl.from_arrow(loaded.with_format("arrow")[start : start + rows])
        assert isinstance(table, pl.DataFrame)
        yield _plain(table, start + 1)


def _plain(table: pl.DataFrame, first: int) -> pl.DataFrame:
    """Columns that can become text, as text, lists of text as JSON, NaN as missing."""
    names = _textual(table.schema)
    lists = [
        pl.Series(name, map(_as_text, table[name].to_list()), pl.String) for name in names if _lists(table.schema[name])
    ]
    table = table.with_columns(lists)
    floats = [name for name in names if table.schema[name].is_float()]
    plain = table.select(names).with_columns(pl.col(floats).fill_nan(None)).cast(pl.String)
    return _without_blanks(plain.with_row_index(LINE, first).with_columns(pl.col(LINE).cast(pl.Int64)))


def _textual(schema: Mapping[str, pl.DataType]) -> list[str]:
    """Columns of text, numbers, times and lists of text; others hold no text or label, and `LINE` is ours."""
    others = (pl.Binary, pl.Object, pl.Duration)
    return [
        name
        for name, kind in schema.items()
        if name != LINE and (_lists(kind) or not kind.is_nested()) and kind not in others
    ]


def _lists(kind: pl.DataType) -> bool:
    return kind == pl.List(pl.String)
