"""What one product or backbone has on disk, and the rows in it that are about the record."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from os.path import relpath
from typing import Any

from modelmill.forget.places import Place
from modelmill.forget.result import FolderVerdict, Kind, Row, TableRows, Verdict
from modelmill.forget.tables import RecordTable, same_text
from modelmill.forget.verdicts import MADE_FROM, judge, made_from


@dataclass(frozen=True)
class Shelf:
    """Tables by kind (`train`), their rows about the record, and folders that are made from records.

    `ids` are those of the record and of its exact duplicates; of a folder the file that says what it was made from.
    """

    name: str
    kind: Kind
    ids: set[str]
    tables: dict[str, RecordTable]
    rows: dict[str, list[Row]]
    folders: list[tuple[Place, str, dict[str, Any]]]

    @property
    def corpus(self) -> dict[str, bool]:
        """By the digest of the corpus that is there, if any, whether the record is in it."""
        table = self.tables.get("corpus")
        return {table.digest: "corpus" in self.rows} if table else {}

    @property
    def held(self) -> list[TableRows]:
        """The tables that have it, in the order of the layers."""
        return [
            TableRows(self.tables[kind].name, relpath(self.tables[kind].path), self.rows[kind]) for kind in self.rows
        ]

    @property
    def alike(self) -> dict[str, str]:
        """Near duplicates, and how near; texts that hold its own, or the other way round."""
        return {
            other: near
            for table in self.tables.values()
            if table.books
            for other, near in table.alike(self.ids).items()
        }

    def judged(self, corpora: Mapping[str, bool], backbone: Verdict | None) -> list[FolderVerdict]:
        """The verdict on each folder.

        Args:
            corpora: by digest of a corpus, whether the record is in it.
            backbone: the verdict on the backbone that a product's model starts from.
        """
        verdicts = []
        for place, file, made in self.folders:
            holds = corpora if "corpus" in self.tables or file == "backbone.json" else self._training(file)
            inherits = file == "product.json" and not made.get("random_start")
            verdict = judge(made.get(MADE_FROM[file]), holds)
            verdicts.append(FolderVerdict(place.dataset, relpath(place.path), verdict, backbone if inherits else None))
        return verdicts

    def _training(self, file: str) -> dict[str, bool]:
        """By the digest of the training table, whether the record is in it, or beside it in the tokens."""
        table = self.tables.get("train_augmented")
        kinds = {"train_augmented"} | ({"validation"} if file == "tokens.json" else set())
        return {table.digest: bool(kinds & self.rows.keys())} if table else {}


def fill_shelf(name: str, kind: Kind, own: Iterable[Place], identity: str, foreign: Iterable[str] = ()) -> Shelf:
    """Look for a record in all that is one's own.

    Args:
        name: of the product or backbone.
        kind: which of them.
        own: its datasets.
        identity: id of the record.
        foreign: ids that the record has in products; a backbone's own sources may give them to other records.

    Raises:
        DataError: when a table cannot be read.
    """
    own = sorted((place for place in own if place.path.exists()), key=lambda place: place.path)
    placed = {"corpus", "rejects"} if any(place.kind == "corpus" for place in own) else set()
    opened = ((place.kind, RecordTable.open(place.dataset, place.path, placed=place.kind in placed)) for place in own)
    tables = {kind: table for kind, table in opened if table}
    books = [table for table in tables.values() if table.books]
    foreign = set(foreign)
    repeated = same_text(books, {identity, *foreign})
    sources = [tables["raw"]] if "raw" in tables else []
    mine = same_text([*sources, *books], {identity} | (repeated - foreign))
    found = ((kind, table.rows(mine if kind == "raw" else mine | repeated)) for kind, table in tables.items())
    folders = [(place, *made) for place in own if (made := made_from(place.path))]
    return Shelf(name, kind, mine | repeated, tables, {kind: rows for kind, rows in found if rows}, folders)
