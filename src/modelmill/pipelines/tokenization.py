"""Texts to tokens."""

from kedro.pipeline import Node, Pipeline

from modelmill.tokenization.tokens import tokenize_corpus, tokenize_product
from modelmill.tokenization.train import train_tokenizer


def for_product() -> Pipeline:
    """train and validation -> token shards, by the backbone's tokenizer."""
    inputs = ["train_augmented", "validation", "backbone", "params:tokenization"]
    return Pipeline([Node(tokenize_product, inputs, "tokens", name="tokenize")])


def for_backbone() -> Pipeline:
    """clean corpus -> tokenizer -> token shards."""
    return Pipeline(
        [
            Node(
                train_tokenizer,
                ["clean", "params:pretraining.tokenizer"],
                "tokenizer",
                name="train_tokenizer",
            ),
            Node(tokenize_corpus, ["clean", "tokenizer"], "tokens", name="tokenize"),
        ]
    )
