"""A version predicts in a process of its own; the versions here are a few lines long."""

import os
from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest
import yaml

from modelmill.errors import GateError
from modelmill.registry import clean_process
from modelmill.registry.clean_process import predict_in_clean_process

MODEL = """
import os, subprocess, sys
import mlflow, pandas as pd

class Model(mlflow.pyfunc.PythonModel):
    def predict(self, context, model_input, params=None):
        texts = list(model_input["text"])
        {line}
        return pd.DataFrame({{"label": texts, "score": [float(len(texts))] * len(texts)}})

mlflow.models.set_model(Model())
"""


def model(folder: Path, line: str = "pass") -> Path:
    """A folder as MLflow logs it; its answer tells how many texts came in one call."""
    (folder / "model.py").write_text(MODEL.format(line=line))
    flavour = {"loader_module": "mlflow.pyfunc.loaders.code_model", "model_code_path": "model.py"}
    (folder / "MLmodel").write_text(yaml.safe_dump({"flavors": {"python_function": {**flavour, "config": None}}}))
    return folder


def table(texts: list[str]) -> pl.DataFrame:
    """Records that have a text."""
    return pl.DataFrame({"text": texts})


def test_all_at_once_and_singly(tmp_path: Path) -> None:
    """Answers in the order of the texts, and one time per call."""
    texts = ["b", "a", "好"]
    together = predict_in_clean_process(model(tmp_path), table(texts))
    assert together.table.to_dict(as_series=False) == {"label": texts, "score": [3.0] * 3}
    singly = predict_in_clean_process(tmp_path, table(texts), singly=True)
    assert singly.table.to_dict(as_series=False) == {"label": texts, "score": [1.0] * 3}
    assert (len(together.seconds), len(singly.seconds)) == (1, 3)
    assert singly.load_seconds > 0
    assert 20e6 < singly.peak_memory_bytes < 2e9


def test_the_process_is_clean(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No credentials, no PYTHONPATH, an empty folder, no pickles, a session of its own."""
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    line = (
        "texts = ['AWS_SECRET_ACCESS_KEY' in os.environ, str(sys.flags.isolated), os.listdir(), "
        "os.environ['MLFLOW_ALLOW_PICKLE_DESERIALIZATION'], os.getsid(0) == os.getpid()]; texts = list(map(str, texts))"
    )
    found = predict_in_clean_process(model(tmp_path, line), table(["x"] * 5)).table["label"].to_list()
    assert found == ["False", "1", "[]", "false", "True"]
    assert "AWS_SECRET_ACCESS_KEY" in os.environ


@pytest.fixture
def script(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Lets the process do something else than to load a version; {answers} is the file that it should write."""

    def write(code: str) -> None:
        path = tmp_path / "script.py"
        path.write_text(f"import json, os, subprocess, sys\n{code}\n")
        monkeypatch.setattr(clean_process, "SCRIPT", path)

    return write


def test_a_process_that_dies_tells_its_last_lines(script: Callable[[str], None]) -> None:
    """An exception by its text, a signal by its number."""
    script("print('\\n'.join(map(str, range(100))), file=sys.stderr)\n1 / 0")
    with pytest.raises(GateError, match=r"ended with 1:\n(\d+\n)+Traceback(.|\n)*division by zero$") as raised:
        predict_in_clean_process(Path("model"), table(["x"]))
    assert "\n80\n" not in raised.value.message
    script("os.kill(os.getpid(), 9)")
    with pytest.raises(GateError, match=r"ended with -9$"):
        predict_in_clean_process(Path("model"), table(["x"]))


def test_too_few_answers_are_an_error(script: Callable[[str], None]) -> None:
    """Nobody would know whose they are."""
    script("json.dump({'columns': {'label': ['x']}}, open(sys.argv[3], 'w'))")
    with pytest.raises(GateError, match="answers 2 records with 1 rows"):
        predict_in_clean_process(Path("model"), table(["x", "y"]))


def test_a_process_that_hangs_is_killed_with_all_that_it_started(tmp_path: Path, script: Callable[[str], None]) -> None:
    """Its child holds a pipe open until it is dead."""
    path = tmp_path / "fifo"
    os.mkfifo(path)
    reader = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    script(f"subprocess.run(['sh', '-c', 'echo here; exec sleep 600'], stdout=open({str(path)!r}, 'w'))")
    with pytest.raises(GateError, match=r"took more than 5 s$"):
        predict_in_clean_process(Path("model"), table(["x"]), timeout=5)
    os.set_blocking(reader, True)
    assert os.read(reader, 9) == b"here\n"
    assert os.read(reader, 9) == b""  # would wait as long as anybody could write
    os.close(reader)
