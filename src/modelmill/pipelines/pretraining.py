"""Making a backbone, or fetching one."""

from kedro.pipeline import Node, Pipeline

from modelmill.evaluation.figures import learning_curves
from modelmill.training.fetch import fetch_backbone
from modelmill.training.pretrain import pretrain


def for_backbone() -> Pipeline:
    """token shards -> backbone and curves."""
    inputs = ["tokens", "tokenizer", "params:pretraining"]
    return Pipeline(
        [
            Node(pretrain, inputs, ["backbone", "curves"], name="pretrain"),
            Node(learning_curves, "curves", "learning_curves", name="plot_learning_curves"),
        ]
    )


def fetch() -> Pipeline:
    """package, folder or hub -> backbone."""
    inputs = ["params:model", "params:sha256", "params:project_root"]
    return Pipeline([Node(fetch_backbone, inputs, "backbone", name="fetch")])
