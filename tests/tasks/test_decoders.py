"""Text classification on decoders: their answer stands at the last token."""

from pathlib import Path

import numpy as np
import polars as pl
import pytest

from modelmill.specs.task import TaskSpec
from modelmill.specs.training import FineTuningSpec, TokenizationSpec
from modelmill.tasks.run import encode, fine_tune
from tests.tasks.asked import Asked
from tests.training.tiny import corpus_of, made, specified

TEXTS = [f"the book number {i} is {word}" for i in range(60) for word in ("lovely and good", "bad")]


@pytest.mark.parametrize("kind", ["gpt2", "llama"])
def test_a_causal_backbone_learns_to_classify(kind: str, tmp_path: Path) -> None:
    """The keyword decides; texts of other lengths in the batch, and so padding, make no difference."""
    spec = specified(objective="causal_lm", kind=kind, tokenizer={"kind": "byte_bpe", "vocabulary": 300})
    backbone = made(spec, corpus_of(TEXTS), tmp_path)
    table = corpus_of(TEXTS).with_columns(pl.Series("label", ["pos", "neg"] * 60))
    for name in ("product", "model"):
        (tmp_path / name).mkdir()
    encode(
        TaskSpec.model_validate("text_classification"),
        table[20:],
        table[:20],
        backbone,
        TokenizationSpec(max_tokens=48),
    ).save(tmp_path / "product")
    plan = FineTuningSpec(max_epochs=4, learning_rate=0.01, batch_tokens=512, precision="32-true")
    fine_tune(tmp_path / "product", backbone, plan, tmp_path / "work")[2].save(tmp_path / "model")
    predictor = Asked(tmp_path / "model")
    together = predictor.probabilities(TEXTS[:20])
    assert [predictor.labels[i] for i in together.argmax(1)] == ["pos", "neg"] * 10
    assert together == pytest.approx(np.concatenate([predictor.probabilities([text]) for text in TEXTS[:20]]), abs=1e-5)
