"""Plotly figures of a training and an evaluation."""

from typing import TYPE_CHECKING

import polars as pl

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

COLOURS = ("#2f6f9f", "#d1603d", "#4c9f70", "#8661c1", "#b08900")


def learning_curves(curves: pl.DataFrame) -> "Figure":
    """Loss above, scores of the validation split below; `curves` has the columns name, step, value."""
    from plotly.subplots import make_subplots

    names = sorted(curves["name"].unique())
    losses = [name for name in names if name.endswith("loss")]
    scores = [name for name in names if not name.endswith("loss")]
    groups = [group for group in (losses, scores) if group]
    figure = make_subplots(rows=len(groups), cols=1, shared_xaxes=True, vertical_spacing=0.08)
    for row, group in enumerate(groups, 1):
        for i, name in enumerate(group):
            part = curves.filter(pl.col("name") == name)
            figure.add_scatter(
                x=part["step"].to_list(), y=part["value"].to_list(), name=name.replace("_", " "),
                mode="lines" if part.height > 20 else "lines+markers",
                line={"color": COLOURS[(i + 2 * (row - 1)) % len(COLOURS)]}, row=row, col=1,
            )  # fmt: skip
        figure.update_yaxes(title_text="loss" if group is losses else "score", row=row, col=1)
    figure.update_xaxes(title_text="step", row=len(groups), col=1)
    figure.update_layout(title="Learning curves", template="plotly_white", legend_title_text="")
    return figure


def curve_points(curves: pl.DataFrame) -> pl.DataFrame:
    """The same as DVC draws it by `.dvc/plots/curves.json`: name, step and value of every point.

    A column for each curve would have empty cells, and DVC draws one column of a file, broken where a cell is empty.
    """
    return curves.select("name", "step", "value").sort("name", "step")


def answers(predictions: pl.DataFrame) -> pl.DataFrame:
    """True and predicted class of every test record, as DVC counts them into a confusion matrix."""
    return predictions.select(actual="label", predicted="predicted")
