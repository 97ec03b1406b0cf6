"""kedro-viz, looked at in a real browser."""

import json
import os
import random
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from typing import Any

import pytest

from tests.conftest import Project

pytestmark = pytest.mark.slow
CHROMIUM = shutil.which("chromium") or "/usr/bin/chromium"
QUIET = ["--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking"]


@pytest.fixture(scope="module")
def address(trained: Project, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A running `kedro viz run` of the trained project."""
    port = free_port()
    command = [sys.executable, "-m", "kedro", "viz", "run", "--no-browser", "--port", str(port)]
    environment = {**os.environ, "DO_NOT_TRACK": "1"}
    url = f"http://127.0.0.1:{port}"
    # The command and the server that it starts are one process group.
    with (
        (tmp_path_factory.mktemp("viz") / "log").open("w") as log,
        subprocess.Popen(
            command, cwd=trained.root, env=environment, stdout=log, stderr=log, start_new_session=True
        ) as launcher,
    ):
        try:
            wait_for(f"{url}/api/main")
            yield url
        finally:
            os.killpg(launcher.pid, signal.SIGTERM)


def free_port() -> int:
    """A port that nothing listens on; kedro-viz takes none above 49151, where the system would pick one."""
    while True:
        port = random.randrange(20_000, 49_000)
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) != 0:
                return port


def wait_for(url: str) -> None:
    """Until the server answers, at most a minute."""
    for _ in range(120):
        try:
            with urllib.request.urlopen(url, timeout=5):
                return
        except (urllib.error.URLError, OSError):
            time.sleep(0.5)
    raise AssertionError("kedro viz did not answer within a minute")


def get(url: str) -> Any:
    """JSON of an address."""
    with urllib.request.urlopen(url, timeout=60) as answer:
        return json.loads(answer.read())


def texts(html: str) -> set[str]:
    """What stands between the tags."""
    return {text.strip() for text in re.findall(r">([^<>]+)<", html)}


def page(url: str, folder: str) -> str:
    """The page's text after its scripts have run."""
    profile = f"--user-data-dir={folder}"
    done = subprocess.run(
        [CHROMIUM, *QUIET, profile, "--virtual-time-budget=20000", "--window-size=1600,1000", "--dump-dom", url],
        capture_output=True, text=True, check=True, timeout=120,
    )  # fmt: skip
    return done.stdout


def test_a_product_is_a_box_that_opens(address: str, tmp_path_factory: pytest.TempPathFactory) -> None:
    """Closed, the page shows `mood` and `tiny` and none of their nodes; opened, it shows pipelines and nodes."""
    closed = page(address, str(tmp_path_factory.mktemp("profile")))
    assert {"mood", "tiny"} <= texts(closed)
    assert "fine_tune" not in texts(closed)
    opened = page(f"{address}/?pid=__default__&expandAllPipelines=true", str(tmp_path_factory.mktemp("profile")))
    stages = {"data_cleaning", "augmentation", "tokenization", "fine_tuning", "evaluation", "registration"}
    assert {f"mood.{stage}" for stage in stages} <= texts(opened)
    assert {"ingest", "fine_tune", "write_model_card", "register"} <= texts(opened)


def test_layers_can_be_ordered(address: str) -> None:
    """kedro-viz shows Kedro's layers from raw to reporting; with a cycle among them it would show none."""
    layers = get(f"{address}/api/main")["layers"]
    assert layers[0] == "raw"
    assert layers[-1] == "reporting"
    assert len(layers) == 8


def test_previews_are_served(address: str) -> None:
    """Tables, JSON and plots have previews."""
    nodes = {node["name"]: node["id"] for node in get(f"{address}/api/main")["nodes"] if node["type"] == "data"}
    kinds = {
        "mood.rejects": "TablePreview",
        "mood.metrics": "JSONPreview",
        "mood.answers_figure": "PlotlyPreview",
        "mood.model": "JSONPreview",
    }
    for name, kind in kinds.items():
        shown = get(f"{address}/api/nodes/{nodes[name]}")
        assert shown["preview_type"] == kind, name
        assert shown["preview"], name
