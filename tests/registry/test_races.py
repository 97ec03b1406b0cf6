"""Processes that promote different versions at once: one wins, and everybody knows."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

import pytest

from modelmill.registry.desk import Desk
from modelmill.registry.projection import differences
from modelmill.specs.mlflow import MlflowSpec
from tests.registry.backends import postgres, server, sqlite
from tests.registry.racers import racers
from tests.registry.stages import add, spec_of

Backend = Callable[[Path], AbstractContextManager[str]]


def run_races(address: str, processes: int, rounds: int) -> int:
    """Check every round; how many entries of the ledger lost a race."""
    desk = Desk(MlflowSpec(tracking_uri=address), spec_of())
    add(desk, processes + 1)
    with racers(desk, processes) as one_round:
        for number in range(1, rounds + 1):
            held = desk.state("mood").holder("production")
            versions = [version for version in range(1, processes + 2) if version != (held or processes + 1)]
            answers = one_round(versions, held)
            assert sorted(kind for kind, _ in answers) == ["ConflictError"] * (processes - 1) + ["won"], answers
            winner = next(version for kind, version in answers if kind == "won")
            chain = desk.ledger("mood").inspect()
            assert not chain.problems
            assert len(chain.events) == processes + 1 + number
            assert desk.reader.aliases("mood")["production"] == winner == desk.state("mood").holder("production")
            assert differences("mood", chain, desk.reader, desk.spec) == {}
    return chain.next - 1 - len(chain.events)


def test_a_race_of_a_few(tmp_path: Path) -> None:
    """Four processes, three rounds: one wins each, three are told of a conflict, and the aliases are right."""
    with sqlite(tmp_path) as address:
        run_races(address, 4, 3)


@pytest.mark.slow
@pytest.mark.parametrize("backend", [sqlite, postgres, server])
def test_sixteen_processes_promote_at_once(tmp_path: Path, backend: Backend) -> None:
    """Fifty rounds: exactly one winner each, and the others leave at most entries that count for nothing."""
    with backend(tmp_path) as address:
        print(f"{backend.__name__}: {run_races(address, 16, 50)} entries lost a race")
