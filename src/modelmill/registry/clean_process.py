"""A version predicts in a process of its own: nothing of ours is in it, and nothing of its own gets into ours."""

import json
import os
import signal
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from modelmill.errors import GateError

SCRIPT = Path(__file__).with_name("predict_script.py")
PASSED_ON = (
    "CUDA_VISIBLE_DEVICES", "LANG", "LC_ALL", "LD_LIBRARY_PATH", "MKL_NUM_THREADS", "OMP_NUM_THREADS", "PATH",
)  # fmt: skip
"""Variables that the process gets; credentials are none of a model's business."""
SHOWN = 15


@dataclass(frozen=True)
class Answers:
    """What a version answered: the columns of its kind of task, rows in the order of the records.

    `load_seconds` is from the call to the loaded model, MLflow's own import left out; `seconds` of each call: one for
    all records, or one per record; `peak_memory_bytes` of the whole process.
    """

    table: pl.DataFrame
    load_seconds: float
    seconds: list[float]
    peak_memory_bytes: int


def predict_in_clean_process(
    model: Path, records: pl.DataFrame, *, singly: bool = False, timeout: float = 600
) -> Answers:
    """Load a version and let it predict, in a new process with an empty folder and hardly any environment.

    The packages are those that are installed here; the code of ours is the version's own. Pickles are not loaded.

    Args:
        model: the folder that MLflow logged.
        records: at least one, with the columns that the model reads.
        singly: one call per record, to see how long each takes.
        timeout: in seconds, for everything.

    Raises:
        GateError: when the process fails, with its last lines, or takes too long.
    """
    assert records.height, "no records"
    with tempfile.TemporaryDirectory() as exchange, tempfile.TemporaryDirectory() as empty:
        asked, answers, said = (Path(exchange) / name for name in ("asked.parquet", "answers.json", "stderr"))
        records.write_parquet(asked)
        command = [sys.executable, "-I", "-B", str(SCRIPT), str(model.absolute()), str(asked), str(answers)]
        command += ["singly"] if singly else []
        with said.open("wb") as stderr:
            code = _run(command, Path(empty), stderr.fileno(), timeout)
        if code != 0:
            lines = "\n".join(said.read_text(encoding="utf-8", errors="replace").splitlines()[-SHOWN:])
            why = f"took more than {timeout:g} s" if code is None else f"ended with {code}"
            raise GateError(f"the process that loads the version and predicts {why}:\n{lines}".rstrip(":\n"))
        found = json.loads(answers.read_text(encoding="utf-8"))
    table = pl.DataFrame(found.pop("columns"))
    if table.height != records.height:
        raise GateError(f"the version answers {records.height} records with {table.height} rows")
    return Answers(table, **found)


def _run(command: list[str], folder: Path, stderr: int, timeout: float) -> int | None:
    """The exit status; None when the process, and all that it started, had to be killed."""
    environment = {name: os.environ[name] for name in PASSED_ON if name in os.environ} | {
        "HOME": str(folder),
        "HF_HUB_OFFLINE": "1",
        "MLFLOW_ALLOW_PICKLE_DESERIALIZATION": "false",
        "MLFLOW_DISABLE_TELEMETRY": "true",
    }
    process = subprocess.Popen(
        command, cwd=folder, env=environment, start_new_session=True,
        stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=stderr,
    )  # fmt: skip
    try:
        return process.wait(timeout)
    except subprocess.TimeoutExpired:
        return None
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
