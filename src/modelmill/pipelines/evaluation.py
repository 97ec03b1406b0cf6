"""The test split is read here, and only here."""

from kedro.pipeline import Node, Pipeline

from modelmill.evaluation.baselines import linear_baseline, majority_baseline
from modelmill.evaluation.card import model_card
from modelmill.evaluation.figures import answers, confusion_matrix
from modelmill.evaluation.report import compare_random_start, evaluate, leak_report
from modelmill.tasks.text_classification import predict


def for_product(*, random_start: bool, corpora: list[str]) -> Pipeline:
    """model + test -> predictions -> metrics, figures, card.

    Args:
        random_start: whether there is a control to judge too.
        corpora: of the backbone and of those that it goes on from, as far as they were made here.
    """
    metrics = "metrics_without_control" if random_start else "metrics"
    predictions = ["predictions", "majority_predictions", "linear_predictions"]
    reports = ["metrics", "training_report", "cleaning_report"]
    pretrained_on = ["backbone", *corpora] if corpora else []
    nodes = [
        Node(predict, ["model", "test"], "predictions", name="predict"),
        Node(majority_baseline, ["train", "test"], "majority_predictions", name="majority_baseline"),
        Node(linear_baseline, ["train", "validation", "test"], "linear_predictions", name="linear_baseline"),
        Node(leak_report, ["model", "train_augmented", "test", *pretrained_on], "leaks", name="look_for_leaks"),
        Node(evaluate, [*predictions, "leaks", "params:evaluation"], metrics, name="evaluate"),
        Node(confusion_matrix, "metrics", "confusion_matrix", name="plot_confusion_matrix"),
        Node(answers, "predictions", "answers", name="list_answers"),
        Node(model_card, [*reports, "params:product", "params:backbone"], "model_card", name="write_model_card"),
    ]
    if random_start:
        inputs = [metrics, "predictions", "random_start_predictions", "params:evaluation"]
        nodes += [
            Node(
                predict,
                ["random_start_model", "test"],
                "random_start_predictions",
                name="predict_random_start",
            ),
            Node(compare_random_start, inputs, "metrics", name="compare_random_start"),
        ]
    return Pipeline(nodes)
