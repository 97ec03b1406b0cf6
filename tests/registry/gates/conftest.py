"""Two versions with evidence on disk, and models that are functions."""

import json
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from modelmill.records import table_digest
from modelmill.registry.clean_process import Answers
from modelmill.registry.gates import answers
from modelmill.registry.gates.base import Case
from modelmill.registry.version_files import Subject
from modelmill.specs.backbone import BackboneSpec
from modelmill.specs.product import ProductSpec
from modelmill.specs.task import TaskSpec

LABELS = ["neg", "pos"]
PART_OF_POS = re.compile("^[^@]*(po|os|ps|sp|op|ｐｏｓ)", re.IGNORECASE)
SIGNATURE = {
    "inputs": '[{"type": "string", "name": "text", "required": true}]',
    "outputs": '[{"type": "string", "name": "label", "required": true},'
    ' {"type": "double", "name": "p_neg", "required": true}]',
}


class Bench:
    """A folder with a test split of `size` records and two versions, of which each record says who is right."""

    def __init__(self, root: Path, size: int = 600) -> None:
        self.root = root
        self.records = pl.DataFrame(
            {
                "id": [f"r{i:04}" for i in range(size)],
                "text": [f"The Book {i} is {LABELS[i % 2]}{'!' * (i % 30)}" for i in range(size)],
                "label": [LABELS[i % 2] for i in range(size)],
                "origin": [f"data/{LABELS[i % 2]}.txt:{i}" for i in range(size)],
            }
        )
        self.records.write_parquet(root / "test.parquet")
        self.digest = table_digest(self.records)
        self.wrong: dict[int, set[int]] = {}
        self.asked: list[tuple[int, int]] = []
        self.speeds = {1: [0.010, 0.010], 2: [0.010, 0.010]}

    def version(self, number: int, wrong: set[int], *, judged_on: str = "", kept: bool = True) -> Subject:
        """A version that has these records wrong; `judged_on` another test split than that on the disk."""
        folder = self.root / f"v{number}"
        for sub in ("evidence", "model/artifacts/model"):
            (folder / sub).mkdir(parents=True)
        self.wrong[number] = wrong
        (folder / "evidence/lineage.json").write_text(
            json.dumps({"splits": {"test": {"sha256": judged_on or self.digest}}})
        )
        if kept:
            self.predictions(number).write_parquet(folder / "evidence/predictions.parquet")
        (folder / "model/MLmodel").write_text(json.dumps({"signature": SIGNATURE}))
        (folder / "model/artifacts/model/product.json").write_text(json.dumps({"labels": LABELS}))
        return Subject("mood", number, f"d{number}", f"f{number}", None, folder / "model", folder / "evidence")

    def predictions(self, number: int) -> pl.DataFrame:
        """What a version says of the records, 90% sure."""
        right = pl.Series([i not in self.wrong[number] for i in range(self.records.height)])
        is_pos = pl.Series((self.records["label"] == "pos") == right)
        return self.records.select("id", "label").with_columns(
            predicted=pl.Series([LABELS[int(one)] for one in is_pos], dtype=pl.String),
            p_neg=pl.Series([0.1 if one else 0.9 for one in is_pos]),
            p_pos=pl.Series([0.9 if one else 0.1 for one in is_pos]),
        )

    def case(self, version: Subject, incumbent: Subject | None, **changes: Any) -> Case:
        """What a gate is given."""
        product = ProductSpec.model_validate(
            {"task": "text_classification", "source": {"files": "data/{label}.txt"}, "backbone": "tiny"}
        )
        backbone = BackboneSpec.model_validate({"model": "hf://owner/name"})
        case = Case(
            subject=version, incumbent=incumbent, product=product, backbone=backbone, stage="production",
            root=self.root, test=self.root / "test.parquet", test_uses=lambda: 3,
        )  # fmt: skip
        return replace(case, **changes)

    def ask(self, task: TaskSpec, model: Path, records: pl.DataFrame, *, singly: bool = False) -> Answers:
        """Stands in for `answers.ask`: the version in that folder answers, by the record's number in the text."""
        texts = records["text"].to_list()
        number = int(model.parent.name.removeprefix("v"))
        self.asked.append((number, len(texts)))
        known = dict(zip(self.records["text"], self.predictions(number).rows(named=True), strict=True))
        rows = [known.get(text) or self.lost(number, text) for text in texts]
        table = pl.DataFrame(
            {"label": [row["predicted"] for row in rows], "score": 0.9}
            | {f"p_{label}": [row[f"p_{label}"] for row in rows] for label in LABELS}
        )
        seconds = [5.0, 5.0, 5.0] + [self.speeds[number].pop()] * (len(texts) - 3) if singly else [1.0]
        return Answers(table, 1.0, seconds, 100 * 2**20)

    lost: Callable[[int, str], dict[str, Any]] = staticmethod(
        lambda number, text: {"predicted": "pos" if PART_OF_POS.search(text) else "neg", "p_neg": 0.5, "p_pos": 0.5}
    )
    """What a version says of a text that is not one of the records: the keyword decides, also when it is mistyped."""


@pytest.fixture
def bench(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Bench:
    """With the process of its own replaced."""
    made = Bench(tmp_path)
    monkeypatch.setattr(answers, "ask", made.ask)
    return made
