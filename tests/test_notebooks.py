"""The notebooks run as they stand."""

import nbformat
import pytest
from nbclient import NotebookClient

from tests.conftest import ROOT, Project


# jupyter_client 8 asks for a path in a way that Python marks as outdated; not ours to mend.
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_explore_product(trained: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    """It shows the rejects, the curves and the errors of a trained product, without an error of its own."""
    monkeypatch.setenv("PRODUCT", "mood")
    monkeypatch.setenv("DO_NOT_TRACK", "1")
    notebook = nbformat.read(ROOT / "notebooks/explore_product.ipynb", as_version=4)
    NotebookClient(notebook, timeout=120, resources={"metadata": {"path": str(trained.root)}}).execute()
    shown = str([cell.get("outputs") for cell in notebook.cells])
    assert "contradictions" in shown
    assert "validation macro f1" in shown
    items = trained.json("data/08_reporting/mood/metrics.json")["items"]
    assert f"of {items} test records" in shown
