"""`python -m modelmill.training.agent FOLDER NODE PARENT`: torchrun for the ranks of one machine.

It lives and dies with the process that has started it, and leaves a file that says how ranks ended; what torchrun says
goes to a log.
"""

import os
import sys
from pathlib import Path

from modelmill.training.failures import SHUTDOWN, die_with, tell_ends
from modelmill.training.processes import Job
from modelmill.training.ranks import AGENT


def arguments(job: Job, folder: Path, node: int) -> list[str]:
    """For torchrun. Ranks that fail are not started again: the user decides."""
    if job.rendezvous is None:
        place = ["--standalone", "--local-addr", "127.0.0.1"]
    else:
        # With a fixed number for each machine, rank 0 is where `kedro run` is; c10d would choose by address.
        host, _, port = job.rendezvous.rpartition(":")
        place = ["--nnodes", str(job.nodes), "--node-rank", str(node), "--master-addr", host, "--master-port", port]
    from modelmill.training import worker  # not its name only: DVC reads from imports which code a stage needs

    ranks = ["--nproc-per-node", str(job.devices), "--max-restarts", "0", "--shutdown-timeout", str(SHUTDOWN)]
    return [*place, *ranks, "-m", worker.__name__, str(folder)]


def main() -> None:
    """See above."""
    folder, node, parent = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
    die_with(parent)
    os.environ[AGENT] = str(os.getpid())
    sys.stderr = (folder / f"node-{node}.log").open("w", encoding="utf-8", buffering=1)  # ranks keep the terminal
    from torch.distributed.elastic.multiprocessing.errors import ChildFailedError
    from torch.distributed.run import main as torchrun

    try:
        torchrun(arguments(Job.of(folder), folder, node))
    except ChildFailedError as error:
        tell_ends(folder, node, error.failures)
        raise SystemExit(1) from error


if __name__ == "__main__":
    main()
