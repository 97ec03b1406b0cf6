"""kedro-viz, looked at in a real browser."""

import json
import os
import shutil
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
def address(trained: Project) -> Iterator[str]:
    """A running `kedro viz run` of the trained project."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [sys.executable, "-m", "kedro", "viz", "run", "--no-browser", "--port", str(port)]
    environment = {**os.environ, "DO_NOT_TRACK": "1"}
    server = subprocess.Popen(
        command, cwd=trained.root, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    )
    url = f"http://127.0.0.1:{port}"
    try:
        for _ in range(120):
            try:
                urllib.request.urlopen(f"{url}/api/main", timeout=5).read()
                break
            except (urllib.error.URLError, OSError):
                assert server.poll() is None, server.stdout and server.stdout.read().decode()
                time.sleep(0.5)
        yield url
    finally:
        server.terminate()
        server.wait(20)


def get(url: str) -> Any:
    """JSON of an address."""
    return json.loads(urllib.request.urlopen(url, timeout=60).read())


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
    assert "Mood" in closed
    assert "Tiny" in closed
    assert "pipeline-node__text" in closed
    assert "Fine Tune" not in closed
    opened = page(f"{address}/?pid=__default__&expandAllPipelines=true", str(tmp_path_factory.mktemp("profile")))
    for name in ("Data Cleaning", "Fine Tuning", "Evaluation", "Registration", "Fine Tune", "Ingest"):
        assert name in opened


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
        "mood.confusion_matrix": "PlotlyPreview",
        "mood.model": "JSONPreview",
    }
    for name, kind in kinds.items():
        shown = get(f"{address}/api/nodes/{nodes[name]}")
        assert shown["preview_type"] == kind, name
        assert shown["preview"], name
