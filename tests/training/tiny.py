"""Tiny backbones, made by the same functions as in a run."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import polars as pl

from modelmill.specs.backbone import PretrainingSpec
from modelmill.tokenization.tokens import Tokens, TokenShards, tokenize_corpus
from modelmill.tokenization.train import TrainedTokenizer, train_tokenizer
from modelmill.training.pretrain import pretrain

SHAPE = {"layers": 1, "hidden": 32, "heads": 2, "intermediate": 64, "max_tokens": 64}
PLAN = {"max_steps": 5, "block_tokens": 32, "batch_blocks": 4, "learning_rate": 1e-2, "precision": "32-true"}


def corpus_of(texts: Sequence[str]) -> pl.DataFrame:
    """A table of records without labels."""
    rows = [(str(i), text, None) for i, text in enumerate(texts)]
    return pl.DataFrame(rows, schema={"id": pl.String, "text": pl.String, "label": pl.String}, orient="row")


def specified(kind: str | None = None, **sections: Any) -> PretrainingSpec:
    """A tiny declaration: the sections given over the tiny ones; no `kind` leaves the architecture to `from`."""
    shape = {"architecture": {**SHAPE, "kind": kind, **sections.pop("architecture", {})}} if kind else {}
    training = {**PLAN, **sections.pop("training", {})}
    return PretrainingSpec.model_validate({"corpus": {"products": "any"}, "training": training, **shape, **sections})


def made(spec: PretrainingSpec, corpus: pl.DataFrame, folder: Path, base: Path | None = None) -> Path:
    """The folder of a backbone that is pretrained on a corpus."""
    start = base or folder / "tokenizer"
    if base is None:
        start.mkdir()
        tokenizer_of(corpus, spec).save(start)
    for name in ("tokens", "backbone"):
        (folder / name).mkdir()
    tokenize_corpus(corpus, start, spec.whole_words).save(folder / "tokens")
    pretrain(folder / "tokens", start, spec, folder / "checkpoints")[2].save(folder / "backbone")
    return folder / "backbone"


def tokenizer_of(corpus: pl.DataFrame, spec: PretrainingSpec) -> TrainedTokenizer:
    """What the declaration makes of a corpus."""
    assert spec.tokenizer
    assert spec.architecture
    return train_tokenizer(corpus, spec.tokenizer, spec.architecture.kind)


def encoded_in(tokenizer: Path, corpus: pl.DataFrame, folder: Path) -> Path:
    """A new folder with the tokens of a corpus."""
    folder.mkdir()
    tokenize_corpus(corpus, tokenizer).save(folder)
    return folder


def encoded_by(tokenizer: Path, corpus: pl.DataFrame, folder: Path) -> Tokens:
    """The tokens of a corpus, by way of a new folder."""
    return TokenShards.load(encoded_in(tokenizer, corpus, folder)).splits["train"]
