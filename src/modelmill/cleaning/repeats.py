"""What only the whole of the records shows: contradictory labels, duplicates and near duplicates."""

import hashlib
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Self

import numpy as np
import polars as pl
from numpy.typing import NDArray

from modelmill.cleaning.near_duplicates import resolved
from modelmill.cleaning.signature_file import SignatureFile
from modelmill.database import answers, database, insert
from modelmill.specs.cleaning import CleaningSpec
from modelmill.tables import TableFile
from modelmill.text import duplicate_key

TABLES = """
CREATE TABLE records (place BIGINT, id VARCHAR, label VARCHAR, key BLOB);
CREATE TABLE contradictory (key BLOB, labels VARCHAR, sides VARCHAR);
CREATE TABLE similar_pairs (later BIGINT, earlier BIGINT);
CREATE TABLE near (place BIGINT, stays BIGINT, similarity DOUBLE);
CREATE TABLE taken (place BIGINT, step VARCHAR, reason VARCHAR, detail VARCHAR);
"""

REPEATED_IDS = """
SELECT place FROM (
    SELECT file_row_number AS place, row_number() OVER (PARTITION BY id ORDER BY file_row_number) AS nth
    FROM read_parquet(?, file_row_number = true)
) WHERE nth > 1 ORDER BY place
"""

CONTRADICTIONS = """
INSERT INTO contradictory
SELECT key, string_agg(label, ', ' ORDER BY label), string_agg(label || ': ' || first, ', ' ORDER BY label) FROM (
    SELECT key, label, min_by(id, place) AS first FROM records SEMI JOIN (
        SELECT key FROM records GROUP BY key HAVING min(label) <> max(label)
    ) USING (key) GROUP BY key, label
) GROUP BY key;
INSERT INTO taken
SELECT place, 'contradictions', 'the same text has the labels ' || labels, 'first ones ' || sides
FROM records JOIN contradictory USING (key);
"""

DUPLICATES = """
INSERT INTO taken
SELECT again.place, 'duplicates', 'duplicate', 'of ' || original.id
FROM records AS again
JOIN (SELECT key, min(place) AS first FROM records GROUP BY key HAVING count(*) > 1) USING (key)
JOIN records AS original ON original.place = first
ANTI JOIN contradictory ON contradictory.key = again.key
WHERE again.place > first
"""

NEAR_DUPLICATES = """
INSERT INTO taken
SELECT near.place, 'near_duplicates', 'near duplicate', format('of {}, similarity {:.2f}', id, similarity)
FROM near JOIN records ON records.place = stays
"""

COUNTS = "SELECT reason, count(*) FROM taken WHERE step = ? GROUP BY reason ORDER BY reason"
NEAR = {"place": pl.Int64, "stays": pl.Int64, "similarity": pl.Float64}


class Repeats:
    """Records are added as they come; then what is to go is found; then it is read."""

    def __init__(self, folder: Path, spec: CleaningSpec) -> None:
        self._open = ExitStack()
        self._memory_mb = spec.memory_mb // 2  # a half for the database, which keeps what it has, a half for arrays
        self._database = self._open.enter_context(database(folder, self._memory_mb))
        self._database.execute(TABLES)
        self._signatures = SignatureFile(folder, spec.near_duplicates) if spec.near_duplicates else None
        if self._signatures:
            self._open.callback(self._signatures.close)
        self._taken = folder / "taken.parquet"
        self.height = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._open.close()

    def add(self, records: pl.DataFrame) -> None:
        """Take note of records (columns id, text, label) that follow those that were added."""
        keys = [hashlib.blake2b(duplicate_key(text).encode(), digest_size=16).digest() for text in records["text"]]
        places = pl.int_range(self.height, self.height + records.height, eager=True)
        rows = records.select(places.alias("place"), "id", "label", pl.Series("key", keys, dtype=pl.Binary))
        insert(self._database, "records", rows)
        if self._signatures:
            self._signatures.append(records["text"], records["label"])
        self.height += records.height

    def find(self, *, labelled: bool) -> Iterator[str]:
        """Find what is to go, step by step; yields each step's name.

        Records whose text stands under more than one label all go: none of them can be trusted. Of records with the
        same text the first one stays, and of those that are nearly the same and have the same label.
        """
        if labelled:
            self._database.execute(CONTRADICTIONS)
            yield "contradictions"
        self._database.execute(DUPLICATES)
        yield "duplicates"
        if self._signatures:
            self._near_duplicates(self._signatures)
            yield "near_duplicates"

    def _near_duplicates(self, signed: SignatureFile) -> None:
        """Takes 9 bytes a record beside the budget."""
        alive, stays = np.ones(self.height, np.bool_), np.full(self.height, -1, np.int64)
        for found in answers(self._database, "SELECT place FROM taken"):
            alive[found["place"].to_numpy()] = False
        for pairs in signed.pairs(alive, self._memory_mb << 20):
            insert(self._database, "similar_pairs", pl.DataFrame(pairs, schema=["later", "earlier"], orient="row"))
        ordered = "SELECT DISTINCT later, earlier FROM similar_pairs ORDER BY later, earlier"
        with self._database.cursor() as reading:  # a connection has one answer at a time
            for piece in answers(reading, ordered):
                some = list(resolved(piece.iter_rows(), stays, signed.similarity, signed.threshold))
                insert(self._database, "near", pl.DataFrame(some, schema=NEAR, orient="row"))
        self._database.execute(NEAR_DUPLICATES)

    def counts(self, step: str) -> dict[str, int]:
        """How many records the step takes out, by reason."""
        return dict(self._database.execute(COUNTS, [step]).fetchall())

    def taken(self, start: int, stop: int) -> pl.DataFrame:
        """What goes of the records from `start` on and before `stop`, counted from `start`: columns `TAKEN`."""
        if not self._taken.exists():
            self._database.execute(f"COPY (SELECT * FROM taken ORDER BY place) TO '{self._taken}' (FORMAT parquet)")
        inside = pl.scan_parquet(self._taken).filter(pl.col("place").is_between(start, stop, closed="left"))
        return inside.with_columns(pl.col("place") - start).collect()


def repeated_ids(table: TableFile, folder: Path, memory_mb: int) -> NDArray[np.int64]:
    """Rows of a table whose id an earlier row has, in order."""
    with database(folder, memory_mb) as connection:
        found = [piece["place"].to_numpy() for piece in answers(connection, REPEATED_IDS, [str(table.path)])]
    return np.concatenate([np.empty(0, np.int64), *found])
