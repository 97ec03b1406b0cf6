"""How much memory this process may still take."""

from collections.abc import Iterator
from pathlib import Path

import psutil

VERSIONS = {
    "0::": ("", "memory.max", "memory.current", "inactive_file"),
    "memory:": ("memory", "memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file"),
}
"""Of control groups, by what stands before a group's path: where they are, limit, use, and what of that is a cache that
gives way (docs.kernel.org, admin-guide/cgroup-v2 and cgroup-v1/memory)."""


def free_memory(root: Path = Path("/")) -> int:
    """Bytes that are free: of the machine, or of the tightest control group that the process is in."""
    return min([psutil.virtual_memory().available, *_left(root)])


def _left(root: Path) -> Iterator[int]:
    """Limit less use of each group and those that it is in; in a container the outer ones are out of sight."""
    groups = root / "proc/self/cgroup"
    for line in groups.read_text().splitlines() if groups.is_file() else ():
        for mark, (folder, limit, use, cache) in VERSIONS.items():
            _, found, path = line.partition(mark)
            top = root / "sys/fs/cgroup" / folder
            for group in (top / path.strip("/"), *(top / path.strip("/")).parents) if found else ():
                if (group / limit).is_file() and (group / limit).read_text().strip() != "max":
                    given_back = dict(line.split() for line in (group / "memory.stat").read_text().splitlines())[cache]
                    yield int((group / limit).read_text()) - int((group / use).read_text()) + int(given_back)
