"""What `clean_process` starts: a file of its own that imports nothing of ours, so that the version's own code is used.

python -I predict_script.py MODEL ASKED ANSWERS [singly]: ASKED is parquet with the model's inputs, ANSWERS is written.
"""

import json
import resource
import sys
import time
from pathlib import Path

import mlflow
import pandas as pd


def main(model: str, asked: str, answers: str, singly: str = "") -> None:
    """Load a folder that MLflow logged, predict records, write columns of answers, times and the peak of the memory."""
    records = pd.read_parquet(asked)
    start = time.perf_counter()
    loaded = mlflow.pyfunc.load_model(model)
    load_seconds = time.perf_counter() - start
    tables, seconds = [], []
    for table in [records.iloc[[row]] for row in range(len(records))] if singly else [records]:
        start = time.perf_counter()
        tables.append(loaded.predict(table))
        seconds.append(time.perf_counter() - start)
    columns = pd.concat(tables).to_dict(orient="list")
    found = {"columns": columns, "load_seconds": load_seconds, "seconds": seconds, "peak_memory_bytes": peak_memory()}
    Path(answers).write_text(json.dumps(found), encoding="utf-8")


def peak_memory() -> int:
    """The most that this process has held, in bytes.

    Linux hands `ru_maxrss` of the parent on to a process that it starts; `VmHWM` (proc_pid_status(5)) begins anew.
    """
    status = Path("/proc/self/status")
    if status.is_file():
        (line,) = [line for line in status.read_text().splitlines() if line.startswith("VmHWM:")]
        return int(line.split()[1]) * 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


if __name__ == "__main__":
    main(*sys.argv[1:])
