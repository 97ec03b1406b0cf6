"""The evidence that belongs to a version."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import polars as pl

from modelmill.errors import DataError
from modelmill.specs.training import FineTuningSpec

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


def check_evidence(evidence: Path, digest: str) -> None:
    """Raise `DataError` when the evaluation judged another model, or other test records than the lineage names."""
    judged = _read(evidence / "evaluation.json")["judged"]
    tested = _read(evidence / "lineage.json")["splits"]["test"]["sha256"]
    for what, expected, found in (("model", digest, judged["model"]), ("test split", tested, judged["test"])):
        if expected != found:
            raise DataError(
                f"the evaluation is of another {what} than the one that is there now ({found[:12]}, not "
                f"{expected[:12]}); nothing was registered. Run the pipeline `evaluation` again before `registration`."
            )


def check_training(model: Path, declared: FineTuningSpec) -> None:
    """Raise `DataError` when a model was trained in another way than is declared now."""
    used = _read(model / "product.json")["training"]
    wanted = declared.model_dump(mode="json")
    changed = [f"{key} {used.get(key)} (now {value})" for key, value in wanted.items() if used.get(key) != value]
    if changed:
        raise DataError(
            f"the model was trained with {', '.join(changed)}; nothing was registered. Run `fine_tuning` and "
            "`evaluation` again, or declare what it was trained with."
        )


def _read(path: Path) -> Any:
    return json.loads(path.read_text(encoding="utf-8"))
