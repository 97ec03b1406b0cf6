"""The table of records that all steps hand on."""

import hashlib
import json

import polars as pl

from modelmill.tables import AnyTable, batches_of

RECORD = {"id": pl.String, "text": pl.String, "label": pl.String, "origin": pl.String}
"""The columns of a table of records; `origin` is file:line. `group` and `time` come behind where they are declared."""


IMAGE = "image"
"""The column of an image, PNG or another file as it was given; such a record's text is the address of its pixels (see
`images.address`), so what finds the same text finds the same image."""


def labels_of(text: str, separator: str | None) -> list[str] | None:
    """Labels of a record that may have several, sorted, each once; None for what is no list of them.

    Args:
        text: a JSON list of text, or, where there is a separator, labels between separators.
        separator: as declared.
    """
    parts: object = text.split(separator) if separator and not text.startswith("[") else None
    if parts is None:
        try:
            parts = json.loads(text)
        except ValueError:
            return None
    if not (isinstance(parts, list) and all(isinstance(part, str) for part in parts)):
        return None
    return sorted({part.strip() for part in parts} - {""})


def concat_records(*tables: pl.DataFrame) -> pl.DataFrame:
    """Tables of records, one after another; no table gives an empty one."""
    return pl.concat([pl.DataFrame(schema=RECORD), *tables], how="diagonal")


def table_digest(records: AnyTable) -> str:
    """SHA-256 over the id, text and label of records in their order."""
    digest = hashlib.sha256()
    for batch in batches_of(records):
        for row in batch.select("id", "text", "label").iter_rows():
            digest.update(json.dumps(row, ensure_ascii=True).encode())
    return digest.hexdigest()
