"""Multi-label classification, from its figures to a registered version."""

import json
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import torch
from sklearn.metrics import f1_score, precision_recall_fscore_support

from modelmill.cleaning.contract import ContractStep
from modelmill.cleaning.split import split_records
from modelmill.errors import DataError
from modelmill.records import RECORD, labels_of
from modelmill.sources.read import read_sources
from modelmill.specs import ProductSpec
from modelmill.specs.cleaning import CleaningSpec
from modelmill.specs.source import ContractSpec, Sources
from modelmill.specs.split import SplitSpec
from modelmill.tasks.labels import LabelsOutcome, best_threshold
from modelmill.tasks.multilabel import MultilabelClassification
from modelmill.tasks.multilabel_module import multilabel_loss
from modelmill.tasks.outcome import Resampling
from modelmill.tasks.task import task_of
from tests.conftest import Project
from tests.tasks.registered import ask_candidate, case_of


def task() -> MultilabelClassification:
    """Labels between bars."""
    found = task_of({"kind": "multilabel_classification", "separator": "|"})
    assert isinstance(found, MultilabelClassification)
    return found


def records(labels: list[str | None]) -> pl.DataFrame:
    """Records of these labels."""
    rows = [(str(i), f"text {i}", label, f"a.csv:{i}") for i, label in enumerate(labels)]
    return pl.DataFrame(rows, schema=RECORD, orient="row")


@pytest.mark.parametrize(
    ("text", "separator", "labels"),
    [
        ("b|a", "|", ["a", "b"]),
        (" a | a |", "|", ["a"]),
        ('["b", "a"]', None, ["a", "b"]),
        ('["b|c"]', "|", ["b|c"]),
        ("[]", "|", []),
        ("a", None, None),
        ('["a", 1]', None, None),
        ("3", None, None),
    ],
)
def test_labels_of_a_record(text: str, separator: str | None, labels: list[str] | None) -> None:
    """Each once, sorted; a JSON list is one with a separator, too; no list is None."""
    assert labels_of(text, separator) == labels


def test_figures_are_those_of_others() -> None:
    """scikit-learn says the same of every resample, and of each label."""
    rng = np.random.default_rng(0)
    true, predicted = rng.random((50, 3)) < 0.4, rng.random((50, 3)) < 0.5
    rows = rng.integers(0, 50, (20, 50))
    outcome = LabelsOutcome(true, predicted, [*"abc"])
    found = outcome.values(rows, ["micro_f1", "macro_f1", "exact_match"])
    for name in ("micro", "macro"):
        expected = [f1_score(true[row], predicted[row], average=name) for row in rows]
        assert found[f"{name}_f1"] == pytest.approx(expected)
    assert found["exact_match"] == pytest.approx([(true[row] == predicted[row]).all(1).mean() for row in rows])
    table = outcome.details(Resampling(100, 0.95, 0))["labels"]
    for i, name in enumerate(("precision", "recall", "f1")):
        expected = precision_recall_fscore_support(true, predicted)[i]
        assert [table[label][name]["value"] for label in "abc"] == pytest.approx(expected)
    assert [table[label]["support"] for label in "abc"] == true.sum(0).tolist()


def test_the_threshold_by_hand() -> None:
    """Between 0.6 and 0.4: two hits of two said and two true; what no threshold parts is not parted."""
    true = np.array([[True, False], [True, False]])
    assert best_threshold(np.array([[0.9, 0.4], [0.6, 0.1]]), true) == pytest.approx(0.5)
    assert best_threshold(np.array([[0.9, 0.6], [0.6, 0.1]]), true) == pytest.approx(0.35)
    assert best_threshold(np.array([[0.9, 0.6]]), np.zeros((1, 2), bool)) == 0.5


def test_no_threshold_is_better() -> None:
    """Of 200 that are tried, none has a higher micro-F1."""
    rng = np.random.default_rng(0)
    true = rng.random((40, 3)) < 0.3
    chances = np.clip(true * 0.3 + rng.random((40, 3)) * 0.7, 0, 1)
    best = f1_score(true, chances >= best_threshold(chances, true), average="micro")
    assert best >= max(f1_score(true, chances >= share, average="micro") for share in np.linspace(0.01, 0.99, 200))


def test_loss_and_answers_by_hand() -> None:
    """The mean over records and labels; labels are said from the threshold on, and none is an empty list."""
    logits = torch.tensor([[0.0, 0.0], [2.0, -2.0]])
    loss = multilabel_loss(logits[:1], torch.tensor([[1, 0]])).item()
    assert loss == pytest.approx(np.log(2))
    product = {"labels": ["a", "b"], "threshold": 0.6}
    answers = task().answers(logits.double().numpy(), product)
    assert answers["label"].to_list() == ["[]", '["a"]']
    assert answers["p_a"].to_list() == pytest.approx([0.5, 1 / (1 + np.exp(-2))])
    assert task().why_impossible(answers, product) is None
    assert task().why_impossible(answers.with_columns(label=pl.lit("[]")), product) is not None
    assert task().why_impossible(answers.with_columns(p_b=pl.lit(1.5)), product) is not None


def test_the_contract_of_several_labels() -> None:
    """No list, and a label that is not allowed, are rejected each with its reason; an empty list is none of them."""
    contract = ContractSpec(target="classes", separator="|", labels=["a", "b"], max_reject=1)
    kept, rejects = ContractStep(contract, labelled=True)(records(["a|b", "[]", "a|c", None, '["a"']))
    assert kept["label"].to_list() == ["a|b", "[]"]
    assert rejects["reason"].to_list() == ["label is none of a, b", "label is missing", "label is no list of labels"]


def test_each_label_is_counted_for_itself() -> None:
    """A record counts for all its labels; one with too few records stops the run, as one that a split lacks."""
    clean = records(["a|b"] * 20 + ["a"] * 20 + ["c|a"] * 2)
    contract = ContractSpec(target="classes", separator="|", min_per_label=3)
    with pytest.raises(DataError, match=r"'c' has 2; `contract.min_per_label` is 3"):
        split_records(clean, SplitSpec(by="random"), contract)
    rare = records(["a"] * 200 + ["b|a"] * 3)
    with pytest.raises(DataError, match="has no record labelled b"):
        split_records(rare, SplitSpec(by="random"), contract)


def test_lists_of_parquet_are_read(tmp_path: Path) -> None:
    """A column of lists comes as JSON, as it does from JSON lines."""
    pl.DataFrame({"text": ["x", "y"], "label": [["b", "书"], []]}).write_parquet(tmp_path / "a.parquet")
    (tmp_path / "a.jsonl").write_text('{"text": "x", "label": ["b", "书"]}\n{"text": "y", "label": []}\n')
    for name in ("a.parquet", "a.jsonl"):
        sources = Sources.model_validate({"files": name})
        table, _ = read_sources(sources, CleaningSpec(), str(tmp_path))
        assert [labels_of(text, None) for text in table.read()["label"]] == [["b", "书"], []]


def test_baselines_by_hand() -> None:
    """What most have, and a linear model that reads the words."""
    train = pl.DataFrame({"text": ["red blue", "red", "green"] * 10, "label": ["r|b", "r", "[]"] * 10})
    test = pl.DataFrame({"id": ["1", "2"], "text": ["red blue", "green"], "label": ["r|b", "[]"]})
    found = task().baselines(train, train, test)
    assert found["majority"]["predicted"].to_list() == ['["r"]'] * 2
    assert found["linear"]["predicted"].to_list() == ['["b", "r"]', "[]"]


def test_what_needs_one_class_is_refused() -> None:
    """Class weights and a stratified split."""
    product = {"task": "multilabel_classification", "source": {"files": "a.csv"}, "backbone": "b"}
    for section in ({"training": {"class_weights": "balanced"}}, {"split": {"by": "stratified"}}):
        with pytest.raises(ValueError, match="multilabel_classification has none"):
            ProductSpec.model_validate({**product, **section})


@pytest.mark.slow
def test_a_product_goes_the_whole_way(kinds: Project) -> None:
    """It beats the majority, keeps its threshold, and the registered version answers as the evaluation did."""
    metrics = kinds.json("data/08_reporting/tags/metrics.json")
    assert metrics["metrics"]["micro_f1"]["value"] > 0.7
    assert metrics["baselines"]["majority"]["difference"]["low"] > 0
    assert [*metrics["labels"]] == ["blame", "praise"]
    product = kinds.json("data/06_models/tags/model/product.json")
    assert 0 < product["threshold"] < 1
    predictions = pl.read_parquet(kinds.root / "data/07_model_output/tags/predictions.parquet")
    chances = predictions.select("p_blame", "p_praise").to_numpy()
    said = [[label for label, p in zip(("blame", "praise"), row, strict=True) if p >= product["threshold"]]
            for row in chances]  # fmt: skip
    assert [json.loads(one) for one in predictions["predicted"]] == said
    answers = ask_candidate(kinds, "tags")
    assert [*answers] == ["label", "p_blame", "p_praise"]
    assert answers["label"] == predictions["predicted"].to_list()


@pytest.mark.slow
def test_gates_of_several_labels(kinds: Project, tmp_path: Path) -> None:
    """Non-inferiority and loading pass; what asks for one class says why it does not."""
    from modelmill.registry.gates.behaviour import robustness
    from modelmill.registry.gates.comparison import calibration, non_inferiority
    from modelmill.registry.gates.contents import clean_load
    from modelmill.specs.registry import CalibrationGate, Gate, NonInferiorityGate, RobustnessGate

    case = case_of(kinds, "tags", tmp_path)
    assert non_inferiority(NonInferiorityGate(margin=0.9), case).status == "pass"
    assert clean_load(Gate(), case).status == "pass"
    for found in (robustness(RobustnessGate(), case), calibration(CalibrationGate(), case)):
        assert found.status == "skip"
        assert "multilabel_classification" in found.reason
