"""All sources of a declaration as one table."""

import hashlib
import hmac
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from modelmill.database import repeated_ids
from modelmill.errors import SourceError
from modelmill.files import scratch, scratch_folder
from modelmill.progress import bar
from modelmill.records import IMAGE, RECORD
from modelmill.sources.address import locate_files, verify_sha256
from modelmill.sources.formats import LINE, read_hub, reader_of
from modelmill.sources.pictures import reader_of_images
from modelmill.specs.cleaning import CleaningSpec
from modelmill.specs.source import RangeSpec, Sources, SourceSpec
from modelmill.tables import TableFile, TableWriter
from modelmill.text import duplicate_key, normalise

EXTRAS = ("group", "time")
PART = "part"
"""The column that says which split a record belongs to; null where it is to be drawn."""

GIVEN = {"given": pl.String}
"""The id that stands in the file; a column of the working file, in whose `id` only those are that follow from texts."""


def read_sources(sources: Sources, cleaning: CleaningSpec, root: str) -> tuple[TableFile, dict[str, str]]:
    """Read all records, in batches.

    A record without an id gets one that follows from its text: it stays when other records come or go, when a label
    is mended, and for every spelling that counts as the same text (of which deduplication keeps one), so the record
    stays in its split. Where personal data is masked the id is keyed, so that nobody can find out by trying texts.

    Args:
        sources: what was declared.
        cleaning: its `privacy` names the key, its `memory_mb` bounds the memory.
        root: the project's folder; relative addresses start there.

    Returns:
        A table with the columns `RECORD`, text and label as they stand in the file (None where missing), and
        the SHA-256 of every file by name.

    Raises:
        SourceError: for the first file that cannot be read.
        DataError: when the key for personal data is not there.
    """
    key = cleaning.privacy.secret() if cleaning.privacy else None
    schema: dict[str, Any] = {
        **RECORD,
        **{name: pl.String for name in EXTRAS if any(getattr(s.columns, name) for s in sources.root)},
    }
    schema |= {PART: pl.String} if sources.parts else {}
    schema |= {IMAGE: pl.Binary} if any(source.holds_images for source in sources.root) else {}
    digests: dict[str, str] = {}
    with scratch(root) as working:
        with TableWriter(working / "read.parquet", {**schema, **GIVEN}) as read:
            for source in sorted(sources.root, key=_held_out_first):
                for records in _read(source, Path(root), digests):
                    read.write(_with_ids(records, key))
        with TableWriter(scratch_folder(root) / "records.parquet", schema) as numbered:
            for records in _numbered(read.table, working, cleaning.memory_mb):
                numbered.write(records)
    return numbered.table, digests


def _held_out_first(source: SourceSpec) -> int:
    """Where a text stands twice the first record stays: that of a data set's own test split, not a training record."""
    return ("test", "validation", None, "train").index(source.part)


def _read(source: SourceSpec, root: Path, digests: dict[str, str]) -> Iterator[pl.DataFrame]:
    """Batches of records of one source; the digest of each file is put into `digests`."""
    if source.from_hub:
        digest = hashlib.sha256()
        for table in read_hub(source.files, source.split):
            digest.update(table.write_csv().encode())
            yield _as_records(table, source, source.files, None)
        digests[source.files] = digest.hexdigest()
        return
    files = locate_files(source.files, root)
    digests |= verify_sha256(files, source.sha256, source.files)
    reader = reader_of_images(source) if source.holds_images else reader_of(source)
    packed = any(file.path.suffix.lower() == ".gz" for file in files)
    total = None if packed else sum(file.path.stat().st_size for file in files)
    with bar(f"reading {source.files}", total, "bytes") as shown:
        for file in files:
            for table in reader(file.path, file.shown, source.encoding):
                shown.update(table.estimated_size())
                yield _as_records(table, source, file.shown, file.label)


def _as_records(table: pl.DataFrame, source: SourceSpec, shown: str, label: str | None) -> pl.DataFrame:
    names = {ours: _column(table, source, ours, shown) for ours in ("id", "text", "label")}
    if names["text"] is None:
        available = ", ".join(name for name in table.columns if name != LINE)
        raise SourceError(
            f"{shown}:1: no column 'text' for the text; the file has: {available}.\n"
            "Name it in the declaration: `source: {columns: {text: NAME}}`."
        )
    label_column = names["label"]
    extras = {ours: _column(table, source, ours, shown) for ours in ("group", "time") if getattr(source.columns, ours)}
    return table.select(
        (pl.col(names["id"]) if names["id"] else pl.lit(None)).cast(pl.String).alias("id"),
        pl.col(names["text"]).cast(pl.String).alias("text"),
        _in_ranges(
            (pl.col(label_column) if label_column and label is None else pl.lit(label)).cast(pl.String),
            source.labels_from,
        ).alias("label"),
        pl.format("{}:{}", pl.lit(shown), pl.col(LINE)).alias("origin"),
        *(pl.col(str(column)).cast(pl.String).alias(ours) for ours, column in extras.items()),
        *([pl.lit(source.part, pl.String).alias(PART)] if source.part else []),
        *([pl.col(IMAGE)] if source.holds_images else []),
    )


def _in_ranges(label: pl.Expr, ranges: Mapping[str, RangeSpec]) -> pl.Expr:
    """Labels for the numbers of a column; what is in no range, or no number, stays as it is."""
    number = label.str.strip_chars().cast(pl.Float64, strict=False)
    for name, given in ranges.items():
        inside = number.is_not_nan() & (number >= given.first) & (number < given.end)
        label = pl.when(inside).then(pl.lit(name)).otherwise(label)
    return label


def _column(table: pl.DataFrame, source: SourceSpec, ours: str, shown: str) -> str | None:
    """The file's column for one of ours; a declared one must exist."""
    declared: str | None = getattr(source.columns, ours)
    if declared is None:
        return ours if ours in table.columns else None
    if declared in table.columns:
        return declared
    if declared.isdecimal() and int(declared) < table.width - 1:
        return table.columns[int(declared) + 1]
    available = ", ".join(name for name in table.columns if name != LINE)
    raise SourceError(
        f"{shown}:1: no column '{declared}', which `source.columns.{ours}` names; the file has: {available}."
    )


def _with_ids(records: pl.DataFrame, key: bytes | None) -> pl.DataFrame:
    """Records with an `id` that follows from the text where none is `given`."""
    ids = [
        _derived(text or "", key) if given is None else None for given, text in records.select("id", "text").iter_rows()
    ]
    return records.with_columns(pl.Series("id", ids, dtype=pl.String), given="id")


def _derived(text: str, key: bytes | None) -> str:
    content = duplicate_key(normalise(text)).encode()
    digest = hmac.new(key, content, hashlib.sha256) if key else hashlib.sha256(content)
    return digest.hexdigest()[:16]


def _numbered(read: TableFile, folder: Path, memory_mb: int) -> Iterator[pl.DataFrame]:
    """The same text again gets a number behind its id: the second record of a text is `<id>-2`."""
    repeated = repeated_ids(read, folder, memory_mb)
    places = repeated["place"].to_numpy()
    start = 0
    for batch in read.batches():
        first, last = np.searchsorted(places, [start, start + batch.height])
        numbers = pl.repeat(None, batch.height, dtype=pl.Int64, eager=True).scatter(
            repeated["place"][first:last] - start, repeated["nth"][first:last]
        )
        numbered = pl.concat_str(pl.col("id"), pl.format("-{}", numbers).fill_null(""))
        yield batch.with_columns(id=pl.coalesce("given", numbered)).drop(*GIVEN)
        start += batch.height
