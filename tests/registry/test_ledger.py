"""The ledger: who comes first, and what is noticed."""

from dataclasses import replace

import pytest

from modelmill.errors import ConflictError, IntegrityError, RegistryError
from modelmill.registry.events import START, Collected, Event, Registered
from modelmill.registry.ledger import HEAD, TAG, Chain, Ledger, check_chain
from modelmill.registry.readers import VersionRow
from tests.registry.stages import Memory, at, by, registered


def ledger_of(memory: Memory) -> Ledger:
    """The ledger of 'mood' in a memory."""
    return Ledger("mood", memory, memory)


def written(count: int) -> tuple[list[VersionRow], str]:
    """Versions of a ledger with so many events, and its mark."""
    memory = Memory()
    for version in range(1, count + 1):
        ledger_of(memory).transact(lambda chain, version=version: registered(version))
    ledger_of(memory).mark(ledger_of(memory).read())
    return memory.versions("mood.ledger"), memory.tags("mood.ledger")[HEAD]


def row(number: int, event: Event) -> VersionRow:
    """A version that holds an event."""
    return VersionRow(number, 0, None, "", {TAG: event.text()})


def test_events_follow_on_each_other() -> None:
    """Each holds its number and the hash of the one before; the first holds 64 zeros."""
    rows, marked = written(3)
    chain = check_chain(rows, marked)
    assert not chain.problems
    assert [event.seq for event in chain.events] == [1, 2, 3]
    assert [event.prev for event in chain.events] == [START, *(event.hash for event in chain.events[:2])]
    assert (chain.next, chain.head, marked) == (4, chain.events[2].hash, f"3 {chain.events[2].hash}")


def test_an_empty_ledger_is_whole() -> None:
    """Nothing was written, and nothing is missing."""
    assert check_chain([], "") == Chain([], START, 1, [], "")


def test_a_gap_is_found() -> None:
    """An event was deleted in the middle, or the first one."""
    rows, marked = written(4)
    assert check_chain([rows[0], rows[2], rows[3]], marked).problems == ["event 2 is missing"]
    assert check_chain(rows[3:], marked).problems == [f"event {number} is missing" for number in (1, 2, 3)]


def test_an_edited_event_is_found() -> None:
    """By the next one, which holds its hash; the last one by the mark."""
    rows, marked = written(3)

    def edited(place: int) -> list[str]:
        event = check_chain(rows, marked).events[place].model_copy(update={"actor": "eve"})
        return check_chain([*rows[:place], row(place + 1, event), *rows[place + 1 :]], marked).problems

    assert edited(0) == ["event 2 does not follow on the one before: one of them was edited"]
    assert edited(2) == [f"the event that the tag `head` says was the last one once ({marked}) is gone or was edited"]


def test_another_way_of_writing_the_same_event_is_found() -> None:
    """A space more: its hash would be that of the text without it."""
    rows, marked = written(2)
    spaced = replace(rows[1], tags={TAG: rows[1].tags[TAG].replace('","', '", "', 1)})
    assert check_chain([rows[0], spaced], marked).problems == [
        "event 2 does not follow on the one before: one of them was edited"
    ]


@pytest.mark.parametrize("tags", [{}, {TAG: "{"}, {TAG: '{"kind": "odd"}'}])
def test_what_is_no_event_is_found(tags: dict[str, str]) -> None:
    """A version of the ledger that somebody made by hand."""
    rows, marked = written(2)
    found = check_chain([*rows, VersionRow(3, 0, None, "", tags)], marked)
    assert found.problems == ["event 3 cannot be read"]
    assert len(found.events) == 2


def test_a_deleted_tail_is_found_by_the_mark() -> None:
    """The last event, or all of them."""
    rows, marked = written(3)
    assert "is gone or was edited" in check_chain(rows[:2], marked).problems[0]
    assert "is gone or was edited" in check_chain([], marked).problems[0]


@pytest.mark.parametrize("marked", ["abc", "3", "3 abc", " "])
def test_an_edited_mark_is_found(marked: str) -> None:
    """Whatever it says."""
    assert len(check_chain(written(3)[0], marked).problems) == 1


def test_an_older_mark_is_no_problem() -> None:
    """A process was killed before it marked its event, or marked it late."""
    rows, _ = written(3)
    old = f"2 {check_chain(rows, '').events[1].hash}"
    assert check_chain(rows, old).problems == []


def test_all_that_is_wrong_is_found() -> None:
    """What comes after a gap is looked at, too, but is not among the events."""
    rows, marked = written(5)
    rows[4] = replace(rows[4], tags={TAG: "x"})
    found = check_chain([rows[0], *rows[2:]], marked)
    assert len(found.events) == 1
    assert found.problems[:2] == ["event 2 is missing", "event 5 cannot be read"]
    assert "the tag `head`" in found.problems[2]


def test_times_never_go_back() -> None:
    """Who writes behind an event of a faster clock takes its time; a chain in which they do go back is not whole."""
    memory = Memory()
    for hours in (5, 3):
        ledger_of(memory).transact(lambda _, hours=hours: registered(hours, by(hours=hours)))
    assert [event.time for event in ledger_of(memory).read().events] == [at(5), at(5)]
    rows, first = memory.versions("mood.ledger"), ledger_of(memory).read().events[0]
    second = registered(3, by(hours=3)).model_copy(update={"seq": 2, "prev": first.hash})
    assert check_chain([rows[0], row(2, second)], "").problems == ["event 2 says that it is older than the one before"]


def test_entries_that_lost_a_race_count_for_nothing() -> None:
    """They have a higher number than they say; who reads goes on behind them."""
    rows, marked = written(2)
    lost = registered(9).model_copy(update={"seq": 2, "prev": check_chain(rows, marked).events[0].hash})
    chain = check_chain([*rows, row(3, lost)], marked)
    assert not chain.problems
    assert ([event.seq for event in chain.events], chain.next) == ([1, 2], 4)
    early = lost.model_copy(update={"seq": 4})
    assert check_chain([*rows, row(3, early)], marked).problems == ["event 3 says that it is event 4"]


def test_who_comes_second_decides_again() -> None:
    """With what the first one wrote; the entry that lost stays, and the next number is behind it."""
    memory, seen = Memory(), []

    def decide(chain: Chain) -> Registered:
        seen.append(len(chain.events))
        if len(seen) == 1:
            ledger_of(memory).transact(lambda _: registered(7))
        return registered(8)

    event = ledger_of(memory).transact(decide)
    assert seen == [0, 1]
    assert event
    assert event.seq == 3
    assert [(one.version, one.seq) for one in ledger_of(memory).read().events] == [(7, 1), (8, 3)]


def test_who_never_comes_first_gives_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """After so many attempts it is a conflict."""
    monkeypatch.setattr("modelmill.registry.ledger.ATTEMPTS", 3)
    memory = Memory()

    def decide(chain: Chain) -> Registered:
        ledger_of(memory).transact(lambda _: registered(7))
        return registered(8)

    with pytest.raises(ConflictError, match="3 times in a row") as caught:
        ledger_of(memory).transact(decide)
    assert caught.value.exit_code == 5


def test_nothing_is_written_when_nothing_has_to_happen() -> None:
    """None leaves the ledger as it is."""
    memory = Memory()
    assert ledger_of(memory).transact(lambda _: None) is None
    assert memory.models == {}


def test_a_number_that_mlflow_does_not_get_is_a_lost_race() -> None:
    """It gives up when others come first too often; the event is written at the next attempt."""
    memory, refused = Memory(), [None, None]
    add_version = memory.add_version
    memory.add_version = lambda *given: refused.pop() if refused else add_version(*given)
    written = ledger_of(memory).transact(lambda chain: registered(1))
    assert (written and written.seq, refused) == (1, [])


def test_an_answer_that_was_lost() -> None:
    """The event was written, and the writer learns it; when it was not, nothing is, and the error stays."""
    lost, failed = ["after"], ["before"]
    memory = Memory(lambda write: lost.pop() if write == "add_version" and lost else None)
    assert ledger_of(memory).transact(lambda _: registered(1)).seq == 1
    memory.fails = lambda write: failed.pop() if write == "add_version" and failed else None
    with pytest.raises(RegistryError, match="did not reach it") as caught:
        ledger_of(memory).transact(lambda _: registered(2))
    assert caught.value.exit_code == 8
    assert len(ledger_of(memory).read().events) == 1


def test_a_write_that_is_repeated_counts_once() -> None:
    """A client that tried again wrote the same event twice: the second entry counts for nothing."""
    memory = Memory()
    add = memory.add_version

    def twice(name: str, source: str, tags: dict[str, str], description: str) -> int:
        add(name, source, tags, description)
        return add(name, source, tags, description)

    memory.add_version = twice
    assert ledger_of(memory).transact(lambda _: registered(1)).seq == 1
    chain = ledger_of(memory).read()
    assert not chain.problems
    assert (len(chain.events), chain.next) == (1, 3)


def test_nothing_is_decided_by_a_ledger_that_is_not_whole() -> None:
    """Reading it for a decision is an error of integrity."""
    memory = Memory()
    for version in (1, 2):
        ledger_of(memory).transact(lambda _, version=version: Collected(actor="a", time=at(0), version=version))
    del memory.models["mood.ledger"][1]
    with pytest.raises(IntegrityError, match="event 1 is missing") as caught:
        ledger_of(memory).transact(lambda _: pytest.fail("asked"))
    assert caught.value.exit_code == 7


def test_a_ledger_is_settled_when_the_mark_is_of_its_last_event() -> None:
    """Not while somebody is between an event and what follows from it."""
    memory = Memory()
    assert ledger_of(memory).read().settled
    for version in (1, 2):
        ledger_of(memory).transact(lambda _, version=version: registered(version))
        assert not ledger_of(memory).read().settled
        ledger_of(memory).mark(chain := ledger_of(memory).read())
        assert memory.tags("mood.ledger") == {HEAD: f"{version} {chain.head}"}
        assert ledger_of(memory).read().settled
