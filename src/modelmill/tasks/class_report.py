"""How the answers of a classifier are shown."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from modelmill import markdown
from modelmill.markdown import figure

if TYPE_CHECKING:
    from plotly.graph_objects import Figure


def label_section(report: Mapping[str, Any]) -> str:
    """For the model card: figures of each label."""
    rows = [
        [label, str(row["support"]), figure(row["precision"]), figure(row["recall"]), figure(row["f1"])]
        for label, row in report["labels"].items()
    ]
    return f"### By label\n\n{markdown.table(['label', 'records', 'precision', 'recall', 'F1'], rows)}"


def confusion_matrix(report: Mapping[str, Any]) -> "Figure":
    """Counts by true and predicted label, coloured by share of the true label."""
    import plotly.graph_objects as go

    labels, counts = list(report["labels"]), report["confusion"]
    shares = [[cell / max(1, sum(row)) for cell in row] for row in counts]
    figure = go.Figure(
        go.Heatmap(
            z=shares,
            x=labels,
            y=labels,
            text=counts,
            texttemplate="%{text}",
            zmin=0,
            zmax=1,
            colorscale="Blues",
            colorbar={"title": "share of true"},
        )
    )
    figure.update_layout(title="Confusion matrix (test split)", template="plotly_white")
    figure.update_xaxes(title_text="predicted", type="category")
    figure.update_yaxes(title_text="true", autorange="reversed", type="category")
    return figure
