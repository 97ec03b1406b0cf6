"""`python -m modelmill.training.worker FOLDER`: one rank of a training, started by torchrun."""

import json
import logging
import os
import sys
from importlib import import_module
from pathlib import Path
from typing import get_type_hints

from modelmill.files import written_aside
from modelmill.training.failures import die_with, log_of, tell
from modelmill.training.processes import CURVES, MODEL, REPORT, RESULT, Job, Made
from modelmill.training.ranks import AGENT, World


def configure_logging(folder: Path, rank: int) -> None:
    """Rank 0 has the terminal; of the others it gets warnings and errors, with their rank, and a log the rest."""
    if rank == 0:
        logging.basicConfig(format="%(asctime)s %(levelname)s %(message)s", datefmt="%H:%M:%S")
        logging.getLogger("modelmill").setLevel(logging.INFO)
        return
    terminal = os.fdopen(os.dup(2), "w", buffering=1)
    log = os.open(log_of(folder, rank), os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    os.dup2(log, 1)
    os.dup2(log, 2)
    logging.basicConfig(stream=terminal, format=f"rank {rank}: %(levelname)s %(message)s")
    logging.captureWarnings(True)


def run(job: Job) -> Made:
    """Join the other ranks, and do what the job says."""
    from modelmill.training.ranks_module import init_process_group

    module, _, name = job.function.partition(":")
    train = getattr(import_module(module), name)
    spec = get_type_hints(train)["spec"].model_validate(job.spec)
    init_process_group()
    made: Made = train(job.data, job.start, spec, job.checkpoints)
    return made


def save(made: Made, final: Path) -> None:
    """Write curves, report and model aside; the folder takes its name when it is complete."""
    curves, report, trained = made
    with written_aside(final) as part:
        (part / MODEL).mkdir(parents=True)
        curves.write_parquet(part / CURVES)
        (part / REPORT).write_text(json.dumps(report), encoding="utf-8")
        trained.save(part / MODEL)


def main() -> None:
    """See above."""
    die_with(int(os.environ[AGENT]))
    folder, rank = Path(sys.argv[1]), World.here().rank
    configure_logging(folder, rank)
    try:
        made = run(Job.of(folder))
        if rank == 0:
            save(made, folder / RESULT)
    except Exception as error:
        tell(folder, rank, error)
        os._exit(1)  # at once: tidying up would wait for the other ranks
    from torch.distributed import destroy_process_group

    destroy_process_group()


if __name__ == "__main__":
    main()
