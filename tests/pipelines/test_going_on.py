"""A backbone that goes on from another one."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from modelmill.digest import tensor_digest
from modelmill.pipelines import all_pipelines
from tests.conftest import TINY_PRODUCT, Project, make_project
from tests.specs.test_resolve import loader

ADVERTS = "data/01_raw/adverts.txt"
MORE: dict[str, Any] = {
    "more": {
        "pretraining": {
            "from": "tiny",
            "whole_words": True,
            "corpus": {"sources": {"files": ADVERTS}},
            "training": {"max_steps": 5, "block_tokens": 32, "batch_blocks": 4, "precision": "bf16-mixed"},
        }
    }
}

LAYERS = """
import sys
from kedro_viz.api.rest.responses.pipelines import get_pipeline_response
from kedro_viz.server import load_and_populate_data
from pathlib import Path
load_and_populate_data(Path(sys.argv[1]))
print("LAYERS", *get_pipeline_response("__default__").layers)
"""


def chained(root: Path) -> Project:
    """The tiny project, with its product on a backbone that goes on from `tiny`."""
    project = make_project(root)
    project.declare("backbones", MORE)
    project.declare("products", {"mood": {**TINY_PRODUCT["mood"], "backbone": "more"}})
    lines = [f"this lovely box number {i} holds pages and pages 送货的速度" for i in range(200)]
    # The corpus of the second backbone repeats a record that may be held out, as does the first one's.
    review = (root / "data/01_raw/reviews/pos.txt").read_text(encoding="utf-8").splitlines()
    (root / ADVERTS).write_text("\n".join([*lines, *review]), encoding="utf-8")
    return project


@pytest.fixture
def chain(tmp_path: Path) -> Project:
    """Nothing has run in it."""
    return chained(tmp_path / "project")


def test_boxes_need_each_other_in_one_direction(chain: Project) -> None:
    """`more` reads nothing of `tiny` but its folder, and `tiny` nothing of `more`; a product's pipeline has both."""
    pipelines = all_pipelines(loader(chain).declarations)
    whole = pipelines["mood"]
    parts = {name: whole.only_nodes_with_namespaces([name]) for name in ("tiny", "more", "mood")}
    read = {
        name: {n for n in part.inputs() if not n.startswith("params:") and not n.endswith("checkpoints")}
        for name, part in parts.items()
    }
    assert read == {
        "tiny": set(),
        "more": {"tiny_backbone"},
        "mood": {"more_backbone", "more_corpus", "tiny_corpus", "mood.mlflow_run"},
    }
    assert set(pipelines["more"].nodes) == set(parts["tiny"].nodes) | set(parts["more"].nodes)
    assert len(pipelines["__default__"].nodes) == len(whole.nodes)


def test_held_out_texts_are_kept_out_of_both_corpora(chain: Project) -> None:
    """The product does not name `tiny`, but what it is tested on must not be in there."""
    for name in ("tiny", "more"):
        nodes = all_pipelines(loader(chain).declarations)[name].nodes
        held_out = next(node for node in nodes if node.name == f"{name}.data_cleaning.held_out")
        assert "params:mood.split" in held_out.inputs


def test_kedro_viz_can_order_the_layers(chain: Project) -> None:
    """It takes what leaves a box as made after what enters it; with a cycle among the layers it would show none."""
    command = [sys.executable, "-W", "ignore", "-c", LAYERS, str(chain.root)]
    done = subprocess.run(command, cwd=chain.root, capture_output=True, text=True, check=True)
    layers = done.stdout.splitlines()[-1].split()
    assert layers[:2] == ["LAYERS", "raw"]
    assert layers[-1] == "reporting"
    assert len(layers) == 9


@pytest.mark.slow
def test_a_run_from_the_first_corpus_to_a_version(tmp_path: Path) -> None:
    """Backbone, lineage, leaks and the run in MLflow know both backbones; a base made again alone is noticed."""
    from mlflow import MlflowClient

    project = chained(tmp_path / "project")
    project.kedro("run", "--pipelines", "mood")
    origin = project.json("data/06_models/more/backbone/backbone.json")["from"]
    assert origin["name"] == "tiny"
    assert origin["digest"] == tensor_digest(project.root / "data/06_models/tiny/backbone")
    assert project.json("data/08_reporting/mood/lineage.json")["backbone"]["from"] == origin
    assert project.json("data/08_reporting/mood/metrics.json")["leaks"] == {"in_training": 0, "in_backbone_corpus": 0}
    cleaning = project.json("data/08_reporting/more/cleaning.json")
    assert any(step["rejected"] for step in cleaning["steps"])
    address = f"sqlite:///{project.root}/mlflow.db"
    run = MlflowClient(address).get_run(project.json("data/08_reporting/mood/version.json")["run_id"])
    assert run.data.params["more.pretraining.from"] == "tiny"
    assert run.data.params["tiny.pretraining.training.max_steps"] == "10"
    cleaned = "--params=tiny.pretraining.corpus.cleaning.min_chars=60"
    project.kedro("run", "--namespaces", "tiny", cleaned)
    done = project.kedro("run", "--namespaces", "mood.evaluation", check=False)
    assert done.returncode == 1
    assert "the backbone was pretrained on another corpus" in done.stderr
