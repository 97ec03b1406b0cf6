"""The evidence that belongs to a version."""

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import polars as pl

from modelmill.errors import DataError
from modelmill.records import table_digest
from modelmill.sources.address import file_sha256
from modelmill.specs.training import FineTuningSpec

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

EVALUATION, LINEAGE, CARD = "evaluation.json", "lineage.json", "model_card.md"
RECORD_IDS, PREDICTIONS = "record_ids.parquet", "predictions.parquet"
BOUND = (CARD, EVALUATION, LINEAGE, PREDICTIONS, RECORD_IDS)
"""What a version is judged by; the ledger holds its digest."""

MOST = 90_000
"""Characters of an event that may name data: MLflow takes 100,000 in a tag."""


@dataclass(frozen=True)
class Evidence:
    """What a reader of a version wants to see, as files."""

    texts: dict[str, str]
    tables: dict[str, pl.DataFrame]
    figures: "dict[str, Figure]"

    def save(self, folder: Path) -> None:
        """Write every text, every table as parquet, and every figure as a page that needs no network."""
        for name, text in self.texts.items():
            (folder / name).write_text(text, encoding="utf-8")
        for name, table in self.tables.items():
            table.write_parquet(folder / name)
        for name, figure in self.figures.items():
            figure.write_html(folder / name, include_plotlyjs=True)


def collect_evidence(
    metrics: dict[str, Any],
    curves: pl.DataFrame,
    model_card: str,
    lineage: dict[str, Any],
    record_ids: pl.DataFrame,
    predictions: pl.DataFrame,
    **figures: Any,
) -> Evidence:
    """The reports, figures and card of one evaluation, the ids of the records it is about, and the answers to those of
    the test split, by which later versions are compared record by record; no texts.

    Raises:
        DataError: when the answers are to other records.
    """
    if predictions["id"].to_list() != record_ids.filter(split="test")["id"].to_list():
        raise DataError(
            "the predictions are of other records than the test split that is there now; nothing was registered. Run "
            "the pipeline `evaluation` again before `registration`."
        )
    return Evidence(
        {
            CARD: model_card,
            EVALUATION: json.dumps(metrics, indent=2, ensure_ascii=False),
            LINEAGE: json.dumps(lineage, indent=2, ensure_ascii=False),
            "curves.csv": curves.write_csv(),
        },
        {RECORD_IDS: record_ids, PREDICTIONS: predictions},
        {f"{name}.html": figure for name, figure in figures.items()},
    )


def evidence_digest(folder: Path) -> str:
    """SHA-256 over the files that a version is judged by, as far as they are there: each name, and its SHA-256."""
    there = {name: file_sha256(folder / name) for name in BOUND if (folder / name).is_file()}
    return hashlib.sha256(json.dumps(there, sort_keys=True).encode()).hexdigest()


def data_behind(folder: Path) -> dict[str, dict[str, str]]:
    """What a version was made from, as the ledger keeps it.

    Args:
        folder: with the evidence.

    Returns:
        `given` and `made`, each path to hash, as `lineage.json` says; empty where it says nothing.

    Raises:
        DataError: when it is too long for one event.
    """
    lineage = _read(folder / LINEAGE) if (folder / LINEAGE).is_file() else {}
    given: dict[str, str] = lineage.get("given", {})
    made = {path: hash_ for path, hash_ in lineage.get("data", {}).items() if path not in given}
    if (length := len(json.dumps([given, made], ensure_ascii=False))) > MOST:
        raise DataError(
            f"the version follows from {len(given) + len(made)} files and folders; naming them takes {length} "
            f"characters, and an event of the ledger has room for {MOST}. DVC counts a folder as one: keep the files "
            "of a source in a folder of their own, below which no pipeline writes."
        )
    return {"given": given, "made": made}


def list_record_ids(
    model: Path, train: pl.DataFrame, validation: pl.DataFrame, test: pl.DataFrame, training: FineTuningSpec
) -> pl.DataFrame:
    """Ids of the records that a model was trained, validated and tested on, so that a version answers for itself later.

    Args:
        model: the model folder; it knows what it was trained on.
        train: training records, augmented.
        validation: validation records.
        test: test records.
        training: what is declared now, and logged to the run.

    Returns:
        columns split (train, validation or test) and id, in the order of the tables.

    Raises:
        DataError: when the model was trained on other records, or otherwise than is declared.
    """
    check_training(model, training)
    if _read(model / "product.json")["trained_on_sha256"] != table_digest(train):
        raise DataError(
            "the model was trained on other records than the training split that is there now, so the version could "
            "not say which it saw; nothing was registered. Run `tokenization`, `fine_tuning` and `evaluation` again."
        )
    splits = {"train": train, "validation": validation, "test": test}
    return pl.concat([part.select(pl.lit(name).alias("split"), "id") for name, part in splits.items()])


def check_evidence(evidence: Path, digest: str) -> None:
    """Raise `DataError` when the evaluation judged another model, or other test records than the lineage names."""
    judged = _read(evidence / EVALUATION)["judged"]
    tested = _read(evidence / LINEAGE)["splits"]["test"]["sha256"]
    for what, expected, found in (("model", digest, judged["model"]), ("test split", tested, judged["test"])):
        if expected != found:
            raise DataError(
                f"the evaluation is of another {what} than the one that is there now ({found[:12]}, not "
                f"{expected[:12]}); nothing was registered. Run the pipeline `evaluation` again before `registration`."
            )


def check_training(model: Path, declared: FineTuningSpec) -> None:
    """Raise `DataError` when a model was trained in another way than is declared now."""
    used = _read(model / "product.json")["training"]
    wanted = declared.model_dump(mode="json", exclude={"checkpoint_minutes"})  # it makes no other model
    changed = [f"{key} {used.get(key)} (now {value})" for key, value in wanted.items() if used.get(key) != value]
    if changed:
        raise DataError(
            f"the model was trained with {', '.join(changed)}; nothing was registered. Run `fine_tuning` and "
            "`evaluation` again, or declare what it was trained with."
        )


def _read(path: Path) -> Any:
    return json.loads(path.read_text(encoding="utf-8"))
