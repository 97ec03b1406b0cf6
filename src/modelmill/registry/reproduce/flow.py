"""Build a version again, compare, and write the answer into the ledger."""

import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from modelmill.errors import ConflictError
from modelmill.registry.events import Event, Reproduced
from modelmill.registry.office import Office, Outcome, Want, act, begin, version_of
from modelmill.registry.recorded import way_to_the_model
from modelmill.registry.reproduce.environment import (
    environment_of,
    machine_differences,
    make_environment,
    package_differences,
    present_machine,
)
from modelmill.registry.reproduce.origin import Made, read_made
from modelmill.registry.reproduce.processes import Logged, Tell, sigterm_as_exit
from modelmill.registry.reproduce.rebuild import Site, rebuild
from modelmill.registry.reproduce.verdict import Answer, compare
from modelmill.registry.reproduce.worktree import bring_data, bring_sources, checked_out, dvc_hashes
from modelmill.registry.state import State
from modelmill.registry.view import Ref


@dataclass(frozen=True)
class How:
    """How a version is to be built again.

    `isolate`: with the packages of its lock file; `keep`: a folder that stays; `tolerance`: of an equivalent.
    """

    isolate: bool = False
    keep: Path | None = None
    tolerance: float = 0.01


@dataclass(frozen=True)
class Plan:
    """What would be done: the commit, the data by DVC's hash, how Kedro is asked, and what is not as it was.

    Of the machine that is what cannot be set.
    """

    version: int
    commit: str
    dirty: str
    data: dict[str, str]
    asked: dict[str, object]
    packages: list[str]
    machine: dict[str, tuple[object, object]]


@sigterm_as_exit()
def plan(office: Office, ref: Ref) -> Plan:
    """Say what would be done; nothing but a worktree is made, which goes again.

    Raises:
        NotFoundError: when there is no such version, or it does not say how it was made.
    """
    with tempfile.TemporaryDirectory() as scratch:
        made = _made(office, ref, Path(scratch))
        with checked_out(office.root, made.commit, Path(scratch) / "project", keep=False) as there:
            data = dvc_hashes(there, made.lineage["data"])
    return Plan(
        made.version, made.commit, made.lineage["code"]["git_dirty"], data, made.lineage["asked"],
        package_differences(made.lineage["packages"]),
        machine_differences(made.lineage["machine"], present_machine()),
    )  # fmt: skip


@sigterm_as_exit()
def reproduce(office: Office, ref: Ref, want: Want, how: How, tell: Tell) -> tuple[Answer, Outcome]:
    """Build a version again, and write down whether it is the same.

    Args:
        office: of the registry.
        ref: the version.
        want: who wants to know.
        how: it is built.
        tell: is told what goes on.

    Raises:
        NotFoundError: when it does not say how it was made, or its commit or data cannot be had.
        RegistryError: when its pipelines do not run through; the log is named and stays.
    """
    with tempfile.TemporaryDirectory() as scratch:
        made = _made(office, ref, Path(scratch))
    present = present_machine()
    with _home(how.keep) as home, checked_out(office.root, made.commit, home / "project", keep=bool(how.keep)) as there:
        tell(f"commit {made.commit} is checked out")
        bring_data(office.root, there, made.commit, [*dvc_hashes(there, made.lineage["data"])])
        bring_sources(office.root, there, made.own_sources)
        tell("its data are there")
        logged = Logged(_new_log(made), tell)
        environment = environment_of(there, made.lineage["machine"], present=present)
        python = Path(sys.executable)
        if how.isolate:
            python = make_environment(there, home / "environment", logged)
            environment["PYTHONPATH"] = str(there / "src")
        again = rebuild(made, Site(there, home, python, environment), logged)
        answer = compare(made, again, way_to_the_model(there, made.name), how.tolerance)
    logged.log.unlink()
    return answer, _write_down(office, made, answer, want)


def _made(office: Office, ref: Ref, scratch: Path) -> Made:
    found = begin(office, ref.name)
    return read_made(office.desk, ref.name, version_of(office, found, ref), scratch / "evidence")


@contextmanager
def _home(keep: Path | None) -> Iterator[Path]:
    """A folder for all of it, which goes again unless it is to be kept."""
    if keep is None:
        with tempfile.TemporaryDirectory(prefix="reproduce-", ignore_cleanup_errors=True) as home:
            yield Path(home)
        return
    if keep.exists() and any(keep.iterdir()):
        raise ConflictError(f"--keep: {keep} is not empty; name a folder that is not there yet")
    keep.mkdir(parents=True, exist_ok=True)
    yield keep.resolve()


def _new_log(made: Made) -> Path:
    with tempfile.NamedTemporaryFile(
        prefix=f"reproduce-{made.name}-{made.version}-", suffix=".log", delete=False
    ) as log:
        return Path(log.name)


def _write_down(office: Office, made: Made, answer: Answer, want: Want) -> Outcome:
    def decide(_: State) -> Event:
        return Reproduced(
            actor=want.by.actor, reason=want.by.reason, version=made.version, verdict=answer.verdict,
            digest=answer.digest, first=answer.first, differences=answer.differences,
        )  # fmt: skip

    return act(office, begin(office, made.name), want, decide, "")
