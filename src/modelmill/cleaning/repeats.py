"""What only the whole of the records shows: contradictory labels, duplicates and near duplicates."""

import hashlib
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Self

import numpy as np
import polars as pl

from modelmill.cleaning.near_duplicates import resolved
from modelmill.cleaning.rejects import TAKEN
from modelmill.cleaning.signature_file import SignatureFile
from modelmill.database import answers, database, insert
from modelmill.specs.cleaning import CleaningSpec
from modelmill.tables import TableWriter
from modelmill.text import duplicate_key

TABLES = """
CREATE TABLE records (place BIGINT, id VARCHAR, label VARCHAR, key BLOB);
CREATE TABLE contradictory (key BLOB, first BIGINT, label VARCHAR, other BIGINT);
CREATE TABLE candidates (later BIGINT, earlier BIGINT);
CREATE TABLE near (place BIGINT, stays BIGINT, similarity DOUBLE);
CREATE TABLE taken (place BIGINT, step VARCHAR, reason VARCHAR, detail VARCHAR);
"""

# The first record of a text with several labels, its label, and the first one that has another label.
CONTRADICTIONS = """
INSERT INTO contradictory
SELECT records.key, any_value(start.place), any_value(start.label), min(records.place)
FROM (SELECT key, min(place) AS first FROM records GROUP BY key HAVING min(label) <> max(label)) AS mixed
JOIN records AS start ON start.place = mixed.first
JOIN records ON records.key = mixed.key AND records.label <> start.label
GROUP BY records.key;
INSERT INTO taken
SELECT records.place, 'contradictions', 'the same text has several labels',
    'of ' || side.id || ', labelled ' || side.label
FROM records JOIN contradictory USING (key)
JOIN records AS side ON side.place = CASE WHEN records.label = contradictory.label THEN other ELSE first END;
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

CANDIDATES = "SELECT DISTINCT later, earlier FROM candidates ORDER BY later, earlier"
NEAR_DUPLICATES = """
INSERT INTO taken
SELECT near.place, 'near_duplicates', 'near duplicate', format('of {}, similarity {:.2f}', id, similarity)
FROM near JOIN records ON records.place = stays
"""

COUNTS = "SELECT reason, count(*) FROM taken WHERE step = ? GROUP BY reason ORDER BY reason"
NEAR = {"place": pl.Int64, "stays": pl.Int64, "similarity": pl.Float64}


class Repeats:
    """Records are added as they come; then what is to go is found; then it is read."""

    def __init__(self, folder: Path, spec: CleaningSpec, *, labelled: bool) -> None:
        self._labelled = labelled  # a corpus has labels here and there, which mean nothing
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
            labels = records["label"] if self._labelled else pl.Series([None] * records.height, dtype=pl.String)
            self._signatures.append(records["text"], labels)
        self.height += records.height

    def find(self) -> Iterator[str]:
        """Find what is to go, step by step; yields each step's name.

        Records whose text stands under more than one label all go: none of them can be trusted. Of records with the
        same text the first one stays, and of those that are nearly the same and have the same label.
        """
        if self._labelled:
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
        for pairs in signed.candidates(alive, self._memory_mb << 20):
            insert(self._database, "candidates", pl.DataFrame(pairs, schema=["later", "earlier"], orient="row"))
        with self._database.cursor() as reading:  # a connection has one answer at a time
            for piece in answers(reading, CANDIDATES):
                some = list(resolved(signed.similar(piece.to_numpy()), stays, signed))
                insert(self._database, "near", pl.DataFrame(some, schema=NEAR, orient="row"))
        self._database.execute(NEAR_DUPLICATES)

    def counts(self, step: str) -> dict[str, int]:
        """How many records the step takes out, by reason."""
        return dict(self._database.execute(COUNTS, [step]).fetchall())

    def taken(self, start: int, stop: int) -> pl.DataFrame:
        """What goes of the records from `start` on and before `stop`, counted from `start`: columns `TAKEN`."""
        if not self._taken.exists():
            with TableWriter(self._taken, TAKEN) as writer:
                for piece in answers(self._database, "SELECT * FROM taken ORDER BY place"):
                    writer.write(piece)
        # A folder's name may hold what would be a wildcard or a column.
        taken = pl.scan_parquet(self._taken, glob=False, hive_partitioning=False)
        inside = taken.filter(pl.col("place").is_between(start, stop, closed="left"))
        return inside.with_columns(pl.col("place") - start).collect()
