"""A run that is broken off counts for nothing, and the next one goes on where it was."""

import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.versioning.conftest import Versioned, make_versioned, ran

CLEANING = "mood.data_cleaning"


def broken_off(project: Versioned, after: str, how: signal.Signals, *arguments: str) -> str:
    """Start a run, and send a signal to all its processes once a node has completed; what it had logged until then."""
    lines: list[str] = []
    with subprocess.Popen(
        [sys.executable, "-u", "-m", "kedro", "run", *arguments], cwd=project.root, env=project.environment,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, start_new_session=True,
    ) as process:  # fmt: skip
        assert process.stdout is not None
        for line in process.stdout:
            lines.append(line)
            if f"Completed node: {after}" in line:
                os.killpg(process.pid, how)
    assert process.returncode != 0, "".join(lines)
    return "".join(lines)


def noted(project: Versioned) -> dict[str, Any]:
    """Stages in dvc.lock."""
    path = project.root / "dvc.lock"
    return dict(yaml.safe_load(path.read_text(encoding="utf-8"))["stages"]) if path.is_file() else {}


def finished(project: Versioned, stage: str) -> set[str]:
    """Nodes in the journal of a stage."""
    path = project.root / ".dvc/tmp/modelmill" / f"{stage}.json"
    return set(json.loads(path.read_text(encoding="utf-8"))["nodes"]) if path.is_file() else set()


def gone_on(done: subprocess.CompletedProcess[str]) -> set[str]:
    """Nodes that a run left out because they had finished."""
    return set(re.findall(r"(\S+): finished in a run that was broken off, skipped", done.stdout + done.stderr))


def results(project: Versioned, stage: str) -> dict[str, str]:
    """Hashes of what a stage made, by path."""
    return {out["path"]: out["md5"] for out in noted(project)[stage]["outs"]}


def slow_split(project: Versioned) -> None:
    """The node after `clean` takes long enough for a signal to find the stage unfinished."""
    path = project.root / "src/modelmill/cleaning/split.py"
    text = path.read_text(encoding="utf-8")
    head, body = text.split("def split_records(", 1)
    start = body.index('"""', body.index('"""') + 3) + 3
    path.write_text(f"{head}def split_records({body[:start]}\n    __import__('time').sleep(3){body[start:]}")


@pytest.fixture
def slow(tmp_path: Path) -> Versioned:
    """A project that nothing has run in, with a slow split."""
    project = make_versioned(tmp_path / "project")
    slow_split(project)
    return project


@pytest.mark.slow
def test_a_killed_stage_is_not_done_and_goes_on(slow: Versioned, committed: Versioned) -> None:
    """Killed by SIGKILL between two nodes: dvc.lock knows nothing of the stage; the next run skips exactly the nodes
    that had finished, and makes what an undisturbed run makes.
    """
    broken_off(slow, f"{CLEANING}.clean", signal.SIGKILL, "--namespaces", CLEANING)
    assert "mood-data_cleaning" not in noted(slow)
    before = finished(slow, "mood-data_cleaning")
    assert before >= {f"{CLEANING}.ingest"}
    assert f"{CLEANING}.split" not in before
    assert gone_on(slow.kedro("run", "--namespaces", CLEANING)) == before
    assert results(slow, "mood-data_cleaning") == results(committed, "mood-data_cleaning")
    assert finished(slow, "mood-data_cleaning") == set()


@pytest.mark.slow
def test_kills_all_along_a_run_change_nothing(tmp_path: Path, committed: Versioned) -> None:
    """Killed after the tokenizer, the pretraining, the fine-tuning and a prediction, and gone on with each time: the
    version and the figures are those of an undisturbed run.
    """
    project = make_versioned(tmp_path / "project")
    for node, stage in {
        "tiny.tokenization.train_tokenizer": "tiny-tokenization",
        "tiny.pretraining.pretrain": "tiny-pretraining",
        "mood.fine_tuning.fine_tune": "mood-fine_tuning",
        "mood.evaluation.predict": "mood-evaluation",
    }.items():
        broken_off(project, node, signal.SIGKILL)
        assert stage not in noted(project)
        status = json.loads(project.kedro("dvc", "status", "--json").stdout)["stages"]
        assert {row["status"] for row in status if row["stage"] == stage} == {"never run"}
    last = finished(project, "mood-evaluation")
    assert gone_on(project.kedro("run")) == last
    for report in ("version.json", "metrics.json"):
        path = f"data/08_reporting/mood/{report}"
        mine, theirs = project.json(path), committed.json(path)
        if report == "version.json":
            mine, theirs = mine["digest"], theirs["digest"]
        assert mine == theirs
    assert ran(project.kedro("run"))[0] == set()


@pytest.mark.slow
def test_ctrl_c_is_no_end(slow: Versioned) -> None:
    """SIGINT between two nodes: not noted as done, and the next run goes on."""
    broken_off(slow, f"{CLEANING}.clean", signal.SIGINT, "--namespaces", CLEANING)
    assert "mood-data_cleaning" not in noted(slow)
    before = finished(slow, "mood-data_cleaning")
    assert gone_on(slow.kedro("run", "--namespaces", CLEANING)) == before


@pytest.mark.slow
def test_a_node_that_raises_leaves_its_stage_undone(committed: Versioned, tmp_path: Path) -> None:
    """A contract that the records break: the stage keeps what dvc.lock knew, and stays stale."""
    project = committed.copy(tmp_path / "project")
    before = noted(project)
    product = project.yaml("conf/base/products/mood.yml")
    product["mood"]["contract"] = {"min_per_label": 5000}
    project.declare("products", product)
    done = project.kedro("run", "--namespaces", CLEANING, check=False)
    assert done.returncode == 1
    assert noted(project)["mood-data_cleaning"] == before["mood-data_cleaning"]
    status = json.loads(project.kedro("dvc", "status", "mood", "--json").stdout)["stages"]
    assert status[0] | {"changes": []} == {
        "stage": "mood-data_cleaning", "status": "stale", "changes": [], "waits_for": [], "missing": None,
    }  # fmt: skip


@pytest.mark.slow
def test_a_part_of_a_stage_is_not_the_stage(committed: Versioned, tmp_path: Path) -> None:
    """`--nodes ONE` runs it, does not count, and says so; it warns when it reads what is stale."""
    project = committed.copy(tmp_path / "project")
    product = project.yaml("conf/base/products/mood.yml")
    product["mood"]["training"]["seed"] = 1
    project.declare("products", product)
    before = noted(project)
    done = project.kedro("run", "--nodes", "mood.evaluation.predict")
    told = done.stdout + done.stderr
    assert "mood-evaluation: only a part was asked for, so it does not count as done" in told
    assert "mood-fine_tuning is stale and not run; what it made is read as it is" in told
    assert noted(project)["mood-evaluation"] == before["mood-evaluation"]


@pytest.mark.slow
def test_what_changes_while_a_stage_runs_is_not_taken_for_what_it_ran_from(
    committed: Versioned, tmp_path: Path
) -> None:
    """Code is edited while a stage runs: the stage is not noted, and says so; nothing brings its results back later."""
    project = committed.copy(tmp_path / "project")
    product = project.yaml("conf/base/products/mood.yml")
    product["mood"]["evaluation"]["seed"] = 5
    project.declare("products", product)
    before = noted(project)["mood-evaluation"]
    report = project.root / "src/modelmill/evaluation/report.py"
    with subprocess.Popen(
        [sys.executable, "-u", "-m", "kedro", "run"], cwd=project.root, env=project.environment,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
    ) as process:  # fmt: skip
        assert process.stdout is not None
        lines = []
        for line in process.stdout:
            lines.append(line)
            if "Completed node: mood.evaluation." in line and "# edited" not in report.read_text():
                report.write_text(report.read_text() + "# edited\n")
    assert "mood-evaluation: src/modelmill/evaluation/report.py changed while it ran" in "".join(lines)
    assert noted(project)["mood-evaluation"] == before
    assert "mood-evaluation" in ran(project.kedro("run"))[0]


def test_another_runner_is_refused(committed: Versioned) -> None:
    """It would note nothing, and lineage would name the data of the run before."""
    done = committed.kedro("run", "--runner", "SequentialRunner", check=False)
    assert done.returncode == 1
    assert "Leave --runner out" in done.stderr
