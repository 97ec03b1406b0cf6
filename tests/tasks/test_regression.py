"""Regression, from its figures to a registered version."""

import json
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from scipy.stats import spearmanr
from sklearn.metrics import mean_absolute_error, r2_score, root_mean_squared_error

from modelmill.errors import DataError
from modelmill.specs import ProductSpec
from modelmill.specs.training import FineTuningSpec, TokenizationSpec
from modelmill.tasks.numbers import NumberOutcome
from modelmill.tasks.outcome import Resampling, difference, metric_table
from modelmill.tasks.regression import Regression
from modelmill.tasks.task import task_of
from modelmill.tokenization.tokens import Tokens
from tests.conftest import Project
from tests.tasks.conftest import declare
from tests.tasks.registered import ask_candidate, case_of

METRICS = {
    "rmse": root_mean_squared_error,
    "mae": mean_absolute_error,
    "r2": r2_score,
    "spearman": lambda true, predicted: spearmanr(true, predicted).statistic,
}


def table(true: list[float], predicted: list[float]) -> pl.DataFrame:
    """Predictions as an evaluation has them: truths are text."""
    return pl.DataFrame({"id": map(str, range(len(true))), "label": map(str, true), "predicted": predicted})


def test_figures_by_hand() -> None:
    """Errors 0, 1, -1, 2 of the truths 1, 2, 3, 4: squares 6 over 5, and the ranks 1, 3.5, 2, 3.5 beside 1 to 4."""
    outcome = NumberOutcome.of(table([1, 2, 3, 4], [1.0, 3.0, 2.0, 3.0]))
    assert outcome.value("mae") == 0.75
    assert outcome.value("rmse") == pytest.approx((3 / 4) ** 0.5)
    assert outcome.value("r2") == pytest.approx(1 - 3 / 5)
    assert outcome.value("spearman") == pytest.approx(spearmanr([1, 2, 3, 4], [1, 3.5, 2, 3.5]).statistic)


@pytest.mark.parametrize("metric", METRICS)
def test_figures_are_those_of_others(metric: str) -> None:
    """scikit-learn and scipy say the same of random numbers with ties, of each resample."""
    rng = np.random.default_rng(0)
    true, predicted = rng.integers(0, 9, 50).astype(float), rng.integers(0, 9, 50).astype(float)
    rows = rng.integers(0, 50, (20, 50))
    found = NumberOutcome(true, predicted).values(rows, [metric])[metric]
    assert found == pytest.approx([METRICS[metric](true[row], predicted[row]) for row in rows])


def test_numbers_without_spread_have_figures() -> None:
    """A resample of one number: what was met is 1, what was not is 0, and nothing is ranked."""
    rows = np.zeros((1, 3), int)
    met, missed = (NumberOutcome(np.ones(1), np.full(1, said)).values(rows, [*METRICS]) for said in (1.0, 2.0))
    assert (met["r2"], met["spearman"]) == ([1.0], [0.0])
    assert (missed["r2"], missed["spearman"]) == ([0.0], [0.0])


def test_targets_are_standardised_by_the_training_split() -> None:
    """1e9 and 1e9 + 2 are -1 and 1 to the loss; an answer of 0.5 is 1e9 + 1.5."""
    import torch

    task = task_of({"kind": "regression"})
    assert isinstance(task, Regression)
    train = Tokens.of([[1], [2]], np.array([1e9, 1e9 + 2]))
    head = task.head(train, [], FineTuningSpec())
    assert head.about == {"scale": {"mean": 1e9 + 1, "deviation": 1.0}}
    loss = head.loss(torch.tensor([[-1.0], [0.0]]), torch.from_numpy(train.labels))
    assert loss.item() == pytest.approx((0 + 1) / 2)
    head.score.update(torch.tensor([[-1.0], [0.0]]), torch.from_numpy(train.labels))
    assert head.score.compute().item() == pytest.approx(1 - 1 / 2)
    assert task.answers(np.array([[0.5]]), head.about)["label"].to_list() == [1e9 + 1.5]


def test_what_cannot_be_learned_is_refused(tmp_path: Path) -> None:
    """One number for all records, and a validation split of one record."""
    task = task_of({"kind": "regression"})
    assert isinstance(task, Regression)
    with pytest.raises(DataError, match="all labels of the training split are the number 3"):
        task.head(Tokens.of([[1], [2]], np.array([3.0, 3.0])), [], FineTuningSpec())
    one = pl.DataFrame({"text": ["a"], "label": ["1"]})
    with pytest.raises(DataError, match=r"has one record, and regression needs two; enlarge `split.validation`"):
        task.encode({"train": one, "validation": one}, tmp_path, TokenizationSpec())


@pytest.mark.parametrize(
    ("section", "said"),
    [
        (
            {"training": {"class_weights": "balanced"}},
            "class_weights` needs one class for each record; regression has none",
        ),
        ({"training": {"label_smoothing": 0.1}}, "label_smoothing` needs one class for each record"),
        ({"augmentation": {"kind": "mix"}}, "kind: mix}` needs one class"),
        ({"augmentation": {"kind": "swap", "copies": "balance"}}, "copies: balance}` needs one class"),
        ({"split": {"by": "stratified"}}, "draws from each class, and regression has none"),
        ({"contract": {"labels": ["1", "2"]}}, "the labels of regression are number"),
    ],
)
def test_what_is_of_classes_is_refused(section: dict[str, object], said: str) -> None:
    """Options that would do nothing, or harm, are mistakes."""
    product = {"task": "regression", "source": {"files": "a.csv"}, "backbone": "b", **section}
    with pytest.raises(ValueError, match=said):
        ProductSpec.model_validate(product)


def test_baselines_by_hand() -> None:
    """The mean of the training records, and a linear model that reads the word."""
    train = pl.DataFrame({"text": ["good book", "bad book"] * 20, "label": ["10", "0"] * 20})
    test = pl.DataFrame({"id": ["a", "b"], "text": ["good book", "bad book"], "label": ["10", "0"]})
    found = task_of({"kind": "regression"}).baselines(train, train, test)
    assert found["mean"]["predicted"].to_list() == [5.0, 5.0]
    assert found["linear"]["predicted"].to_list() == pytest.approx([10, 0], abs=0.5)


def test_evaluation_with_intervals_and_paired_differences() -> None:
    """The bounds hold the value, and the difference of a model to itself is nothing."""
    rng = np.random.default_rng(0)
    true = rng.normal(size=80)
    good, poor = (NumberOutcome(true, true + rng.normal(scale=scale, size=80)) for scale in (0.1, 1.0))
    resampling = Resampling(200, 0.95, 0)
    for figure in metric_table(good, resampling).values():
        assert figure["low"] <= figure["value"] <= figure["high"]
    assert difference(good, poor, "rmse", resampling)["high"] < 0
    assert set(difference(good, good, "r2", resampling).values()) == {0.0}


@pytest.mark.slow
def test_a_product_goes_the_whole_way(kinds: Project) -> None:
    """It beats the mean, says so on its card, and the registered version answers as it did in the evaluation."""
    metrics = kinds.json("data/08_reporting/stars/metrics.json")
    assert metrics["metric"] == "r2"
    assert metrics["metrics"]["r2"]["value"] > 0.5
    assert metrics["baselines"]["mean"]["difference"]["low"] > 0
    product = kinds.json("data/06_models/stars/model/product.json")
    train = pl.read_parquet(kinds.root / "data/03_primary/stars/train.parquet")["label"].cast(pl.Float64)
    assert product["labels"] == []
    assert product["scale"] == pytest.approx({"mean": train.mean(), "deviation": train.std(ddof=0)})
    card = (kinds.root / "data/08_reporting/stars/model_card.md").read_text(encoding="utf-8")
    assert "### The true numbers" in card
    assert "By label" not in card
    predictions = pl.read_parquet(kinds.root / "data/07_model_output/stars/predictions.parquet")
    answers = ask_candidate(kinds, "stars")
    assert [*answers] == ["label"]
    assert answers["label"] == pytest.approx(predictions["predicted"].to_list(), rel=1e-4)
    row = next(row for row in json.loads(kinds.kedro("product", "list", "--json").stdout) if row["product"] == "stars")
    assert row["metric"]["name"] == "r2"
    assert {"mean", "linear"} == set(row["baselines"])


@pytest.mark.slow
def test_gates_of_numbers(kinds: Project, tmp_path: Path) -> None:
    """Behind itself a version passes non-inferiority; what asks for classes skips and says why; it loads in a process
    of its own."""
    from modelmill.registry.gates.behaviour import robustness
    from modelmill.registry.gates.comparison import calibration, non_inferiority, slices
    from modelmill.registry.gates.contents import clean_load, signature
    from modelmill.specs.registry import CalibrationGate, Gate, NonInferiorityGate, RobustnessGate, SlicesGate

    case = case_of(kinds, "stars", tmp_path)
    assert non_inferiority(NonInferiorityGate(margin=0.3), case).status == "pass"
    skipped = {
        "slices": slices(SlicesGate(), case),
        "robustness": robustness(RobustnessGate(), case),
        "calibration": calibration(CalibrationGate(), case),
    }
    assert {name: one.status for name, one in skipped.items()} == dict.fromkeys(skipped, "skip")
    assert all("regression" in one.reason for one in skipped.values())
    assert signature(Gate(), case).status == "pass"
    loads = clean_load(Gate(), case)
    assert loads.status == "pass", loads.reason
    assert "3 of them as in the evaluation" in loads.reason


@pytest.mark.slow
def test_exports_name_the_number(kinds: Project) -> None:
    """Annex IV has no table of labels, the bill of materials the column that is answered."""
    bom = json.loads(kinds.kedro("model", "export", "stars@1", "--format", "mlbom").stdout)
    parameters = bom["metadata"]["component"]["modelCard"]["modelParameters"]
    assert parameters["outputs"] == [{"format": "label (double)"}]
    assert parameters["task"] == "regression"
    text = kinds.kedro("model", "export", "stars@1", "--format", "annex4").stdout
    assert "`r2`" in text
    assert "| label |" not in text


def test_a_label_that_is_no_number_is_rejected(project: Project) -> None:
    """Words and infinity are taken out with the reason; 1e3 is a number."""
    declare(project, "stars")
    path = project.root / "data/01_raw/stars.csv"
    path.write_text(path.read_text() + "text one,many\ntext two,inf\ntext three,1e3\n", encoding="utf-8")
    project.kedro("run", "--namespaces", "stars.data_cleaning")
    rejects = pl.read_parquet(project.root / "data/02_intermediate/stars/rejects.parquet")
    assert rejects["reason"].to_list() == ["label is not a number"] * 2
    clean = pl.read_parquet(project.root / "data/02_intermediate/stars/clean.parquet")
    assert "1e3" in clean["label"].to_list()
    assert (
        sum(
            pl.read_parquet(path).height for path in sorted((project.root / "data/03_primary/stars").glob("t*.parquet"))
        )
        < clean.height
    )
