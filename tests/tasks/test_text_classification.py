"""Prediction from a model folder."""

import json
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from modelmill.tasks.text_classification import Predictor
from tests.conftest import Project


@pytest.fixture(scope="module")
def predictor(trained: Project) -> Predictor:
    """The tiny product's model."""
    return Predictor(trained.root / "data/06_models/mood/model")


def test_answers_come_in_the_order_of_the_texts(predictor: Predictor, trained: Project) -> None:
    """Batches are made by length; each text still gets its own probabilities, alone or among others."""
    texts = pl.read_parquet(trained.root / "data/03_primary/mood/test.parquet")["text"].to_list()
    together = predictor.probabilities(texts)
    alone = np.concatenate([predictor.probabilities([text]) for text in texts])
    assert together == pytest.approx(alone, abs=1e-5)
    assert together.sum(1) == pytest.approx(np.ones(len(texts)))


def test_texts_are_normalised_as_in_training(predictor: Predictor) -> None:
    """Full-width letters and stray blanks make no difference."""
    assert predictor.probabilities(["ｇｒｅａｔ　 book\u200b"]) == pytest.approx(
        predictor.probabilities(["great book"])
    )


def test_no_text_gives_no_answer(predictor: Predictor) -> None:
    """An empty list is a list."""
    assert predictor.probabilities([]).shape == (0, 2)


def test_the_folder_is_a_plain_transformers_model(trained: Project) -> None:
    """`AutoModelForSequenceClassification` reads it, labels included, without our code."""
    from transformers import AutoModelForSequenceClassification

    folder: Path = trained.root / "data/06_models/mood/model"
    model = AutoModelForSequenceClassification.from_pretrained(folder)
    assert model.config.id2label == {0: "neg", 1: "pos"}
    assert json.loads((folder / "product.json").read_text())["labels"] == ["neg", "pos"]
