"""The evidence that belongs to a version."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import polars as pl

if TYPE_CHECKING:
    from plotly.graph_objects import Figure


@dataclass(frozen=True)
class Evidence:
    """What a reader of a version wants to see, as files."""

    texts: dict[str, str]
    figures: "dict[str, Figure]"

    def save(self, folder: Path) -> None:
        """Write every text, and every figure as a page that needs no network."""
        for name, text in self.texts.items():
            (folder / name).write_text(text, encoding="utf-8")
        for name, figure in self.figures.items():
            figure.write_html(folder / name, include_plotlyjs=True)


def collect_evidence(
    metrics: dict[str, Any],
    curves: pl.DataFrame,
    learning_curves: Any,
    confusion_matrix: Any,
    card: str,
    lineage: dict[str, Any],
) -> Evidence:
    """The reports, figures and card of one evaluation."""
    return Evidence(
        {
            "model_card.md": card,
            "evaluation.json": json.dumps(metrics, indent=2, ensure_ascii=False),
            "lineage.json": json.dumps(lineage, indent=2, ensure_ascii=False),
            "curves.csv": curves.write_csv(),
        },
        {"learning_curves.html": learning_curves, "confusion_matrix.html": confusion_matrix},
    )
