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

SAME = 1e-3
"""Probabilities of one model on two machines, or in other batches, differ by less."""
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
    labels = json.loads((weights(case.subject.model) / "product.json").read_text(encoding="utf-8"))["labels"]
    answered, expected = [column["name"] for column in outputs], _answer_columns(labels)
    if [(column["name"], column["type"]) for column in inputs] != [("text", "string")]:
        return Finding("fail", "MLmodel does not declare one input, 'text', of strings", evidence)
    if answered != expected:
        return Finding("fail", f"MLmodel declares the outputs {answered}; expected {expected}", evidence)
    if not (texts := example_texts(case.subject.model)):
        return Finding("fail", "the input example is not there, or holds no column 'text' of strings", evidence)
    return Finding("pass", f"one input, {len(outputs)} outputs, an example of {len(texts)} text(s)", evidence)


def clean_load(_: Gate, case: Case) -> Finding:
    """Loads in a process of its own, and answers the input example as the evaluation did."""
    model = case.subject.model
    texts = example_texts(model)
    if not texts:
        return Finding("fail", "cannot tell: there is no input example to predict")
    answers = predict_in_clean_process(model, texts)
    labels = json.loads((weights(model) / "product.json").read_text(encoding="utf-8"))["labels"]
    evidence = {
        "texts": len(texts),
        "load_seconds": round(answers.load_seconds, 3),
        "seconds": round(sum(answers.seconds), 3),
        "peak_memory_bytes": answers.peak_memory_bytes,
    }
    if wrong := _why_no_answers(answers.table, labels):
        return Finding("fail", wrong, evidence)
    answered, largest = compared(texts, answers.table, case.subject.file(PREDICTIONS))
    evidence |= {"compared": answered, "largest_difference": largest}
    if largest > SAME:
        return Finding("fail", f"answers otherwise than in its evaluation, by up to {largest:.3f}", evidence)
    same = (
        f"{answered} of them as in the evaluation" if answered else "none of them is one that the evaluation answered"
    )
    return Finding("pass", f"loads and answers {len(texts)} text(s), {same}", evidence)


def example_texts(model: Path) -> list[str]:
    """Texts of the input example, as MLflow writes it; none where it is not there or of another form."""
    path = model / "input_example.json"
    example: Any = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else None
    if not isinstance(example, dict) or example.get("columns") != ["text"]:
        return []
    texts = [row[0] for row in example["data"]]
    return texts if all(isinstance(text, str) for text in texts) else []


def _answer_columns(labels: list[str]) -> list[str]:
    return ["label", "score", *(f"p_{label}" for label in labels)]


def _why_no_answers(table: pl.DataFrame, labels: list[str]) -> str | None:
    expected = _answer_columns(labels)
    if table.columns != expected:
        return f"answers with the columns {table.columns}; expected {expected}"
    probabilities = table.select(expected[2:]).to_numpy()
    if not ((probabilities >= 0).all() and abs(probabilities.sum(1) - 1).max() < SAME):  # NaN is neither
        return "answers with probabilities that are below 0, or do not sum to 1"
    if table["label"].to_list() != [labels[place] for place in probabilities.argmax(1)]:
        return "answers with labels that are not the most probable ones"
    return None


def compared(texts: list[str], answers: pl.DataFrame, predictions: Path) -> tuple[int, float]:
    """How many answers can be compared with the evaluation's, whose first ones they are, and how far they are apart."""
    whole = pl.Series([len(text) < CUT for text in texts])
    former = pl.read_parquet(predictions).head(len(texts)).filter(whole)
    names = answers.columns[2:]
    if former.is_empty():
        return 0, 0.0
    apart = answers.filter(whole).select(names).to_numpy() - former.select(names).to_numpy()
    return former.height, float(abs(apart).max())
