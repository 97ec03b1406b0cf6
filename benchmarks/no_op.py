"""How long it takes to find out that nothing has changed, beside a run of Kedro that does nothing.

The sides are `kedro run` of a whole project, whose stages are all skipped, and `dvc repro` of those that have their
data (as `make repro`), which are all up to date; the peer is `kedro run` of one node that does nothing. Goals: under
5 s and under 3 s, byte-compiled. The project is this one where nothing is stale, or else the tiny one of the tests
after a run.
"""

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
sys.path.insert(1, str(Path(__file__).parents[1]))
from _common import alternating, ratios, spread, write_result
from start_up import bare_project

from tests.versioning.conftest import Versioned, make_versioned

ROOT = Path(__file__).parents[1]
NOTHING = """from kedro.pipeline import Node, Pipeline

def one():
    return 1

def register_pipelines():
    return {"__default__": Pipeline([Node(one, None, "one")])}
"""
GOALS = {"kedro run": 5.0, "dvc repro": 3.0}


def is_fresh(project: Versioned) -> bool:
    """Whether every stage of a project that has its data is as it was when it ran."""
    status = project.kedro("dvc", "status", "--json", check=False)
    found = {row["status"] for row in json.loads(status.stdout)["stages"]} if status.returncode == 0 else set()
    return "fresh" in found and found <= {"fresh", "data missing"}


def idle_project(folder: Path) -> tuple[str, Versioned]:
    """A project in which nothing is to be done, and which one it is."""
    demo = Versioned(ROOT)
    if (ROOT / "dvc.lock").is_file() and is_fresh(demo):
        return "demo", demo
    tiny = make_versioned(folder)
    tiny.kedro("run")
    return "tiny", tiny


def nothing_in(folder: Path) -> None:
    """`kedro run` of one node."""
    subprocess.run([sys.executable, "-m", "kedro", "run"], cwd=folder, capture_output=True, check=True)


def main() -> None:
    """Time the sides."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="3 rounds instead of 10")
    rounds = 3 if parser.parse_args().quick else 10
    with tempfile.TemporaryDirectory() as temporary:
        bare = bare_project(Path(temporary) / "bare")
        (bare / "src/bare/pipeline_registry.py").write_text(NOTHING)
        (bare / "conf/base/catalog.yml").write_text("{}")
        which, project = idle_project(Path(temporary) / "tiny")
        assert " runs: " not in project.kedro("run").stdout, "nothing is to be done"
        stages = project.kedro("dvc", "status", "--runnable").stdout.split()
        seconds = alternating(
            {
                "bare Kedro": lambda: nothing_in(bare),
                "kedro run": lambda: project.kedro("run"),
                "dvc repro": lambda: project.dvc("repro", *stages),
            },
            rounds,
        )
    for name, values in seconds.items():
        goal = f"   goal: under {GOALS[name]:.0f} s" if name in GOALS else ""
        print(f"{name:<32} {spread(values)['median']:8.2f} s   [{min(values):.2f}, {max(values):.2f}]{goal}")
    peer, *ours = seconds.values()
    names = ("kedro_run_no_op", "dvc_repro_no_op")
    found = {f"{name}_vs_bare_kedro": ratios(peer, side) for name, side in zip(names, ours, strict=True)}
    sizes = {"project": which, "rounds": rounds, "seconds": {name: spread(values) for name, values in seconds.items()}}
    write_result("no_op", sizes, found, ["kedro", "dvc"])


if __name__ == "__main__":
    main()
