"""From the declaration of an option to the folder that is evaluated, registered and served."""

import json
import shutil
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import polars as pl
import pytest
from safetensors.numpy import load_file
from sklearn.metrics import f1_score

from modelmill.digest import tensor_digest
from modelmill.specs.training import FineTuningSpec
from modelmill.tasks.run import fine_tune
from modelmill.tasks.text_task import TrainedTextModel
from tests.conftest import Project
from tests.tasks.asked import Asked

BASE = {"max_epochs": 2, "batch_tokens": 512, "learning_rate": 0.003, "precision": "32-true"}


def tune(project: Project, **options: Any) -> tuple[pl.DataFrame, dict[str, Any], TrainedTextModel]:
    """Fine-tune the tiny backbone."""
    spec = FineTuningSpec.model_validate(BASE | options)
    tokens, backbone = (
        project.root / "data" / name for name in ("05_model_input/mood/tokens", "06_models/tiny/backbone")
    )
    with TemporaryDirectory() as folder:
        return fine_tune(tokens, backbone, spec, Path(folder) / "work")


def saved(model: TrainedTextModel, folder: Path) -> Path:
    """The model as a folder."""
    folder.mkdir()
    model.save(folder)
    return folder


def test_adapters_leave_a_plain_folder(trained: Project, tmp_path: Path) -> None:
    """The folder has the tensors that any fine-tuning gives, adapters merged, and predicts as well as the kept epoch
    did. What was not adapted is the backbone's bit by bit."""
    _, report, model = tune(trained, lora={"rank": 2, "targets": "Wqkv"}, learning_rate=0.02)
    folder = saved(model, tmp_path / "model")
    found, plain = load_file(folder / "model.safetensors"), trained.root / "data/06_models/mood/model/model.safetensors"
    assert {name: array.shape for name, array in found.items()} == {n: a.shape for n, a in load_file(plain).items()}
    backbone = load_file(trained.root / "data/06_models/tiny/backbone/model.safetensors")
    same = {name for name in found.keys() & backbone.keys() if np.array_equal(found[name], backbone[name])}
    assert "model.embeddings.tok_embeddings.weight" in same
    assert "model.layers.0.mlp.Wi.weight" in same
    assert "model.layers.0.attn.Wqkv.weight" not in same
    validation = pl.read_parquet(trained.root / "data/03_primary/mood/validation.parquet")
    predictor = Asked(folder)
    predicted = [predictor.labels[i] for i in predictor.probabilities(validation["text"].to_list()).argmax(1)]
    assert f1_score(validation["label"], predicted, average="macro") == pytest.approx(report["best"])
    assert json.loads((folder / "product.json").read_text())["training"]["lora"]["rank"] == 2


def test_what_is_registered_is_what_was_evaluated(trained: Project, tmp_path: Path) -> None:
    """A run with adapters: folder, evaluation, version's tag and the version's own files have one digest, another one
    than the run without; the card names the adapters."""
    project = Project(tmp_path / "project")
    shutil.copytree(trained.root, project.root, ignore=shutil.ignore_patterns("mlflow.db", "mlartifacts"))
    project.kedro(
        "run",
        "--namespaces=mood.fine_tuning,mood.evaluation,mood.registration",
        "--params=mood.training.lora.rank=4,mood.training.max_epochs=1,mood.evaluation.random_start=False",
    )
    version = project.json("data/08_reporting/mood/version.json")
    digest = tensor_digest(project.root / "data/06_models/mood/model")
    assert version["digest"] == digest != trained.json("data/08_reporting/mood/version.json")["digest"]
    assert project.json("data/08_reporting/mood/metrics.json")["judged"]["model"] == digest
    registered = list((project.root / "mlartifacts").rglob("*.safetensors"))
    assert [tensor_digest(path.parent) for path in registered] == [digest]
    assert "`lora: {'rank': 4" in (project.root / "data/08_reporting/mood/model_card.md").read_text()


OPTIONS: dict[str, dict[str, Any]] = {
    "plain": {},
    "schedule": {"schedule": "one_cycle"},
    "accumulate": {"accumulate": 2},
    "class_weights": {"class_weights": {"neg": 1, "pos": 3}},
    "l1": {"l1": 0.1},
    "layer_decay": {"layer_decay": 0.7},
    "freeze": {"freeze": {"embeddings": True, "layers": "all"}},
    "lora": {"lora": {}},
    "adversarial": {"adversarial": {}},
}


@pytest.mark.parametrize("precision", ["32-true", "bf16-mixed"])
def test_every_option_makes_a_difference(trained: Project, tmp_path: Path, precision: str) -> None:
    """No declared option is left unread: each gives a model of its own, and says how many parameters it trained."""
    digests, counts = {}, {}
    for name, options in OPTIONS.items():
        _, report, model = tune(trained, **options, max_epochs=1, precision=precision)
        digests[name] = tensor_digest(saved(model, tmp_path / name))
        counts[name] = report["trained_parameters"]
    assert len(set(digests.values())) == len(OPTIONS)
    assert {name for name, count in counts.items() if count < counts["plain"]} == {"freeze", "lora"}
    assert counts["plain"] < report["parameters"]  # words that do not occur
    saving = tune(trained, gradient_checkpointing=True, max_epochs=1, precision=precision)[2]
    assert tensor_digest(saved(saving, tmp_path / "saving")) == digests["plain"]
