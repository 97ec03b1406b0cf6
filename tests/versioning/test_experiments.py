"""An experiment of DVC: its figures are the same wherever they are read, and it can be registered."""

import json
import re
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from tests.versioning.conftest import Versioned

METRICS, CURVES = "data/08_reporting/mood/metrics.json", "data/08_reporting/mood/curves.csv"


def asked(project: Versioned, *arguments: str) -> Any:
    """What a dvc command answers with --json."""
    return json.loads(project.dvc(*arguments, "--json").stdout)


def shown(project: Versioned, ref: str) -> Any:
    """What `kedro model show` answers, whose figures are those of the run in MLflow."""
    return json.loads(project.kedro("model", "show", ref, "--json").stdout)


def check_figures(project: Versioned) -> None:
    """DVC, MLflow and the model card say the same of the experiment in the working tree and of HEAD."""
    before, tried = (shown(project, f"mood@{number}")["metrics"] for number in (1, 2))
    moved = asked(project, "metrics", "diff", "--all")[METRICS]
    card = (project.root / "data/08_reporting/mood/model_card.md").read_text(encoding="utf-8")
    for metric, figure in tried.items():
        for bound, value in figure.items():
            pair = moved[f"metrics.{metric}.{bound}"]
            assert (pair["old"], pair["new"]) == (before[metric][bound], value)
        if metric != "calibration_error":
            assert re.search(rf"\| {metric} \| {figure['value']:.3f} \[", card)
    (workspace, baseline) = asked(project, "exp", "show")
    (experiment,) = (one["revs"][0] for one in baseline["experiments"])
    assert workspace["rev"] == "workspace"
    assert experiment["name"] == "short"
    value = experiment["data"]["metrics"][METRICS]["data"]["metrics"]["macro_f1"]["value"]
    assert value == tried["macro_f1"]["value"]


def check_plots(project: Versioned) -> None:
    """Every point of both curves is drawn, in a row of its own for each curve."""
    (plot,) = asked(project, "plots", "diff", "--targets", CURVES)["data"][CURVES]
    drawn = plot["content"] if isinstance(plot["content"], dict) else json.loads(plot["content"])
    assert drawn["facet"]["row"]["field"] == "name"
    assert (drawn["spec"]["encoding"]["x"]["field"], drawn["spec"]["encoding"]["y"]["field"]) == ("step", "value")
    points = pl.DataFrame(drawn["data"]["values"])
    tried = points.filter(rev="workspace").select("name", pl.col("step").cast(int), pl.col("value").cast(float))
    assert tried.sort(tried.columns).equals(pl.read_csv(project.root / CURVES).sort(tried.columns))
    assert points.filter(rev="HEAD").height > tried.height


@pytest.mark.slow
def test_an_experiment_is_compared_and_registered(committed: Versioned, tmp_path: Path) -> None:
    """A changed declaration runs what follows from it; applied and committed, it is registered from a clean tree."""
    project = committed.copy(tmp_path / "project")
    project.dvc(
        "exp", "run", "--name", "short", "--set-param", "conf/base/products/mood.yml:mood.training.max_epochs=1"
    )
    changed = asked(project, "params", "diff")["params/mood/fine_tuning.yaml"]
    assert changed == {"parameters.mood.training.max_epochs": {"old": 2, "new": 1, "diff": -1}}
    check_figures(project)
    check_plots(project)
    code = project.json("data/08_reporting/mood/lineage.json")["code"]
    head = project.git("rev-parse", "HEAD").strip()
    assert (code["git_commit"], code["git_dirty"]) == (head, "true")
    assert (code["dvc_experiment"], code["dvc_baseline"]) == ("short", head)

    project.dvc("plots", "diff")
    project.git("checkout", "--quiet", ".")
    project.dvc("checkout", "--quiet")
    project.dvc("exp", "apply", "short")
    project.commit("one epoch")
    project.kedro("run", "--namespaces", "mood.registration", "--force")
    code = project.json("data/08_reporting/mood/lineage.json")["code"]
    assert (code["git_commit"], code["git_dirty"]) == (project.git("rev-parse", "HEAD").strip(), "false")
    assert "dvc_experiment" not in code
    tried, clean = (shown(project, f"mood@{number}") for number in (2, 3))
    assert clean["digest"] == tried["digest"]
    assert clean["metrics"] == tried["metrics"]
    assert clean["data"] == tried["data"]
