"""Tiny encoders with random weights and no dropout, and tiny texts."""

from typing import Any

import numpy as np
import torch

from modelmill.tokenization.tokens import Tokens

SIZE: dict[str, Any] = {
    "vocab_size": 40,
    "hidden_size": 16,
    "intermediate_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "max_position_embeddings": 32,
    "pad_token_id": 0,
    "bos_token_id": 2,
    "eos_token_id": 3,
}
STILL = {"hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0}
DISTIL: dict[str, Any] = {"dim": 16, "hidden_dim": 32, "n_layers": 2, "n_heads": 2, "dropout": 0.0}
CONFIGS: dict[str, dict[str, Any]] = {
    "bert": SIZE | STILL,
    "roberta": SIZE | STILL,
    "electra": SIZE | STILL | {"embedding_size": 8},
    "distilbert": DISTIL | {"vocab_size": 40, "attention_dropout": 0.0, "seq_classif_dropout": 0.0, "pad_token_id": 0},
    "modernbert": SIZE | {"cls_token_id": 2, "sep_token_id": 3, "classifier_pooling": "mean"},
}


def classifier(kind: str, seed: int = 0, labels: int = 2, **options: Any) -> Any:
    """A sequence classifier of an architecture, in training mode; options go over its configuration."""
    from transformers import AutoConfig, AutoModelForSequenceClassification

    torch.manual_seed(seed)
    config = AutoConfig.for_model(kind, **(CONFIGS[kind] | options), num_labels=labels)
    return AutoModelForSequenceClassification.from_config(config).train()


def texts(count: int, seed: int = 0) -> Tokens:
    """Texts of 3 to 20 tokens; two of three have class 0."""
    rng = np.random.default_rng(seed)
    lengths = rng.integers(3, 21, count)
    return Tokens.of(
        [rng.integers(4, 40, length) for length in lengths], (rng.random(count) < 1 / 3).astype(int).tolist()
    )
