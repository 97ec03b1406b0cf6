"""Prediction from a model folder."""

import json
import shutil
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from safetensors.numpy import load_file, save_file

from modelmill.errors import DataError
from modelmill.specs.training import FineTuningSpec
from modelmill.tasks.class_task import class_head
from modelmill.tasks.run import fine_tune, fine_tune_random_start
from modelmill.tasks.text_task import new_model
from modelmill.training.architectures import check_loaded
from tests.conftest import Project
from tests.tasks.asked import Asked


@pytest.fixture(scope="module")
def predictor(trained: Project) -> Asked:
    """The tiny product's model."""
    return Asked(trained.root / "data/06_models/mood/model")


def test_answers_come_in_the_order_of_the_texts(predictor: Asked, trained: Project) -> None:
    """Batches are made by length; each text still gets its own probabilities, alone or among others."""
    texts = pl.read_parquet(trained.root / "data/03_primary/mood/test.parquet")["text"].to_list()
    together = predictor.probabilities(texts)
    alone = np.concatenate([predictor.probabilities([text]) for text in texts])
    assert together == pytest.approx(alone, abs=1e-5)
    assert together.sum(1) == pytest.approx(np.ones(len(texts)))


def test_texts_are_normalised_as_in_training(predictor: Asked) -> None:
    """Full-width letters and stray blanks make no difference."""
    assert predictor.probabilities(["ｇｒｅａｔ　 book\u200b"]) == pytest.approx(
        predictor.probabilities(["great book"])
    )


def test_no_text_gives_no_answer(predictor: Asked) -> None:
    """An empty list is a list."""
    assert predictor.probabilities([]).shape == (0, 2)


def test_the_folder_is_a_plain_transformers_model(trained: Project) -> None:
    """`AutoModelForSequenceClassification` reads it, labels included, without our code."""
    from transformers import AutoModelForSequenceClassification

    folder: Path = trained.root / "data/06_models/mood/model"
    model = AutoModelForSequenceClassification.from_pretrained(folder)
    assert model.config.id2label == {0: "neg", 1: "pos"}
    assert json.loads((folder / "product.json").read_text())["labels"] == ["neg", "pos"]


@pytest.mark.parametrize("random_start", [False, True])
def test_dropout_is_on_in_training(trained: Project, random_start: bool) -> None:
    """The head drops the declared share, with pretrained weights as from a random start; the encoder is not touched."""
    head = class_head(["neg", "pos"], FineTuningSpec(), None)
    model = new_model(trained.root / "data/06_models/tiny/backbone", head, 0.3, random_start)
    shares = {name: m.p for name, m in model.named_modules() if type(m).__name__ == "Dropout" and m.training}
    assert {share for name, share in shares.items() if not name.startswith("model.")} == {0.3}
    assert {share for name, share in shares.items() if name.startswith("model.")} == {0.0}


def test_the_report_says_what_was_done(trained: Project, tmp_path: Path) -> None:
    """`precision: auto` is what was asked for; the report names the precision that it came to."""
    tokens, backbone = trained.root / "data/05_model_input/mood/tokens", trained.root / "data/06_models/tiny/backbone"
    report = fine_tune(tokens, backbone, FineTuningSpec(max_epochs=1, batch_tokens=512), tmp_path / "work")[1]
    assert report["precision"] in ("bf16-mixed", "32-true")
    assert report["max_epochs"] == report["epochs"] == 1


@pytest.mark.parametrize("precision", ["bf16-mixed", "32-true"])
def test_a_control_has_the_precision_of_its_model(trained: Project, tmp_path: Path, precision: str) -> None:
    """Whatever `auto` would come to now: the model says in its folder what it came to then."""
    tokens, backbone = trained.root / "data/05_model_input/mood/tokens", trained.root / "data/06_models/tiny/backbone"
    (tmp_path / "product.json").write_text(json.dumps({"precision": precision}))
    spec = FineTuningSpec(max_epochs=1, batch_tokens=512)
    report = fine_tune_random_start(tokens, backbone, spec, tmp_path, tmp_path / "work")[1]
    assert report["precision"] == precision
    model = json.loads((trained.root / "data/06_models/mood/model/product.json").read_text())
    assert model["precision"] == trained.json("data/08_reporting/mood/training.json")["precision"]
    assert model["precision"] == trained.json("data/08_reporting/mood/random_start_training.json")["precision"]


def test_tokens_of_another_tokenizer_are_refused(trained: Project, tmp_path: Path) -> None:
    """The backbone was made again with other tokens: old ids would mean other words."""
    tokens = tmp_path / "tokens"
    shutil.copytree(trained.root / "data/05_model_input/mood/tokens", tokens)
    about = json.loads((tokens / "tokens.json").read_text())
    (tokens / "tokens.json").write_text(json.dumps({**about, "vocabulary_sha256": "0" * 64}))
    with pytest.raises(DataError, match="made by another tokenizer"):
        fine_tune(tokens, trained.root / "data/06_models/tiny/backbone", FineTuningSpec(), tmp_path / "work")


def test_an_encoder_without_its_weights_is_refused(trained: Project, tmp_path: Path) -> None:
    """transformers would fill the gap with random numbers; a head or a pooler may be new."""
    backbone = tmp_path / "backbone"
    shutil.copytree(trained.root / "data/06_models/tiny/backbone", backbone)
    tensors = load_file(backbone / "model.safetensors")
    del tensors["model.layers.0.attn.Wo.weight"]
    save_file(tensors, backbone / "model.safetensors", metadata={"format": "pt"})
    tokens = trained.root / "data/05_model_input/mood/tokens"
    with pytest.raises(DataError, match=r"lack 1 tensors of its encoder, model.layers.0.attn.Wo.weight"):
        fine_tune(tokens, backbone, FineTuningSpec(), tmp_path / "work")
    check_loaded("bert", ["bert.pooler.dense.weight", "classifier.bias"], backbone)
