"""Gates on what lies in a version's folder, asked about a real one and about spoilt copies."""

import json
import pickle
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import polars as pl
import pytest
import yaml

from modelmill.errors import GateError
from modelmill.registry.clean_process import Answers
from modelmill.registry.gates import contents
from modelmill.registry.gates.base import Case
from modelmill.registry.gates.contents import clean_load, compared, digest, no_pickle, signature
from modelmill.specs.registry import Gate

Spoil = Callable[[Path, Path], object]
"""Changes a copy of the model folder and of the evidence."""


@pytest.fixture
def spoilt(case: Case, tmp_path: Path) -> Callable[[Spoil], Case]:
    """Makes a case with a copy of the version, in which something was changed."""

    def make(spoil: Spoil) -> Case:
        model, evidence = tmp_path / "model", tmp_path / "evidence"
        shutil.copytree(case.subject.model, model)
        shutil.copytree(case.subject.evidence, evidence)
        spoil(model, evidence)
        return replace(case, subject=replace(case.subject, model=model, evidence=evidence))

    return make


def edit_mlmodel(model: Path, key: str, value: object) -> None:
    """Write another value into MLmodel."""
    path = model / "MLmodel"
    path.write_text(yaml.safe_dump({**yaml.safe_load(path.read_text()), key: value}))


def flip(path: Path) -> None:
    """Change the last byte of a file."""
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)


def test_digest_knows_what_was_registered(case: Case, spoilt: Callable[[Spoil], Case]) -> None:
    """Files that Python leaves behind when it looks do not count, and gate reports are no evidence."""
    assert digest(Gate(), case).status == "pass"

    def leave_behind(model: Path, evidence: Path) -> None:
        (model / "code/__pycache__").mkdir()
        (model / "code/__pycache__/x.pyc").write_bytes(b"x")
        (evidence / "gates").mkdir()
        (evidence / "gates/staging-0.json").write_text("{}")

    assert digest(Gate(), spoilt(leave_behind)).status == "pass"


@pytest.mark.parametrize(
    ("spoil", "what"),
    [
        (lambda model, _: flip(model / "artifacts/model/model.safetensors"), "files"),
        (lambda model, _: (model / "code/more.py").write_text(""), "files"),
        (lambda _, evidence: flip(evidence / "evaluation.json"), "evidence"),
        (lambda _, evidence: (evidence / "predictions.parquet").unlink(), "evidence"),
    ],
    ids=["weights", "another file", "evaluation", "predictions"],
)
def test_digest_sees_a_change(spoilt: Callable[[Spoil], Case], spoil: Spoil, what: str) -> None:
    """A bit in the weights or in the evaluation, a file more, a file less."""
    finding = digest(Gate(), spoilt(spoil))
    assert (finding.status, finding.reason) == ("fail", f"not as registered: {what}")


def test_digest_compares_the_tensors_too(case: Case) -> None:
    """A ledger that speaks of other tensors in the same files."""
    finding = digest(Gate(), replace(case, subject=replace(case.subject, digest="0" * 64)))
    assert finding.reason == "not as registered: tensors"


def test_no_pickle(case: Case, spoilt: Callable[[Spoil], Case]) -> None:
    """The version has none; one with another name is found."""
    assert no_pickle(Gate(), case).status == "pass"
    bad = spoilt(lambda model, _: (model / "artifacts/model/extra.json").write_bytes(pickle.dumps({"a": Path})))
    finding = no_pickle(Gate(), bad)
    assert finding.status == "fail"
    assert "artifacts/model/extra.json: is a pickle" in finding.reason


def test_signature_and_example_fit(case: Case) -> None:
    """What `kedro run` registered."""
    finding = signature(Gate(), case)
    assert (finding.status, finding.reason) == ("pass", "1 input(s), 4 outputs, an example of 3 record(s)")


@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        (lambda m, _: edit_mlmodel(m, "signature", None), "MLmodel declares the inputs none; expected text (string)"),
        (
            lambda m, _: edit_mlmodel(
                m, "signature", {"inputs": '[{"type": "string", "name": "text"}]', "outputs": None}
            ),
            "MLmodel declares the outputs none; expected label (string), score (double), p_neg (double)",
        ),
        (lambda m, _: (m / "input_example.json").unlink(), "the input example is not there, or holds no column"),
        (
            lambda m, _: (m / "input_example.json").write_text('{"columns": ["text"], "data": [[1]]}'),
            "the input example is not there, or holds no column 'text' of its type",
        ),
    ],
    ids=["none", "no outputs", "no example", "numbers"],
)
def test_a_signature_that_does_not_fit(spoilt: Callable[[Spoil], Case], spoil: Spoil, reason: str) -> None:
    """Each with its reason."""
    finding = signature(Gate(), spoilt(spoil))
    assert finding.status == "fail"
    assert finding.reason.startswith(reason)


def test_clean_load_answers_as_the_evaluation(case: Case) -> None:
    """The stored predictions of the same texts are the answers of a fresh process."""
    finding = clean_load(Gate(), case)
    assert (finding.status, finding.reason) == (
        "pass",
        "loads and answers 3 record(s), 3 of them as in the evaluation",
    )
    assert finding.evidence["largest_difference"] < 1e-5
    assert finding.evidence["peak_memory_bytes"] > 50e6


@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        (
            {"p_neg": "p_pos", "p_pos": "p_neg", "label": pl.lit("pos")},
            "answers otherwise than in its evaluation, by up",
        ),
        ({"label": pl.lit("other")}, "answers with labels that are not the most probable ones"),
        ({"p_neg": pl.lit(0.6), "p_pos": pl.lit(0.6)}, "answers with probabilities that are below 0, or do not sum to"),
        ({"p_neg": pl.lit(float("nan"))}, "answers with probabilities that are below 0, or do not sum to 1"),
        ({"more": pl.lit(0)}, "answers with the columns ['label', 'score', 'p_neg', 'p_pos', 'more']; expected ["),
    ],
    ids=["others", "labels", "sums", "no numbers", "columns"],
)
def test_clean_load_sees_wrong_answers(
    case: Case, monkeypatch: pytest.MonkeyPatch, spoil: dict[str, Any], reason: str
) -> None:
    """The stored predictions, as a process would answer them, with something changed."""
    stored = pl.read_parquet(case.subject.evidence / "predictions.parquet").head(3)
    assert stored["predicted"].to_list() == ["neg"] * 3
    right = stored.select(pl.col("predicted").alias("label"), pl.col("p_neg").alias("score"), "p_neg", "p_pos")
    for table, status in ((right, "pass"), (right.with_columns(**spoil), "fail")):
        answers = Answers(table, 0.0, [0.0], 1)
        monkeypatch.setattr(contents, "predict_in_clean_process", lambda *_, answers=answers: answers)
        finding = clean_load(Gate(), case)
        assert finding.status == status
    assert finding.reason.startswith(reason)


def table(*texts: str) -> pl.DataFrame:
    """An input example."""
    return pl.DataFrame({"text": texts})


def test_clean_load_compares_whole_texts_only(tmp_path: Path) -> None:
    """The example's texts are cut at 200 characters, and a cut text has another answer."""
    answers = pl.DataFrame({"label": ["neg"] * 2, "score": [1.0] * 2, "p_neg": [1.0] * 2, "p_pos": [0.0] * 2})
    stored = pl.DataFrame({"p_neg": [1.0, 0.0], "p_pos": [0.0, 1.0]})
    stored.write_parquet(path := tmp_path / "stored.parquet")
    assert compared(table("a", "b" * 200), answers, path) == (1, 0.0)
    assert compared(table("a", "b"), answers, path) == (2, 1.0)
    assert compared(table("a" * 200, "b" * 200), answers, path) == (0, 0.0)


def test_clean_load_uses_the_code_of_the_version(spoilt: Callable[[Spoil], Case]) -> None:
    """An error in the code beside the model is met, though the installed package has none; its last lines are told."""

    def break_(model: Path, _: Path) -> None:
        (model / "code/modelmill/tasks/text_classification.py").write_text("raise RuntimeError('own code')\n")

    with pytest.raises(GateError, match=r"ended with 1:\n(.|\n)*RuntimeError: own code"):
        clean_load(Gate(), spoilt(break_))


def test_clean_load_without_an_example(spoilt: Callable[[Spoil], Case]) -> None:
    """Nobody can tell."""
    bad = spoilt(lambda model, _: (model / "input_example.json").write_text(json.dumps({"columns": []})))
    assert clean_load(Gate(), bad).reason == "cannot tell: there is no input example to predict"
