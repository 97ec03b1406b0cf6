"""A version is registered with its own evidence or not at all."""

import json
from pathlib import Path

import polars as pl
import pytest

from modelmill.errors import DataError
from modelmill.records import table_digest
from modelmill.registry.evidence import (
    check_evidence,
    check_training,
    collect_evidence,
    data_behind,
    evidence_digest,
    list_record_ids,
)
from modelmill.specs.training import FineTuningSpec


def evidence(folder: Path, *, model: str = "m", judged_on: str = "t", test: str = "t") -> Path:
    """Reports of an evaluation."""
    (folder / "evaluation.json").write_text(json.dumps({"judged": {"model": model, "test": judged_on}}))
    (folder / "lineage.json").write_text(json.dumps({"splits": {"test": {"sha256": test}}}))
    return folder


def test_an_evaluation_of_another_model_or_split_is_refused(tmp_path: Path) -> None:
    """Fine-tuned again, or split again, without a new evaluation."""
    check_evidence(evidence(tmp_path), "m")
    with pytest.raises(DataError, match="of another model"):
        check_evidence(evidence(tmp_path), "new")
    with pytest.raises(DataError, match="of another test split"):
        check_evidence(evidence(tmp_path, test="new"), "m")


def test_a_model_that_was_trained_otherwise_is_refused(tmp_path: Path) -> None:
    """The run's parameters would say 5 epochs of a model that had 3."""
    used = FineTuningSpec()
    (tmp_path / "product.json").write_text(json.dumps({"training": used.model_dump(mode="json")}))
    check_training(tmp_path, used)
    with pytest.raises(DataError, match=r"trained with max_epochs 3 \(now 5\)"):
        check_training(tmp_path, FineTuningSpec(max_epochs=5))


def test_record_ids_are_of_what_the_model_was_trained_on(tmp_path: Path) -> None:
    """By split and in order, copies included; with another training table nothing is registered."""
    parts = [pl.DataFrame({"id": ids, "text": "x", "label": "y"}) for ids in (["b", "a", "b+swap1"], ["v"], ["t"])]
    used = FineTuningSpec()
    product = {"trained_on_sha256": table_digest(parts[0]), "training": used.model_dump(mode="json")}
    (tmp_path / "product.json").write_text(json.dumps(product))
    listed = list_record_ids(tmp_path, *parts, used)
    splits = ["train", "train", "train", "validation", "test"]
    assert listed.rows() == list(zip(splits, ["b", "a", "b+swap1", "v", "t"], strict=True))
    with pytest.raises(DataError, match="trained on other records than the training split that is there now"):
        list_record_ids(tmp_path, parts[0].head(2), *parts[1:], used)
    with pytest.raises(DataError, match="trained with max_epochs"):
        list_record_ids(tmp_path, *parts, FineTuningSpec(max_epochs=5))


def test_evidence_holds_the_answers_and_no_text(tmp_path: Path) -> None:
    """Predictions come with it, if they are of the listed test records; its digest sees them, and not the figures."""
    ids = pl.DataFrame({"split": ["train", "test"], "id": ["a", "t"]})
    predictions = pl.DataFrame({"id": ["t"], "label": ["x"], "predicted": ["y"], "p_x": [0.4], "p_y": [0.6]})
    curves = pl.DataFrame({"name": ["loss"]})
    collect_evidence({}, curves, "card", {}, ids, predictions).save(tmp_path)
    assert pl.read_parquet(tmp_path / "predictions.parquet").columns == ["id", "label", "predicted", "p_x", "p_y"]
    before = evidence_digest(tmp_path)
    (tmp_path / "curves.csv").write_text("")
    assert evidence_digest(tmp_path) == before
    collect_evidence({}, curves, "card", {}, ids, predictions.with_columns(p_x=0.5)).save(tmp_path)
    assert evidence_digest(tmp_path) != before
    with pytest.raises(DataError, match="predictions are of other records"):
        collect_evidence({}, curves, "card", {}, ids, predictions.with_columns(id=pl.lit("a")))


def test_the_ledger_names_the_data_behind_a_version(tmp_path: Path) -> None:
    """What was given, and what was made of it; nothing where the evidence says nothing; not more than fits an event."""
    assert data_behind(tmp_path) == {"given": {}, "made": {}}
    lineage = {"data": {"reviews": "r", "clean": "c"}, "given": {"reviews": "r", "package://x": "p"}}
    (tmp_path / "lineage.json").write_text(json.dumps(lineage))
    assert data_behind(tmp_path) == {"given": lineage["given"], "made": {"clean": "c"}}
    many = {f"data/01_raw/{i:040}.txt": "0" * 32 for i in range(1000)}
    (tmp_path / "lineage.json").write_text(json.dumps({"data": many, "given": many}))
    with pytest.raises(DataError, match=r"1000 files and folders.*a folder of their own"):
        data_behind(tmp_path)
