"""A record in the tables on disk. They may be larger than memory: they are streamed, and only its rows are kept."""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import get_args

import polars as pl

from modelmill.errors import DataError
from modelmill.forget.result import Row
from modelmill.records import table_digest
from modelmill.specs.augmentation import AugmentationSpec
from modelmill.tables import TableFile

COPY = rf"\+(?:{'|'.join(get_args(AugmentationSpec.model_fields['kind'].annotation))})\d+$"
"""What `augment` puts behind the id of a record for a copy of it."""

PLACE = r"^\d+:"
"""What `clean_corpus` puts before the id of a record."""

DUPLICATE = r"(?s)^duplicates: (?<how>of) (?<of>.+)$"
NEAR = (
    r"(?s)^(?:(?:near_duplicates|split): of|(?:held_out|benchmarks): nearly repeats) "
    r"(?<of>.+), (?<how>similarity [\d.]+)$"
)
HOLDS = r"(?s)^(?:held_out|benchmarks): (?<how>is or holds) (?<of>.+)$"
"""How the step and the detail of a reject name the record that it repeats; an id may hold anything."""


@dataclass(frozen=True)
class RecordTable:
    """A table with a column `id` in parquet.

    `placed` is for the tables of a corpus, whose ids have a place in front.
    """

    name: str
    path: Path
    placed: bool = False

    @classmethod
    def open(cls, name: str, path: Path, *, placed: bool = False) -> "RecordTable | None":
        """The table at a path, a file or a folder of them; None where there is none, or it has no ids.

        Raises:
            DataError: when a file is not readable.
        """
        table = cls(name, path, placed)
        return table if table.files and "id" in table.columns else None

    @property
    def files(self) -> list[Path]:
        """Its parts."""
        if self.path.is_dir():
            return sorted(self.path.glob("*.parquet"))
        return [self.path] if self.path.suffix == ".parquet" and self.path.is_file() else []

    def scan(self) -> pl.LazyFrame:
        """Its rows, not read yet."""
        # A file's name may hold what would be a wildcard, and its folder's what would be a column.
        parts = [pl.scan_parquet(file, glob=False, hive_partitioning=False) for file in self.files]
        return pl.concat(parts, how="diagonal")  # the evidence of a version has several tables

    @cached_property
    def columns(self) -> list[str]:
        """The names of its columns."""
        try:
            return self.scan().collect_schema().names()
        except (pl.exceptions.PolarsError, OSError) as error:
            reason = str(error).splitlines()[0]
            raise DataError(
                f"{self.name}: {self.path} is not readable as parquet ({reason}), so nobody can say whether "
                "the record is in it. Delete it, or make it again."
            ) from None

    @property
    def books(self) -> bool:
        """Whether it is a table of rejects, which says of which other record."""
        return "detail" in self.columns

    @cached_property
    def digest(self) -> str:
        """`table_digest` of its rows; what models are made from is one file."""
        return table_digest(TableFile(self.path))

    def rows(self, ids: Iterable[str]) -> list[Row]:
        """The rows of records and of their copies, in their order."""
        shown = [name for name in ("id", "origin", "step", "reason", "detail") if name in self.columns]
        found = self.scan().filter(named(ids, placed=self.placed)).select(shown).collect(engine="streaming")
        return [Row(**row) for row in found.iter_rows(named=True)]

    def same_text(self, ids: set[str]) -> set[str]:
        """Records that have a text in common with these: word for word in raw records, by the books in rejects."""
        if self.books:
            pairs = _about(ids, self._named_by(DUPLICATE), self._contradictions()).collect(engine="streaming")
            return {*pairs["id"], *pairs["of"]}
        if "text" not in self.columns:
            return set()
        mine = self.scan().filter(named(ids, placed=self.placed), pl.col("text").str.contains(r"\S"))
        texts = mine.select("text").unique().collect(engine="streaming")["text"]
        if texts.is_empty():
            return set()
        same = self.scan().filter(pl.col("text").is_in(texts.implode())).select("id")
        return set(same.collect(engine="streaming")["id"])

    def alike(self, ids: set[str]) -> dict[str, str]:
        """Other records that nearly repeat or hold these, or the other way round, and which of it."""
        pairs = _about(ids, self._named_by(NEAR), self._named_by(HOLDS)).collect(engine="streaming")
        both = ((own, of, how) for own, of, how in pairs.iter_rows() if {own, of} - ids)
        return {of if own in ids else own: how for own, of, how in both}

    def _named_by(self, pattern: str) -> pl.LazyFrame:
        """Columns id, of and how, of the rejects whose step and detail fit."""
        said = pl.concat_str("step", "detail", separator=": ").str.extract_groups(pattern).alias("said")
        pairs = self.scan().select("id", "step", said).unnest("said").filter(pl.col("of").is_not_null())
        if self.placed:  # held-out texts and benchmarks are not of the corpus
            foreign = pl.col("step").is_in(["held_out", "benchmarks"])
            bare = pl.col("of").str.replace(PLACE, "")
            of = pl.when(foreign).then("of").otherwise(bare)
            pairs = pairs.with_columns(pl.col("id").str.replace(PLACE, ""), of=of)
        return pairs.select("id", "of", "how")

    def _contradictions(self) -> pl.LazyFrame:
        """Columns id, of and how, of the rejects whose text stands under another label too.

        The detail is `of ID, labelled LABEL`. Both may hold anything, but both are those of a reject.
        """
        rejects = self.scan().filter(pl.col("step") == "contradictions")
        first = rejects.select(of="id", detail=pl.format("of {}, labelled {}", "id", "label"))
        return rejects.join(first, on="detail").select("id", "of", how=pl.lit("of"))


def _about(ids: set[str], *pairs: pl.LazyFrame) -> pl.LazyFrame:
    """Pairs of which one is among the records."""
    known = pl.Series(sorted(ids), dtype=pl.String).implode()
    return pl.concat(pairs).filter(pl.col("id").is_in(known) | pl.col("of").is_in(known))


def named(ids: Iterable[str], *, placed: bool = False) -> pl.Expr:
    """Whether `id` names one of the records, or a copy of one."""
    known = pl.Series(sorted(ids), dtype=pl.String).implode()
    own = pl.col("id")
    if placed:
        return own.str.replace(PLACE, "").is_in(known)
    return own.is_in(known) | own.str.replace(COPY, "").is_in(known)


def same_text(tables: Iterable[RecordTable], ids: set[str]) -> set[str]:
    """Ids under which the texts of records are known: theirs, and those of exact duplicates."""
    tables = list(tables)
    while True:
        found = ids.union(*(table.same_text(ids) for table in tables))
        if found == ids:
            return ids
        ids = found
