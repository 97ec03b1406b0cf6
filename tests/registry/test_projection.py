"""Aliases follow the ledger."""

import pytest

from modelmill.errors import ConflictError, IntegrityError, NotFoundError, RegistryError
from modelmill.registry.desk import Desk
from modelmill.registry.events import Event
from modelmill.registry.projection import differences, project
from tests.registry.stages import Memory, add, desk_in, promotion


def mend(desk: Desk) -> Event | None:
    """`reconcile`, by ann."""
    return desk.act("mood", lambda _: None, actor="ann").mended


def live(memory: Memory) -> Desk:
    """Version 1 of two is in production."""
    desk = desk_in(memory)
    add(desk, 2)
    desk.act("mood", promotion(desk.spec, 1))
    return desk


def test_aliases_follow_an_event() -> None:
    """Those that changed, from what to what; a second time nothing happens."""
    desk = live(memory := Memory())
    assert memory.aliases("mood") == {"candidate": 2, "production": 1}
    done = desk.act("mood", promotion(desk.spec, 2))
    assert done.aliases == {"candidate": (2, None), "production": (1, 2)}
    assert memory.aliases("mood") == {"production": 2}
    again = desk.act("mood", promotion(desk.spec, 2))
    assert (again.event, again.aliases) == (None, {})


def test_aliases_of_a_model_without_a_ledger_stay() -> None:
    """Nothing says where they should be."""
    desk = desk_in(memory := Memory())
    memory.create_model("mood")
    memory.add_version("mood", "elsewhere", {}, "")
    memory.set_alias("mood", "candidate", 1)
    assert desk.act("mood", lambda _: None, actor="ann").aliases == {}
    assert memory.aliases("mood") == {"candidate": 1}


def test_a_plan_is_what_would_be_done() -> None:
    """The same event and aliases, and nothing is written."""
    desk = live(memory := Memory())
    memory.fails = pytest.fail
    plan = desk.act("mood", promotion(desk.spec, 2), dry_run=True)
    memory.fails = lambda write: None
    done = desk.act("mood", promotion(desk.spec, 2))
    assert plan.aliases == done.aliases
    assert plan.event.model_dump(exclude={"id", "seq", "prev"}) == done.event.model_dump(exclude={"id", "seq", "prev"})


def test_the_next_verb_mends_what_a_crash_left() -> None:
    """The event is written and the alias is not: running the verb again sets it."""
    desk = live(memory := Memory())
    memory.fails = lambda write: "before" if write == "set_alias" else None
    with pytest.raises(RegistryError, match="set_alias"):
        desk.act("mood", promotion(desk.spec, 2))
    assert memory.aliases("mood")["production"] == 1
    memory.fails = lambda write: None
    again = desk.act("mood", promotion(desk.spec, 2))
    assert (again.event, again.mended, again.aliases["production"]) == (None, None, (1, 2))


def test_an_alias_is_moved_before_another_goes() -> None:
    """So that a version in a stage always has one; here `staging` would go first by its name."""
    desk = live(memory := Memory())
    desk.act("mood", promotion(desk.spec, 2, "staging"))
    order = []
    set_alias = memory.set_alias
    memory.set_alias = lambda name, alias, number: (order.append((alias, number)), set_alias(name, alias, number))
    desk.act("mood", promotion(desk.spec, 2))
    assert order == [("production", 2), ("staging", None)]


def test_reconcile_writes_down_what_was_wrong() -> None:
    """An alias that somebody moved, and one that somebody took away; when all is right it writes nothing."""
    desk = live(memory := Memory())
    assert mend(desk) is None
    memory.names_of["mood"] = {"production": 2, "mine": 2}
    chain = desk.ledger("mood").read()
    found = {"candidate": (None, 2), "production": (2, 1)}
    assert differences("mood", chain, memory, desk.spec) == found
    event = mend(desk)
    assert event
    assert (event.kind, event.aliases, event.seq) == ("reconciled", found, len(chain.events) + 1)
    assert memory.aliases("mood") == {"production": 1, "candidate": 2, "mine": 2}


def test_an_alias_of_a_version_that_is_gone() -> None:
    """It cannot follow, which is an error of integrity; the others do."""
    desk = live(memory := Memory())
    memory.delete_version("mood", 1)
    memory.names_of["mood"] = {}
    with pytest.raises(IntegrityError, match="version 1 of production is gone from MLflow"):
        project(desk.ledger("mood"), memory, memory, desk.spec)
    assert memory.aliases("mood") == {"candidate": 2}


def test_a_verb_writes_down_first_which_aliases_were_moved() -> None:
    """Whose name is not said is in the event that follows; a verb that is refused leaves all as it is."""
    desk = live(memory := Memory())
    memory.names_of["mood"]["production"] = 2
    with pytest.raises(NotFoundError):
        desk.act("mood", promotion(desk.spec, 9))
    assert memory.aliases("mood")["production"] == 2
    done = desk.act("mood", promotion(desk.spec, 2))
    assert done.mended
    assert (done.mended.aliases, done.mended.actor) == ({"production": (2, 1)}, "ann")
    assert [event.kind for event in desk.ledger("mood").read().events[-2:]] == ["reconciled", "promoted"]
    assert memory.aliases("mood")["production"] == 2


def test_the_mark_ends_at_the_last_event() -> None:
    """Another promotes, and marks it, before we mark ours: we look once more, and mark theirs."""
    desk = live(memory := Memory())
    add(desk)
    other, set_tag, calls = desk_in(memory), memory.set_tag, []

    def late(name: str, key: str, value: str) -> None:
        calls.append(value)
        if len(calls) == 1:
            other.act("mood", promotion(desk.spec, 3))
        set_tag(name, key, value)

    memory.set_tag = late
    desk.act("mood", promotion(desk.spec, 2))
    chain = desk.ledger("mood").read()
    assert chain.settled
    assert len(calls) == 3


def test_who_sets_an_alias_looks_once_more() -> None:
    """Another promotes after we read the ledger and before we set the alias: the last event is what stays."""
    desk = live(memory := Memory())
    add(desk)
    other, set_alias, calls = desk_in(memory), memory.set_alias, []

    def late(name: str, alias: str, version: int | None) -> None:
        calls.append(alias)
        if len(calls) == 1:
            other.act("mood", promotion(desk.spec, 3))
            assert memory.aliases("mood")["production"] == 3
        set_alias(name, alias, version)

    memory.set_alias = late
    desk.act("mood", promotion(desk.spec, 2))
    assert memory.aliases("mood")["production"] == 3 == desk.state("mood").holder("production")


def test_two_who_disagree_do_not_go_on_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    """Another `registry.yml` sets the alias back every time."""
    monkeypatch.setattr("modelmill.registry.projection.ATTEMPTS", 3)
    desk = live(memory := Memory())
    set_alias = memory.set_alias
    memory.names_of["mood"]["production"] = 2
    memory.set_alias = lambda name, alias, version: set_alias(name, alias, 2)
    with pytest.raises(ConflictError, match="do you share"):
        project(desk.ledger("mood"), memory, memory, desk.spec)
