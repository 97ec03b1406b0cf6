"""`python -m modelmill.training.join JOB_FILE`: this machine takes part in a training that another one has begun."""

import os
import sys
from pathlib import Path

from modelmill.errors import UserError
from modelmill.training.processes import JOB, Job, run_node


def join(folder: Path) -> None:
    """Run the ranks of the next machine of a job.

    Raises:
        UserError: when there is no such job, or it has all its machines, or as `run_node`.
    """
    if not (folder / JOB).is_file():
        raise UserError(f"there is no {folder / JOB}: start `kedro run` first; its folder must be on a shared disk.")
    job = Job.of(folder)
    run_node(folder, job, _next_node_rank(folder, job.nodes))


def _next_node_rank(folder: Path, nodes: int) -> int:
    """The lowest number that no other machine has taken; a file that is there already cannot be made."""
    for node in range(1, nodes):
        try:
            os.close(os.open(folder / f"node-{node}", os.O_CREAT | os.O_EXCL))
        except FileExistsError:
            continue
        return node
    raise UserError(f"this training has all its {nodes} machines. Start it again to begin anew.")


if __name__ == "__main__":
    try:
        join(Path(sys.argv[1]).absolute().parent)
    except UserError as error:
        sys.exit(f"Error: {error.format_message()}")
