"""The registry as its verbs use it: reading it, and doing one thing to it."""

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from typing import cast

from modelmill.errors import NotFoundError
from modelmill.registry.events import Event, Reconciled
from modelmill.registry.ledger import SUFFIX, Chain, Ledger, not_whole
from modelmill.registry.projection import Difference, lost, moved, project
from modelmill.registry.readers import Reader, VersionRow, reader_of
from modelmill.registry.state import State, aliases_of, fold
from modelmill.registry.writer import MlflowWriter
from modelmill.specs.mlflow import MlflowSpec
from modelmill.specs.registry import RegistrySpec


@dataclass(frozen=True)
class Done:
    """What a verb did, or would do: the event, if anything happens, and the aliases that were set.

    `mended` is the event that says which aliases somebody had moved, if any; it comes before the other.
    """

    event: Event | None
    aliases: Difference = field(default_factory=dict)
    mended: Reconciled | None = None


class Desk:
    """One declared registry."""

    def __init__(self, settings: MlflowSpec, spec: RegistrySpec) -> None:
        """
        Args:
            settings: where MLflow is.
            spec: the stages and their rules.
        """
        self.settings, self.spec = settings, spec

    @cached_property
    def reader(self) -> Reader:
        """Reads, without MLflow."""
        return reader_of(self.settings)

    @cached_property
    def writer(self) -> MlflowWriter:
        """Writes, by MLflow."""
        return MlflowWriter(self.settings)

    def names(self) -> list[str]:
        """Registered models, and those of which only the ledger is left; ledgers are none."""
        return sorted({name.removesuffix(SUFFIX) for name in self.reader.names()})

    def ledger(self, name: str) -> Ledger:
        """The ledger of a model, to read and to append."""
        return Ledger(name, self.reader, self.writer)

    def state(self, name: str) -> State:
        """What the ledger says of a model.

        Raises:
            IntegrityError: when the ledger is not whole, or gone.
        """
        return self._fold(name, self.ledger(name).read())

    def row(self, name: str, version: int) -> VersionRow:
        """A version as MLflow holds it.

        Raises:
            NotFoundError: when there is none.
        """
        rows = {row.number: row for row in self.reader.versions(name)}
        if version not in rows:
            there = ", ".join(map(str, rows)) or "none"
            raise NotFoundError(f"there is no version {version} of '{name}' in MLflow; those that there are: {there}")
        return rows[version]

    def act(
        self, name: str, decide: Callable[[State], Event | None], *, actor: str | None = None, dry_run: bool = False
    ) -> Done:
        """Append what a verb decides, then let the aliases follow; before that write down which of them were moved.

        Args:
            name: of the model.
            decide: the event for a state, None when nothing has to happen; raises when it must not.
            actor: who acts, asked for when aliases were moved; by default who the decided event names.
            dry_run: only say what would be done.
        """
        ledger = self.ledger(name)
        if dry_run:
            return self._plan(name, ledger.read(), decide)
        mended = ledger.transact(lambda chain: self._moved(name, chain, decide, actor))
        event = ledger.transact(lambda chain: decide(self._fold(name, chain)))
        return Done(event, project(ledger, self.reader, self.writer, self.spec), cast("Reconciled | None", mended))

    def _moved(
        self, name: str, chain: Chain, decide: Callable[[State], Event | None], actor: str | None
    ) -> Reconciled | None:
        """What says that aliases were moved, unless the verb is refused: then nothing is changed."""
        aliases = moved(name, chain, self.reader, self.spec)
        if not aliases:
            return None
        event = decide(self._fold(name, chain))
        who = actor or (event and event.actor)
        assert who, "nobody said who acts"
        return Reconciled(actor=who, reason="aliases set right", aliases=aliases)

    def _fold(self, name: str, chain: Chain) -> State:
        if problem := lost(name, chain, self.reader, self.spec):
            raise not_whole(name, problem)
        return fold(chain.events, self.spec)

    def _plan(self, name: str, chain: Chain, decide: Callable[[State], Event | None]) -> Done:
        event = decide(self._fold(name, chain))
        events = [*chain.events, event] if event else chain.events
        found = self.reader.aliases(name)
        wanted = aliases_of(fold(events, self.spec), self.spec)
        return Done(event, {alias: (found.get(alias), to) for alias, to in wanted.items() if found.get(alias) != to})
