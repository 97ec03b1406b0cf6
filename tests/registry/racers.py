"""Processes that all promote at once."""

from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing.connection import Connection
from multiprocessing.synchronize import Barrier
from typing import Any

from modelmill.errors import UserError
from modelmill.registry.desk import Desk
from modelmill.registry.verbs import promote
from modelmill.specs.mlflow import MlflowSpec
from modelmill.specs.registry import RegistrySpec
from tests.registry.backends import processes
from tests.registry.stages import by, judged


def race(settings: MlflowSpec, spec: RegistrySpec, start: Barrier, pipe: Connection) -> None:
    """What a process does: promote the version that it is told, against the incumbent that it is told."""
    desk = Desk(settings, spec)
    desk.writer.create_model("warm-up")
    while (told := pipe.recv()) is not None:
        version, incumbent = told
        start.wait()
        try:
            done = desk.act(
                "mood",
                lambda state, version=version, incumbent=incumbent: promote(
                    state, spec, judged(state, version, incumbent=incumbent), by(str(version)), "any", lambda *_: False
                ),
            )
            pipe.send(("won", version) if done.event else ("was there", version))
        except UserError as error:
            pipe.send((type(error).__name__, str(error.message)))


@contextmanager
def racers(desk: Desk, count: int) -> Iterator[Any]:
    """Processes that wait; call the answer with the versions and the incumbent for one round."""
    context = processes()
    start, pipes, running = context.Barrier(count), [], []
    for _ in range(count):
        ours, theirs = context.Pipe()
        running.append(context.Process(target=race, args=(desk.settings, desk.spec, start, theirs)))
        running[-1].start()
        pipes.append(ours)

    def one_round(versions: list[int], incumbent: int | None) -> list[tuple[str, Any]]:
        for pipe, version in zip(pipes, versions, strict=True):
            pipe.send((version, incumbent))
        return [pipe.recv() for pipe in pipes]

    try:
        yield one_round
    finally:
        for pipe in pipes:
            pipe.send(None)
        for process in running:
            process.join(20)
            process.kill()
