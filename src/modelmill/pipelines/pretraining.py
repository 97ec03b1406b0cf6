"""Making a backbone, or fetching one."""

from kedro.pipeline import Node, Pipeline

from modelmill.evaluation.figures import curve_points, learning_curves
from modelmill.training.fetch import fetch_backbone
from modelmill.training.image_architectures import untrained_backbone
from modelmill.training.pretrain import pretrain


def for_backbone(*, goes_on: bool) -> Pipeline:
    """token shards, and the backbone that it goes on from -> backbone and curves."""
    inputs = ["tokens", "base" if goes_on else "tokenizer", "params:pretraining", "checkpoints"]
    return Pipeline(
        [
            Node(pretrain, inputs, ["curves", "training_report", "backbone"], name="pretrain"),
            Node(learning_curves, "curves", "learning_curves", name="plot_learning_curves"),
            Node(curve_points, "curves", "curve_points", name="list_curve_points"),
        ]
    )


def untrained() -> Pipeline:
    """an architecture -> backbone with random weights."""
    return Pipeline([Node(untrained_backbone, "params:architecture", "backbone", name="make")])


def fetch() -> Pipeline:
    """package, folder or hub -> backbone."""
    inputs = ["params:model", "params:sha256", "params:project_root"]
    return Pipeline([Node(fetch_backbone, inputs, "backbone", name="fetch")])
