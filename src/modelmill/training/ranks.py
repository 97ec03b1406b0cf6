"""Which of the processes of a training this one is."""

import os
from dataclasses import dataclass

AGENT = "MODELMILL_AGENT"
"""Environment of a rank: the process that has started it. Nothing else makes a process a rank: other launchers set
RANK, too."""


@dataclass(frozen=True)
class World:
    """The rank of a process, and how many there are; a training in one process is rank 0 of 1."""

    rank: int = 0
    size: int = 1

    @classmethod
    def here(cls) -> "World":
        """As torchrun says in the environment."""
        return cls(int(os.environ["RANK"]), int(os.environ["WORLD_SIZE"])) if is_rank() else cls()


def is_rank() -> bool:
    """Whether this process has been started for a training by another one."""
    return AGENT in os.environ
