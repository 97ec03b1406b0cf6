"""Records to tensors."""

from kedro.pipeline import Node, Pipeline

from modelmill.tasks.run import encode
from modelmill.tokenization.tokens import tokenize_corpus
from modelmill.tokenization.train import train_tokenizer


def for_product() -> Pipeline:
    """train and validation -> tensors as the backbone reads them: token shards, for texts."""
    inputs = ["params:task", "train_augmented", "validation", "backbone", "params:tokenization"]
    return Pipeline([Node(encode, inputs, "tokens", name="tokenize")])


def for_backbone(*, goes_on: bool) -> Pipeline:
    """clean corpus -> tokenizer -> token shards; what goes on from another backbone has that one's tokenizer."""
    tokenizer = "base" if goes_on else "tokenizer"
    nodes = [Node(tokenize_corpus, ["clean", tokenizer, "params:pretraining.whole_words"], "tokens", name="tokenize")]
    if not goes_on:
        inputs = ["clean", "params:pretraining.tokenizer", "params:pretraining.architecture.kind"]
        nodes.append(Node(train_tokenizer, inputs, "tokenizer", name="train_tokenizer"))
    return Pipeline(nodes)
