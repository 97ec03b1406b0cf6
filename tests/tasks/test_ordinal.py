"""Ordinal classification, from its figures to a registered version."""

import json
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import torch
from sklearn.metrics import cohen_kappa_score

from modelmill.errors import DataError
from modelmill.specs import ProductSpec
from modelmill.specs.training import FineTuningSpec
from modelmill.tasks.ordinal import OrdinalClassification, OrdinalOutcome
from modelmill.tasks.ordinal_module import OrdinalKappa, log_probabilities, ordinal_loss
from modelmill.tasks.task import task_of
from modelmill.tokenization.tokens import Tokens
from tests.conftest import Project
from tests.tasks.registered import ask_candidate, case_of

ORDER = ["low", "medium", "high"]


def task() -> OrdinalClassification:
    """Of three grades."""
    found = task_of({"kind": "ordinal_classification", "labels": ORDER})
    assert isinstance(found, OrdinalClassification)
    return found


def test_figures_are_those_of_others() -> None:
    """Kappa with quadratic weights as scikit-learn has it, for every resample; the step error is the mean distance."""
    rng = np.random.default_rng(0)
    true, predicted = rng.integers(0, 4, 60), rng.integers(0, 4, 60)
    rows = rng.integers(0, 60, (20, 60))
    outcome = OrdinalOutcome(true, predicted, np.ones(60), [*"abcd"])
    found = outcome.values(rows, ["quadratic_kappa", "step_error", "accuracy"])
    kappas = [cohen_kappa_score(true[row], predicted[row], labels=range(4), weights="quadratic") for row in rows]
    assert found["quadratic_kappa"] == pytest.approx(kappas)
    assert found["step_error"] == pytest.approx(np.abs(true - predicted)[rows].mean(1))
    assert found["accuracy"] == pytest.approx((true == predicted)[rows].mean(1))


def test_figures_by_hand() -> None:
    """Truths 0, 1, 2 and answers 0, 1, 1: one step in three; squares are 1, by chance (2 + 1 + 6) / 3. Of one label
    alone the kappa is 0."""
    outcome = OrdinalOutcome(np.array([0, 1, 2]), np.array([0, 1, 1]), np.ones(3), ORDER)
    assert outcome.value("step_error") == pytest.approx(1 / 3)
    assert outcome.value("quadratic_kappa") == pytest.approx(1 - 1 / 3)
    same = OrdinalOutcome(np.zeros(3, int), np.zeros(3, int), np.ones(3), ORDER)
    assert same.value("quadratic_kappa") == 0


def test_the_loss_is_the_likelihood_of_the_chain() -> None:
    """P(low) = 1 - a, P(medium) = a (1 - b), P(high) = a b; the loss is minus the log of the label's, the answers are
    the same probabilities."""
    logits = torch.tensor([[0.3, -0.7], [2.0, 1.0], [-1.0, 0.5]])
    a, b = logits.sigmoid().T
    chain = torch.stack([1 - a, a * (1 - b), a * b], 1)
    labels = torch.tensor([0, 1, 2])
    expected = -chain[torch.arange(3), labels].log()
    assert ordinal_loss(logits, labels).item() == pytest.approx(expected.mean().item())
    weights = torch.tensor([1.0, 2.0, 0.5])
    assert ordinal_loss(logits, labels, weights).item() == pytest.approx((expected * weights).mean().item())
    torch.testing.assert_close(log_probabilities(logits).exp(), chain)
    assert task().chances(logits.double().numpy()) == pytest.approx(chain.numpy(), abs=1e-6)


def test_the_score_is_the_figure() -> None:
    """What chooses the best epoch is the main metric, in batches as at once."""
    rng = torch.Generator().manual_seed(0)
    logits, labels = torch.randn(40, 2, generator=rng), torch.randint(0, 3, (40,), generator=rng)
    score = OrdinalKappa(3)
    for rows in (slice(0, 25), slice(25, 40)):
        score.update(logits[rows], labels[rows])
    said = log_probabilities(logits).argmax(1)
    assert score.compute().item() == pytest.approx(cohen_kappa_score(labels, said, weights="quadratic"), abs=1e-6)


def test_the_order_is_the_declared_one() -> None:
    """The contract takes the labels of the task; others, one twice, or two alone are mistakes."""
    product = {"source": {"files": "a.csv"}, "backbone": "b"}
    section = {"kind": "ordinal_classification", "labels": ORDER}
    assert ProductSpec.model_validate({"task": section, **product}).contract.labels == ORDER
    with pytest.raises(ValueError, match="`labels` are others than those of `task`, low, medium, high"):
        ProductSpec.model_validate({"task": section, "contract": {"labels": ["low", "high"]}, **product})
    with pytest.raises(ValueError, match="'low' stands twice"):
        ProductSpec.model_validate({"task": {**section, "labels": [*ORDER, "low"]}, **product})
    with pytest.raises(ValueError, match="at least 3"):
        ProductSpec.model_validate({"task": {**section, "labels": ["low", "high"]}, **product})


def test_options_of_the_loss() -> None:
    """Class weights weigh records; smoothing, which knows no order, is refused."""
    train = Tokens.of([[1]] * 4, np.array([0, 0, 1, 2]))
    head = task().head(train, ORDER, FineTuningSpec(class_weights="balanced"))
    logits, labels = torch.zeros(4, 2), torch.tensor([0, 0, 1, 2])
    each = torch.tensor([1.0, 1.0, 2.0, 2.0]) * torch.log(torch.tensor(2.0))
    weights = torch.tensor([4 / 6, 4 / 6, 4 / 3, 4 / 3])
    assert head.loss(logits, labels).item() == pytest.approx((each * weights).mean().item())
    assert head.plain_loss(logits, labels).item() == pytest.approx(each.mean().item())
    with pytest.raises(DataError, match="label_smoothing` is not for ordinal_classification"):
        task().head(train, ORDER, FineTuningSpec(label_smoothing=0.1))


@pytest.mark.slow
def test_a_product_goes_the_whole_way(kinds: Project) -> None:
    """It beats the majority; the registered version answers as the evaluation did, in the declared order."""
    metrics = kinds.json("data/08_reporting/grades/metrics.json")
    assert metrics["metric"] == "quadratic_kappa"
    assert metrics["baselines"]["majority"]["difference"]["low"] > 0
    assert kinds.json("data/06_models/grades/model/product.json")["labels"] == ORDER
    assert [*metrics["labels"]] == ORDER
    predictions = pl.read_parquet(kinds.root / "data/07_model_output/grades/predictions.parquet")
    answers = ask_candidate(kinds, "grades")
    assert [*answers] == ["label", "score", *(f"p_{label}" for label in ORDER)]
    assert answers["label"] == predictions["predicted"].to_list()
    assert "### By label" in (kinds.root / "data/08_reporting/grades/model_card.md").read_text(encoding="utf-8")
    assert json.loads(kinds.kedro("product", "list", "--json").stdout)


@pytest.mark.slow
def test_gates_of_ordered_labels(kinds: Project, tmp_path: Path) -> None:
    """They are asked what classes are asked."""
    from modelmill.registry.gates.comparison import calibration, non_inferiority
    from modelmill.registry.gates.contents import clean_load
    from modelmill.specs.registry import CalibrationGate, Gate, NonInferiorityGate

    case = case_of(kinds, "grades", tmp_path)
    assert non_inferiority(NonInferiorityGate(margin=0.9), case).status == "pass"
    assert calibration(CalibrationGate(), case).status == "pass"
    assert clean_load(Gate(), case).status == "pass"
