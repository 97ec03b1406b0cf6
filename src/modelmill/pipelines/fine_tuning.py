"""From a backbone to a product's model."""

from kedro.pipeline import Node, Pipeline

from modelmill.evaluation.figures import curve_points, learning_curves
from modelmill.tasks.run import fine_tune, fine_tune_random_start


def for_product(*, random_start: bool) -> Pipeline:
    """tensors + backbone -> model and curves; with `evaluation.random_start` the control too."""
    inputs = ["tokens", "backbone", "params:training"]
    nodes = [
        Node(fine_tune, [*inputs, "checkpoints"], ["curves", "training_report", "model"], name="fine_tune"),
        Node(learning_curves, "curves", "learning_curves", name="plot_learning_curves"),
        Node(curve_points, "curves", "curve_points", name="list_curve_points"),
    ]
    if random_start:
        outputs = ["random_start_curves", "random_start_training_report", "random_start_model"]
        inputs += ["model", "random_start_checkpoints"]
        nodes.append(Node(fine_tune_random_start, inputs, outputs, name="fine_tune_random_start"))
    return Pipeline(nodes)
