"""The append-only list of what happened to a model, kept in MLflow as the versions of a registered model NAME.ledger.

MLflow gives every version of a registered model the next number, and no number twice, whoever asks at the same time.
That is a compare-and-set: an event is written with the number that it expects as `seq`, and it is valid if and only if
it got that number. Others lost a race; they stay, and count for nothing.
"""

import random
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

from pydantic import ValidationError

from modelmill.errors import ConflictError, IntegrityError, RegistryError
from modelmill.registry.events import EVENT, START, Event
from modelmill.registry.readers import Reader, VersionRow

SUFFIX = ".ledger"
TAG, HEAD = "event", "head"
ATTEMPTS = 60


class Writer(Protocol):
    """What the registry changes in MLflow. Each method is one write, which happens or does not."""

    def create_model(self, name: str) -> None:
        """Make a registered model, if there is none."""
        ...

    def add_version(self, name: str, source: str, tags: dict[str, str], description: str) -> int | None:
        """Make a version; its number, or None when others came first too often for MLflow to give it one."""
        ...

    def set_tag(self, name: str, key: str, value: str) -> None:
        """Set a tag of the model."""
        ...

    def set_alias(self, name: str, alias: str, version: int | None) -> None:
        """Let an alias point to a version; None takes it away."""
        ...


@dataclass(frozen=True)
class Chain:
    """What was read: valid events, the hash of the last, the number that the next one gets, and what is wrong.

    `marked` is the tag `head`: number and hash of an event that was the last one once.
    """

    events: list[Event] = field(default_factory=list)
    head: str = START
    next: int = 1
    problems: list[str] = field(default_factory=list)
    marked: str = ""

    @property
    def settled(self) -> bool:
        """Whether the mark is of the last event, so that the aliases followed it once."""
        return self.marked == (_mark(self.events[-1]) if self.events else "")


class Ledger:
    """The ledger of one model."""

    def __init__(self, name: str, reader: Reader, writer: Writer | None = None) -> None:
        """
        Args:
            name: of the model.
            reader: of MLflow's registry.
            writer: to it; only `append` needs one.
        """
        self.name, self._own = name, name + SUFFIX
        self._reader, self._writer = reader, writer

    def inspect(self) -> Chain:
        """Everything that is there, with what is wrong with it."""
        marked = self._reader.tags(self._own).get(HEAD, "")  # first: afterwards it may be of an event not yet read
        return check_chain(self._reader.versions(self._own), marked)

    def read(self) -> Chain:
        """The events, all of them in order.

        Raises:
            IntegrityError: when the ledger is not whole.
        """
        chain = self.inspect()
        if chain.problems:
            raise not_whole(self.name, chain.problems[0])
        return chain

    def append(self, chain: Chain, event: Event) -> Event | None:
        """Write an event behind a chain that was read; its time is not before that of the last one.

        Returns:
            the event as it stands in the ledger; None when another came first.
        """
        assert self._writer, "a ledger that is only read"
        when = max([event.time, *(one.time for one in chain.events[-1:])])  # the clock of another may be ahead
        given = event.model_copy(update={"seq": chain.next, "prev": chain.head, "time": when})
        if chain.next == 1:
            self._writer.create_model(self._own)
        try:
            number = self._writer.add_version(
                self._own,
                f"ledger://{self.name}/{given.seq}",
                {TAG: given.text()},
                f"{given.kind} by {given.actor}: {given.reason}"[:5000],
            )
        except RegistryError:  # it may have been written, and only the answer was lost
            if not self._holds(given):
                raise
            number = given.seq
        if number != given.seq and not self._holds(given):  # a client that tries again writes it a second time
            return None
        return given

    def mark(self, chain: Chain) -> None:
        """Say which event is the last one, so that it is missed if it is deleted.

        It is set when the aliases have followed: whoever finds another mark knows that somebody was cut off, or is at
        it. Whoever sets it reads the ledger once more afterwards, as with aliases.
        """
        assert self._writer, "a ledger that is only read"
        self._writer.set_tag(self._own, HEAD, _mark(chain.events[-1]))

    def _holds(self, event: Event) -> bool:
        return any(
            row.number == event.seq and row.tags.get(TAG) == event.text() for row in self._reader.versions(self._own)
        )

    def transact(self, decide: Callable[[Chain], Event | None]) -> Event | None:
        """Read, decide, append; again from the start as long as others come first.

        Args:
            decide: the event that should follow a chain, or None when nothing has to happen; raises when it must not.

        Raises:
            ConflictError: when others came first every time.
        """
        for _ in range(ATTEMPTS):
            chain = self.read()
            event = decide(chain)
            if event is None:
                return None
            if written := self.append(chain, event):
                return written
            time.sleep(random.uniform(0, 0.05))
        raise ConflictError(f"others changed '{self.name}' {ATTEMPTS} times in a row; try again")


def not_whole(name: str, problem: str) -> IntegrityError:
    """The error for a ledger that is not as it was written."""
    return IntegrityError(
        f"the ledger of '{name}' is not as it was written: {problem}\nNothing is decided by it. `kedro model verify "
        f"{name}` shows all that is wrong; bring back MLflow's database from a backup."
    )


def check_chain(rows: list[VersionRow], marked: str) -> Chain:
    """Read versions of a ledger as events.

    Args:
        rows: versions by number.
        marked: the tag `head` of the ledger: number and hash of an event that was the last one once.

    Returns:
        the events up to the first thing that is wrong, and all that is wrong.
    """
    events: list[Event] = []
    problems: list[str] = []
    head: str | None = START  # None: what the next event should hold is not known
    marks = {""}
    expected = 1
    for row in rows:
        if row.number > expected:
            problems += [f"event {number} is missing" for number in range(expected, row.number)]
            head = None
        expected = row.number + 1
        event, wrong = _read_event(row, head)
        if wrong:
            problems.append(wrong)
        if event is None or event.seq != row.number:  # one that lost a race counts for nothing
            head = None if wrong else head
            continue
        if events and not problems and event.time < events[-1].time:
            problems.append(f"event {row.number} says that it is older than the one before")
        if not problems:
            events.append(event)
        head = event.hash
        marks.add(_mark(event))
    if marked not in marks:
        problems.append(f"the event that the tag `{HEAD}` says was the last one once ({marked}) is gone or was edited")
    return Chain(events, events[-1].hash if events else START, len(rows) + 1, problems, marked)


def _read_event(row: VersionRow, head: str | None) -> tuple[Event | None, str | None]:
    """The event of a version, and what is wrong with it; `head` is the hash that it must hold, if that is known."""
    text = row.tags.get(TAG, "")
    try:
        event = EVENT.validate_json(text)
    except ValidationError:
        return None, f"event {row.number} cannot be read"
    if event.seq > row.number:
        return None, f"event {row.number} says that it is event {event.seq}"
    if event.seq == row.number and (event.text() != text or head not in (None, event.prev)):
        return event, f"event {row.number} does not follow on the one before: one of them was edited"
    return event, None


def _mark(event: Event) -> str:
    return f"{event.seq} {event.hash}"
