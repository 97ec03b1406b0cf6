"""Real kills of a real process, before and after every single write."""

from collections.abc import Iterator

import pytest

from modelmill.registry.desk import Desk
from modelmill.registry.projection import differences
from modelmill.specs.mlflow import MlflowSpec
from tests.registry.backends import processes, server, sqlite
from tests.registry.killed import KILLED, decision, do
from tests.registry.stages import add, promotion, spec_of

STAGE = {"register": "candidate", "promote": "production", "rollback": "production"}
LIVE: dict[str, tuple[int | None, int]] = {"register": (None, 1), "promote": (1, 2), "rollback": (2, 1)}
"""By verb, what the stage holds before and after."""
EVENTS = {"register": ("registered", 1), "promote": ("promoted", 3), "rollback": ("rolled_back", 1)}
"""By verb, how many events of its kind there are in the end: it happens once."""


@pytest.fixture(scope="module", params=[sqlite, pytest.param(server, marks=pytest.mark.slow)])
def desk(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    """A registry."""
    with request.param(tmp_path_factory.mktemp("registry")) as address:
        yield Desk(MlflowSpec(tracking_uri=address), spec_of())


def prepare(desk: Desk, name: str, verb: str) -> None:
    """Version 1 is in production and version 2 in staging; before a rollback version 2 came after it."""
    if verb == "register":
        desk.writer.create_model(name)
        desk.writer.add_version(name, "elsewhere://here/files", {}, "")
        return
    add(desk, 2, name)
    for version, stage in [(1, "production"), (2, "staging"), (2, "production")][: 2 if verb == "promote" else 3]:
        desk.act(name, promotion(desk.spec, version, stage))


def killed(desk: Desk, name: str, verb: str, kill: tuple[int, str]) -> bool:
    """Whether a process that does a verb was killed there; False when it was done before."""
    process = processes().Process(target=do, args=(desk.settings, desk.spec, name, verb, kill))
    process.start()
    process.join()
    assert process.exitcode in (0, KILLED)
    return process.exitcode == KILLED


@pytest.mark.parametrize("verb", ["register", "promote", "rollback"])
def test_a_kill_at_any_write(desk: Desk, verb: str) -> None:
    """The old or the new version is live, never none or another; `reconcile` mends, and running it again ends it."""
    old, new = LIVE[verb]
    lives = []
    for kill in ((at, when) for at in range(1, 20) for when in ("before", "after")):
        name = f"{verb}-{kill[0]}-{kill[1]}"
        prepare(desk, name, verb)
        if not killed(desk, name, verb, kill):
            break
        lives.append(desk.reader.aliases(name).get(STAGE[verb]))
        desk.act(name, lambda _: None, actor="ann")
        chain = desk.ledger(name).read()
        assert chain.marked == (f"{chain.events[-1].seq} {chain.head}" if chain.events else "")
        assert differences(name, chain, desk.reader, desk.spec) == {}
        assert desk.reader.aliases(name).get(STAGE[verb]) in (old, new)
        desk.act(name, decision(verb, desk.spec))
        assert desk.state(name).holder(STAGE[verb]) == desk.reader.aliases(name)[STAGE[verb]] == new
        assert [event.kind for event in desk.ledger(name).read().events].count(EVENTS[verb][0]) == EVENTS[verb][1]
    print(f"{verb}: {len(lives)} kills, alive afterwards {lives}")
    assert set(lives) == {old, new}
    assert lives == sorted(lives, key=lambda live: live == new)  # the old one, and from some write on the new one
