"""The test split is read here, and only here."""

from kedro.pipeline import Node, Pipeline

from modelmill.evaluation.card import model_card
from modelmill.evaluation.figures import answers
from modelmill.evaluation.report import compare_random_start, evaluate, leak_report
from modelmill.specs.source import Target
from modelmill.tasks.run import plot_answers, predict, predict_baselines


def for_product(*, target: Target, random_start: bool, corpora: list[str] | None) -> Pipeline:
    """model + test -> predictions -> metrics, figures, card.

    Args:
        target: what the model answers with.
        random_start: whether there is a control to judge too.
        corpora: of the backbone and of those that it goes on from, as far as they were made here; None when what it has
            read is not known.
    """
    metrics = "metrics_without_control" if random_start else "metrics"
    judged = ["params:task", "predictions", "baseline_predictions", "leaks", "params:evaluation"]
    reports = ["metrics", "training_report", "cleaning_report"]
    pretrained_on = [] if corpora is None else ["backbone", *corpora]
    nodes = [
        Node(predict, ["model", "test"], "predictions", name="predict"),
        Node(
            predict_baselines,
            ["params:task", "train", "validation", "test"],
            "baseline_predictions",
            name="predict_baselines",
        ),
        Node(leak_report, ["model", "train_augmented", "test", *pretrained_on], "leaks", name="look_for_leaks"),
        Node(evaluate, judged, metrics, name="evaluate"),
        Node(plot_answers, ["params:task", "metrics", "predictions"], "answers_figure", name="plot_answers"),
        Node(model_card, [*reports, "params:product", "params:backbone"], "model_card", name="write_model_card"),
    ]
    if target == "class":
        nodes.append(Node(answers, "predictions", "answers", name="list_answers"))
    if random_start:
        inputs = ["params:task", metrics, "predictions", "random_start_predictions", "params:evaluation"]
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
