"""`kedro run` on a tiny project: everything real but the size."""

import subprocess
import sys
from pathlib import Path

import polars as pl
import pytest

from tests.conftest import Project, make_project

LOAD = """
import json, sys
import mlflow, pandas as pd
mlflow.set_tracking_uri(sys.argv[1])
model = mlflow.pyfunc.load_model("models:/mood@candidate")
answer = model.predict(pd.DataFrame({"text": json.loads(sys.argv[2])}))
print("ANSWER", answer.to_json(orient="records"))
try:
    model.predict(pd.DataFrame({"words": ["x"]}))
except mlflow.exceptions.MlflowException as error:
    print("REFUSED", "text" in str(error))
"""


def tracking(project: Project) -> str:
    """The address of a project's MLflow."""
    return f"sqlite:///{project.root}/mlflow.db"


def test_a_registered_version_predicts_in_a_fresh_process(trained: Project) -> None:
    """`models:/mood@candidate` answers texts as the evaluation did, and refuses a table without texts."""
    import json

    predictions = pl.read_parquet(trained.root / "data/07_model_output/mood/predictions.parquet")
    test = pl.read_parquet(trained.root / "data/03_primary/mood/test.parquet")
    texts = json.dumps(test["text"].to_list())
    done = subprocess.run(
        [sys.executable, "-c", LOAD, tracking(trained), texts],
        capture_output=True, text=True, check=False, cwd=trained.root.parent,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]
    lines = dict(line.split(" ", 1) for line in done.stdout.splitlines() if line.startswith(("ANSWER", "REFUSED")))
    answers = json.loads(lines["ANSWER"])
    assert [answer["label"] for answer in answers] == predictions["predicted"].to_list()
    assert [answer["p_pos"] for answer in answers] == pytest.approx(predictions["p_pos"].to_list(), abs=1e-6)
    assert lines["REFUSED"] == "True"


def test_the_run_in_mlflow_holds_everything(trained: Project) -> None:
    """Resolved parameters, metrics with bounds, curves, lineage, config and evidence; the version points to it."""
    from mlflow import MlflowClient

    version = trained.json("data/08_reporting/mood/version.json")
    client = MlflowClient(tracking(trained), tracking(trained))
    run = client.get_run(version["run_id"])
    assert run.info.status == "FINISHED"
    assert run.data.params["mood.training.max_epochs"] == "4"
    assert run.data.params["mood.split.train"] == "0.8"
    assert run.data.params["tiny.pretraining.training.max_steps"] == "10"
    metrics = trained.json("data/08_reporting/mood/metrics.json")["metrics"]
    assert run.data.metrics["test/macro_f1"] == pytest.approx(metrics["macro_f1"]["value"])
    assert run.data.metrics["test/macro_f1.low"] == pytest.approx(metrics["macro_f1"]["low"])
    assert len(client.get_metric_history(version["run_id"], "train/validation_macro_f1")) >= 2
    assert run.data.tags["git_commit"] == "none"
    artifacts = {artifact.path for artifact in client.list_artifacts(version["run_id"])}
    assert {"config.yml", "model_card.md", "evaluation.json", "lineage.json", "answers_figure.html"} <= artifacts
    held = client.get_model_version_by_alias("mood", "candidate")
    assert held.run_id == version["run_id"]
    assert held.tags["digest"] == version["digest"]
    names = {run.info.run_name for run in client.search_runs([run.info.experiment_id])}
    assert names == {"mood", "tiny"}


def test_nothing_that_is_loaded_is_a_pickle(trained: Project) -> None:
    """Models are safetensors and JSON, in the project and in the registry."""
    for folder in ("data/06_models", "mlartifacts"):
        endings = {path.suffix for path in (trained.root / folder).rglob("*") if path.is_file()}
        assert ".safetensors" in endings
        assert not endings & {".pkl", ".bin", ".pt", ".ckpt", ".pickle", ".joblib"}


def test_the_tiny_model_beats_the_majority(trained: Project) -> None:
    """The path learns something: the interval of the difference to the majority label is above zero."""
    report = trained.json("data/08_reporting/mood/metrics.json")
    assert report["baselines"]["majority"]["difference"]["low"] > 0
    assert set(report["random_start"]["difference"]) == {"value", "low", "high"}
    assert report["leaks"] == {"in_training": 0, "in_backbone_corpus": 0}


def test_the_corpus_has_no_held_out_text(trained: Project) -> None:
    """The backbone was pretrained on the product's training split alone."""
    corpus = set(pl.read_parquet(trained.root / "data/02_intermediate/tiny/corpus.parquet")["text"])
    splits = {
        name: set(pl.read_parquet(trained.root / f"data/03_primary/mood/{name}.parquet")["text"])
        for name in ("train", "validation", "test")
    }
    assert corpus == splits["train"]
    assert not corpus & (splits["validation"] | splits["test"])


def test_the_model_card_is_complete(trained: Project) -> None:
    """Results, labels, comparison, gates, data, training."""
    card = (trained.root / "data/08_reporting/mood/model_card.md").read_text()
    for heading in (
        "# Mood of tiny",
        "## Results",
        "### By label",
        "## Comparison",
        "## Data",
        "## Training",
    ):
        assert heading in card
    assert "same model, random start" in card


def test_product_list_is_the_summary(trained: Project) -> None:
    """`kedro product list --json`: metric with interval, baselines, version, alias."""
    import json

    (row,) = json.loads(trained.kedro("product", "list", "--json").stdout)
    assert row["product"] == "mood"
    assert row["metric"]["low"] <= row["metric"]["value"] <= row["metric"]["high"]
    assert set(row["baselines"]) == {"majority", "linear"}
    assert (row["version"], row["alias"], row["task"]) == ("1", "candidate", "text_classification")
    table = trained.kedro("product", "list").stdout
    assert "candidate" in table
    assert "Whether results are fresh is not known: this project is not under DVC" in table
    assert "kedro viz run" in table


@pytest.mark.slow
def test_the_same_command_twice_gives_the_same_model(trained: Project, tmp_path: Path) -> None:
    """Another folder, the same declarations and seeds: same digest of the tensors, same test metrics."""
    again = make_project(tmp_path / "again")
    again.kedro("run", "--pipelines", "mood")
    first, second = (p.json("data/08_reporting/mood/version.json") for p in (trained, again))
    assert first["digest"] == second["digest"]
    reports = [p.json("data/08_reporting/mood/metrics.json") for p in (trained, again)]
    assert reports[0] == reports[1]
    lineages = [p.json("data/08_reporting/mood/lineage.json") for p in (trained, again)]
    assert lineages[0] == lineages[1]


def test_a_partial_run_without_its_inputs_is_one_message(project: Project) -> None:
    """What is missing and what makes it; no run is opened in MLflow."""
    done = project.kedro("run", "--namespaces", "tiny.tokenization,tiny.pretraining", check=False)
    assert done.returncode == 1
    assert "reads what is not there yet: tiny_corpus" in done.stderr
    assert "Traceback" not in done.stderr
    assert not (project.root / "mlflow.db").exists()


@pytest.mark.parametrize("option", ["pipelines", "namespaces"])
def test_a_misspelt_pipeline_or_namespace_is_one_message(project: Project, option: str) -> None:
    """With the names that there are, and the one that was meant."""
    done = project.kedro("run", f"--{option}", "mod", check=False)
    assert done.returncode == 2
    assert f"--{option}: 'mod' is not there; expected one of" in done.stderr
    assert "did you mean 'mood'?" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_misspelt_node_is_one_message(project: Project) -> None:
    """As a misspelt pipeline."""
    done = project.kedro("run", "--nodes", "mood.data_cleaning.clea", check=False)
    assert done.returncode == 2
    assert "--nodes: 'mood.data_cleaning.clea' is not there" in done.stderr
    assert "did you mean 'mood.data_cleaning.clean'?" in done.stderr


def test_a_failed_run_is_failed_in_mlflow_and_registers_nothing(project: Project) -> None:
    """A corpus too small for a batch: one message that names the backbone, a run marked FAILED, no version."""
    from mlflow import MlflowClient

    done = project.kedro("run", "--params=tiny.pretraining.training.batch_blocks=5000", check=False)
    assert done.returncode == 1
    assert "tiny: the corpus is too small" in done.stderr
    assert "Traceback" not in done.stderr
    client = MlflowClient(tracking(project), tracking(project))
    experiment = client.get_experiment_by_name("modelmill")
    assert experiment is not None
    runs = client.search_runs([experiment.experiment_id])
    assert {(run.info.run_name, run.info.status) for run in runs} == {("tiny", "FAILED"), ("mood", "FAILED")}
    assert not client.search_registered_models()


def test_mlflow_that_is_not_there_is_one_message(project: Project) -> None:
    """The address and the file that names it."""
    (project.root / "conf/local/mlflow.yml").write_text("tracking_uri: http://127.0.0.1:9\n")
    done = project.kedro("run", "--pipelines", "tiny", check=False)
    assert done.returncode == 8
    assert "MLflow at http://127.0.0.1:9 did not do what was asked" in done.stderr
    assert "conf/<env>/mlflow.yml" in done.stderr
    assert "Traceback" not in done.stderr
