"""A record in the tables and folders of products and backbones, made by hand."""

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from modelmill.forget.places import Place
from modelmill.forget.result import Holder, VersionVerdict
from modelmill.forget.trace import hold, search
from modelmill.records import table_digest
from modelmill.specs.backbone import BackboneSpec
from modelmill.specs.product import ProductSpec
from modelmill.specs.resolve import Declarations

RAW = {"a": "good book", "b": "Good book", "c": "bad book", "d": "good books", "v": "fine", "t": "dull"}
DECLARED = Declarations(
    {
        name: ProductSpec.model_validate(
            {"task": "text_classification", "source": {"files": "x.txt"}, "backbone": backbone}
        )
        for name, backbone in {"mood": "tiny", "peer": "tiny", "news": "bought"}.items()
    },
    {
        "tiny": BackboneSpec.model_validate({"pretraining": {"corpus": {"products": ["mood"]}}}),
        "bought": BackboneSpec.model_validate({"model": "package://x/y"}),
    },
)


@dataclass
class Disk:
    """Datasets in a folder."""

    root: Path
    places: dict[str, list[Place]] = field(
        default_factory=lambda: {"mood": [], "peer": [], "news": [], "tiny": [], "bought": []}
    )

    def table(self, owner: str, kind: str, rows: dict[str, str], **more: list[str]) -> str:
        """Write records by id and text; returns their digest."""
        lines = [f"reviews.txt:{number}" for number in range(1, len(rows) + 1)]
        records = pl.DataFrame({"id": list(rows), "text": list(rows.values()), "label": "x", "origin": lines, **more})
        records.write_parquet(self._place(owner, kind, ".parquet"))
        return table_digest(records)

    def folder(self, owner: str, kind: str, file: str, content: dict[str, Any]) -> None:
        """Write the file in which a folder says what it was made from."""
        path = self._place(owner, kind, "")
        path.mkdir()
        (path / file).write_text(json.dumps(content))

    def _place(self, owner: str, kind: str, ending: str) -> Path:
        dataset = f"{owner}{'_' if kind in ('corpus', 'backbone') else '.'}{kind}"
        path = self.root / f"{dataset}{ending}"
        self.places.setdefault(owner, []).append(Place(dataset, kind, path))
        return path

    def find(self, identity: str, *versions: VersionVerdict) -> dict[str, Holder]:
        """By name, who has a record."""
        return {holder.name: holder for holder in hold(search(identity, self.places, DECLARED), versions, DECLARED)}


@pytest.fixture
def disk(tmp_path: Path) -> Disk:
    """A product whose training record b repeats a, and d nearly; a backbone that read it; one that was bought."""
    disk = Disk(tmp_path)
    disk.table("mood", "raw", RAW)
    disk.table(
        "mood", "rejects", {"b": "Good book", "d": "good books"},
        step=["duplicates", "near_duplicates"], reason=["duplicate", "near duplicate"],
        detail=["of a", "of a, similarity 0.90"],
    )  # fmt: skip
    train = disk.table("mood", "train_augmented", {"a": "good book", "c": "bad book", "a+swap1": "book good"})
    disk.table("mood", "validation", {"v": "fine"})
    corpus = disk.table("tiny", "corpus", {"0:a": "good book", "1:c": "bad book"})
    disk.table("tiny", "held_out", {"v": "fine", "t": "dull"})
    for kind, random in (("model", False), ("random_start_model", True)):
        disk.folder("mood", kind, "product.json", {"trained_on_sha256": train, "random_start": random})
    disk.folder("mood", "tokens", "tokens.json", {"records_sha256": train})
    disk.folder("tiny", "backbone", "backbone.json", {"corpus_sha256": corpus})
    disk.folder("bought", "backbone", "backbone.json", {"taken_from": "package://x/y"})
    other = disk.table("peer", "train_augmented", {"p": "other"})
    disk.folder("peer", "model", "product.json", {"trained_on_sha256": other, "random_start": False})
    disk.folder("news", "model", "product.json", {"trained_on_sha256": "of records that are gone"})
    return disk


def verdicts(holder: Holder) -> dict[str, tuple[str, str | None]]:
    """By folder, the verdict on it and on its backbone."""
    return {folder.name: (folder.verdict, folder.backbone) for folder in holder.folders}


def test_what_was_trained_on_the_record_saw_it(disk: Disk) -> None:
    """Tokens, model, control and backbone; the control has nothing of the backbone, a peer all that it read."""
    found = disk.find("a")
    assert verdicts(found["mood"]) == {
        "mood.model": ("saw it", "saw it"),
        "mood.random_start_model": ("saw it", None),
        "mood.tokens": ("saw it", None),
    }
    assert verdicts(found["tiny"]) == {"tiny_backbone": ("saw it", None)}
    assert verdicts(found["peer"]) == {"peer.model": ("did not see it", "saw it")}
    assert verdicts(found["bought"]) == {"bought_backbone": ("not made here", None)}
    assert verdicts(found["news"]) == {"news.model": ("cannot tell", "not made here")}


def test_a_validation_record_is_in_the_tokens_alone(disk: Disk) -> None:
    """The model was not trained on it, and the backbone's corpus keeps it out."""
    found = disk.find("v")
    assert verdicts(found["mood"])["mood.tokens"] == ("saw it", None)
    assert verdicts(found["mood"])["mood.model"] == ("did not see it", "did not see it")
    assert [table.name for table in found["tiny"].tables] == ["tiny.held_out"]


def test_a_model_cannot_be_judged_by_a_table_that_has_changed(disk: Disk) -> None:
    """Neither the one that it was trained on, nor its backbone's."""
    disk.table("mood", "train_augmented", {"c": "bad book"})
    disk.table("tiny", "corpus", {"1:c": "bad book"})
    assert verdicts(disk.find("a")["mood"])["mood.model"] == ("cannot tell", "cannot tell")


def test_tables_are_named_with_rows_and_reasons(disk: Disk) -> None:
    """Copies, places in the corpus, why it was rejected; the near duplicate is named, not followed."""
    mood, tiny = (disk.find("a")[name] for name in ("mood", "tiny"))
    assert {table.name: [row.id for row in table.rows] for table in mood.tables} == {
        "mood.raw": ["a", "b"],
        "mood.rejects": ["b"],
        "mood.train_augmented": ["a", "a+swap1"],
    }
    assert mood.ids == ["a", "b"]
    assert mood.alike == {"d": "similarity 0.90"}
    assert [row.id for table in tiny.tables for row in table.rows] == ["0:a"]


def test_a_duplicate_leads_to_the_record_that_was_kept(disk: Disk) -> None:
    """The model saw the text of b, under the id a."""
    found = disk.find("b")
    assert found["mood"].ids == ["a", "b"]
    assert verdicts(found["mood"])["mood.model"] == ("saw it", "saw it")
    assert [row.id for table in found["tiny"].tables for row in table.rows] == ["0:a"]


def test_ids_of_products_are_not_ids_of_a_corpus_own_sources(disk: Disk) -> None:
    """There b is somebody else's record; one that repeats a, by the books of the corpus, is the same text."""
    disk.table("tiny", "raw", {"b": "another text", "x": "GOOD BOOK"})
    disk.table("tiny", "rejects", {"3:x": "GOOD BOOK"}, step=["duplicates"], reason=["duplicate"], detail=["of 0:a"])
    tables = {table.name: [row.id for row in table.rows] for table in disk.find("a")["tiny"].tables}
    assert tables == {"tiny.raw": ["x"], "tiny_corpus": ["0:a"], "tiny.rejects": ["3:x"]}


def test_an_id_of_several_products_is_shown_in_all(disk: Disk) -> None:
    """Also in one that is no longer declared."""
    disk.table("peer", "raw", {"a": "of another person"})
    disk.table("old", "raw", {"a": "of a third one"})
    found = disk.find("a")
    assert [name for name, holder in found.items() if holder.tables] == ["mood", "old", "peer", "tiny"]
    assert found["old"].kind == "not declared"
