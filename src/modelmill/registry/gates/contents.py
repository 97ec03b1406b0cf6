"""Gates on what lies in a version's folder: that it is what was registered, is harmless, and works."""

import json
from pathlib import Path
from typing import Any

import polars as pl
import yaml

from modelmill.digest import folder_digest, tensor_digest
from modelmill.registry.clean_process import predict_in_clean_process
from modelmill.registry.evidence import PREDICTIONS, evidence_digest
from modelmill.registry.gates.base import Case, Finding
from modelmill.registry.pickles import find_pickles
from modelmill.registry.version_files import Subject, weights
from modelmill.specs.registry import Gate
from modelmill.tasks.task import SAME, Task, task_of

CUT = 200
"""The input example's texts are cut to so many characters; longer ones were answered whole in the evaluation."""


def digest(_: Gate, case: Case) -> Finding:
    """The tensors, all files, and the evidence that other gates believe, are those of the ledger."""
    wrong = changed(case.subject)
    if wrong:
        return Finding("fail", f"not as registered: {', '.join(wrong)}", {"changed": wrong})
    return Finding("pass", "tensors, files and evidence are those that were registered")


def changed(subject: Subject) -> list[str]:
    """What is not as the ledger says: 'files', 'tensors', 'evidence'."""
    wrong = []
    if folder_digest(subject.model) != subject.files:
        wrong.append("files")  # and nobody can be sure that its tensors can be read
    elif tensor_digest(weights(subject.model)) != subject.digest:
        wrong.append("tensors")
    if evidence_digest(subject.evidence) != subject.evidence_digest:
        wrong.append("evidence")
    return wrong


def no_pickle(_: Gate, case: Case) -> Finding:
    """Nothing in the folder is a pickle, by name or by content, also inside archives."""
    found = find_pickles(case.subject.model)
    if found:
        return Finding("fail", f"{len(found)} thing(s) may run code when loaded; {found[0]}", {"found": found})
    return Finding("pass", "no pickle is in the folder")


def signature(_: Gate, case: Case) -> Finding:
    """Inputs and outputs are declared, and the input example fits the inputs."""
    described = yaml.safe_load((case.subject.model / "MLmodel").read_text(encoding="utf-8"))
    declared = described.get("signature") or {}
    inputs, outputs = (json.loads(declared.get(side) or "[]") for side in ("inputs", "outputs"))
    evidence = {"inputs": inputs, "outputs": outputs}
    task, product = _task(case.subject.model)
    for what, columns, wanted in (("inputs", inputs, task.inputs), ("outputs", outputs, task.answer_columns(product))):
        if (found := [(column["name"], column["type"]) for column in columns]) != wanted:
            shown = [", ".join(f"{name} ({kind})" for name, kind in one) or "none" for one in (found, wanted)]
            return Finding("fail", f"MLmodel declares the {what} {shown[0]}; expected {shown[1]}", evidence)
    if (example := example_records(case.subject.model, task)) is None:
        names = ", ".join(f"'{name}'" for name, _ in task.inputs)
        return Finding("fail", f"the input example is not there, or holds no column {names} of its type", evidence)
    told = f"{len(inputs)} input(s), {len(outputs)} outputs, an example of {example.height} record(s)"
    return Finding("pass", told, evidence)


def clean_load(_: Gate, case: Case) -> Finding:
    """Loads in a process of its own, and answers the input example as the evaluation did."""
    model = case.subject.model
    task, product = _task(model)
    example = example_records(model, task)
    if example is None:
        return Finding("fail", "cannot tell: there is no input example to predict")
    answers = predict_in_clean_process(model, example)
    evidence = {
        "records": example.height,
        "load_seconds": round(answers.load_seconds, 3),
        "seconds": round(sum(answers.seconds), 3),
        "peak_memory_bytes": answers.peak_memory_bytes,
    }
    if wrong := _why_no_answers(answers.table, task, product):
        return Finding("fail", f"answers with {wrong}", evidence)
    answered, largest = compared(example, answers.table, case.subject.file(PREDICTIONS))
    evidence |= {"compared": answered, "largest_difference": largest}
    if largest > SAME:
        return Finding("fail", f"answers otherwise than in its evaluation, by up to {largest:.3f}", evidence)
    same = (
        f"{answered} of them as in the evaluation" if answered else "none of them is one that the evaluation answered"
    )
    return Finding("pass", f"loads and answers {example.height} record(s), {same}", evidence)


def _task(model: Path) -> tuple[Task, dict[str, Any]]:
    product = json.loads((weights(model) / "product.json").read_text(encoding="utf-8"))
    return task_of(product["task"]), product


def example_records(model: Path, task: Task) -> pl.DataFrame | None:
    """The input example, as MLflow writes it; None where it is not there or has not the columns that the task reads."""
    path = model / "input_example.json"
    example: Any = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else None
    names = [name for name, _ in task.inputs]
    if not isinstance(example, dict) or example.get("columns") != names or not example["data"]:
        return None
    if not all(isinstance(value, str) for row in example["data"] for value in row):
        return None
    table = pl.DataFrame(example["data"], schema=dict.fromkeys(names, pl.String), orient="row")
    encoded = [name for name, kind in task.inputs if kind == "binary"]  # JSON has no bytes: MLflow writes base64
    try:
        return table.with_columns(pl.col(encoded).str.replace_all("\n", "").str.decode("base64"))
    except pl.exceptions.PolarsError:
        return None


def _why_no_answers(table: pl.DataFrame, task: Task, product: dict[str, Any]) -> str | None:
    expected = [name for name, _ in task.answer_columns(product)]
    if table.columns != expected:
        return f"the columns {table.columns}; expected {expected}"
    return task.why_impossible(table, product)


def compared(example: pl.DataFrame, answers: pl.DataFrame, predictions: Path) -> tuple[int, float]:
    """How many answers can be compared with the evaluation's, whose first ones they are, and how far their numbers are
    apart: those beyond 1 in shares of themselves.
    """
    cut = [pl.lit(True), *(pl.col(name).str.len_chars() < CUT for name in example.select(pl.col(pl.String)).columns)]
    whole = example.with_columns(pl.all_horizontal(cut).alias("whole"))["whole"]
    former = pl.read_parquet(predictions).head(example.height).filter(whole)
    former = former.drop("label", strict=False).rename({"predicted": "label"}, strict=False)
    names = [name for name in former.columns if name in answers.columns and former[name].dtype == pl.Float64]
    if former.is_empty() or not names:
        return 0, 0.0
    now, then = (table.select(names).to_numpy() for table in (answers.filter(whole), former))
    return former.height, float((abs(now - then) / abs(then).clip(1)).max())
