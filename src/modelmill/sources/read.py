"""All sources of a declaration as one table."""

import hashlib
from collections import Counter
from pathlib import Path

import polars as pl

from modelmill.errors import SourceError
from modelmill.records import concat_records
from modelmill.sources.address import locate_files, verify_sha256
from modelmill.sources.formats import LINE, READERS, read_hub
from modelmill.specs.source import Sources, SourceSpec
from modelmill.text import duplicate_key, normalise


def read_sources(sources: Sources, root: str) -> tuple[pl.DataFrame, dict[str, str]]:
    """Read all records.

    Args:
        sources: what was declared.
        root: the project's folder; relative addresses start there.

    Returns:
        A table with the columns `RECORD`, text and label as they stand in the file (None where missing), and
        the SHA-256 of every file by name.

    Raises:
        SourceError: for the first file that cannot be read.
    """
    tables, digests = [], {}
    for source in sources.root:
        if source.from_hub:
            table = read_hub(source.files, source.split)
            tables.append(_as_records(table, source, source.files, None))
            digests[source.files] = hashlib.sha256(table.write_csv().encode()).hexdigest()
            continue
        files = locate_files(source.files, Path(root))
        digests |= verify_sha256(files, source.sha256, source.files)
        reader = READERS[source.resolved_format]
        for file in files:
            for table in reader(file.path, file.shown, source.encoding):
                tables.append(_as_records(table, source, file.shown, file.label))
    return _with_ids(concat_records(*tables)), digests


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
        (pl.col(label_column) if label_column and label is None else pl.lit(label)).cast(pl.String).alias("label"),
        pl.format("{}:{}", pl.lit(shown), pl.col(LINE)).alias("origin"),
        *(pl.col(str(column)).cast(pl.String).alias(ours) for ours, column in extras.items()),
    )


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


def _with_ids(records: pl.DataFrame) -> pl.DataFrame:
    """Give records without an id one that follows from their text.

    It stays when other records come or go, when a label is mended, and for every spelling that counts as the same text
    (of which deduplication keeps one): so the record stays in its split.
    """
    if records["id"].null_count() == 0:
        return records
    seen: Counter[str] = Counter()
    ids = []
    for given, text in records.select("id", "text").iter_rows():
        key = given or hashlib.sha256(duplicate_key(normalise(text or "")).encode()).hexdigest()[:16]
        if given is None:
            seen[key] += 1
            key = key if seen[key] == 1 else f"{key}-{seen[key]}"
        ids.append(key)
    return records.with_columns(pl.Series("id", ids, dtype=pl.String))
