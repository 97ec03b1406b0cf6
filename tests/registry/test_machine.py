"""Verbs in any order, with crashes, keep what must always be so."""

from collections.abc import Callable

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from modelmill.errors import RegistryError
from modelmill.registry import verbs
from modelmill.registry.events import Event
from modelmill.registry.projection import differences
from modelmill.registry.state import State, aliases_of, fold
from tests.registry.stages import Memory, add, by, desk_in, judged, spec_of

VERSIONS = st.integers(1, 6)
STAGES = st.sampled_from(["candidate", "staging", "production", "archived"])
PEOPLE = st.sampled_from(["ann", "bob", "cyd"])
ONE = ("staging", "production")


class Machine(RuleBasedStateMachine):
    """A registry in memory whose production wants an approval."""

    def __init__(self) -> None:
        super().__init__()
        self.memory = Memory()
        self.desk = desk_in(self.memory, spec_of(approvals=1))
        self.crash: str | None = None
        self.memory.fails = self._fails
        self.mended = True
        self.codes: set[int] = set()

    def _fails(self, write: str) -> str | None:
        when, self.crash = (self.crash, None) if self.crash and self.crash.startswith(write) else (None, self.crash)
        return when.partition(" ")[2] if when else None

    def act(self, decide: Callable[[State], Event | None]) -> None:
        """Do something that may be refused, or be cut off."""
        try:
            self.desk.act("mood", decide)
            self.mended = True
        except RegistryError as error:
            self.mended = self.mended and error.exit_code != 8
            self.codes.add(error.exit_code)

    @rule(write=st.sampled_from(["add_version", "set_tag", "set_alias"]), when=st.sampled_from(["before", "after"]))
    def crash_later(self, write: str, when: str) -> None:
        """The next such write fails, or its answer is lost."""
        self.crash = f"{write} {when}"

    @rule()
    def register(self) -> None:
        """A new version, if there are not many."""
        if len(self.memory.versions("mood")) < 6:
            try:
                add(self.desk)
                self.mended = True
            except RegistryError:
                self.mended = False

    @rule(version=VERSIONS, stage=STAGES, who=PEOPLE)
    def request(self, version: int, stage: str, who: str) -> None:
        """Somebody asks."""
        spec = self.desk.spec
        self.act(lambda state: verbs.request(state, spec, judged(state, version, stage), by(who)))

    @rule(version=VERSIONS, stage=STAGES, who=PEOPLE)
    def approve(self, version: int, stage: str, who: str) -> None:
        """Somebody agrees."""
        self.act(lambda state: verbs.approve(state, self.desk.spec, version, stage, by(who), None))

    @rule(version=VERSIONS, stage=STAGES, who=PEOPLE)
    def reject(self, version: int, stage: str, who: str) -> None:
        """Somebody refuses."""
        self.act(lambda state: verbs.reject(state, version, stage, by(who)))

    @rule(version=VERSIONS, stage=STAGES)
    def promote(self, version: int, stage: str) -> None:
        """Somebody promotes."""
        spec = self.desk.spec
        self.act(lambda state: verbs.promote(state, spec, judged(state, version, stage), by(), "any", lambda *_: False))

    @rule(version=VERSIONS)
    def ask_and_promote(self, version: int) -> None:
        """The whole way into production."""
        self.request(version, "production", "ann")
        self.approve(version, "production", "bob")
        self.promote(version, "production")

    @rule(stage=STAGES)
    def rollback(self, stage: str) -> None:
        """Somebody goes back."""
        self.act(lambda state: verbs.rollback(state, stage, by(), "any"))

    @rule(version=VERSIONS, leave_empty=st.booleans())
    def revoke(self, version: int, leave_empty: bool) -> None:
        """Somebody withdraws a version."""
        self.act(lambda state: verbs.revoke(state, self.desk.spec, version, by(), leave_empty=leave_empty))

    @rule(alias=STAGES, version=VERSIONS)
    def tamper(self, alias: str, version: int) -> None:
        """Somebody moves an alias in MLflow's page; then it is set right. An empty ledger would then be one that was
        deleted, see `projection.lost`.
        """
        there = (
            {row.number for row in self.memory.versions("mood")} if self.desk.ledger("mood").read().events else set()
        )
        if alias != "archived" and version in there:
            self.memory.names_of.setdefault("mood", {})[alias] = version
            self.mend()

    @rule()
    def mend(self) -> None:
        """`reconcile`, which a crash may hit, too."""
        try:
            self.desk.act("mood", lambda _: None, actor="ann")
            self.mended = True
        except RegistryError as error:
            self.mended = False
            self.codes.add(error.exit_code)

    @invariant()
    def refusals_have_a_code_of_their_own(self) -> None:
        """Usage, gate, approval, conflict, not found, unreachable; never integrity."""
        assert self.codes <= {2, 3, 4, 5, 6, 8}

    @invariant()
    def the_ledger_is_whole(self) -> None:
        """Whatever happened; and every beginning of it can be folded, with at most one version in stages of one."""
        chain = self.desk.ledger("mood").inspect()
        assert not chain.problems
        for length in range(len(chain.events) + 1):
            state = fold(chain.events[:length], self.desk.spec)
            assert set(state.places) == set(state.registered)
            for stage in ONE:
                here = [version for version, place in state.places.items() if place.stage == stage]
                assert here == ([] if state.holder(stage) is None else [state.holder(stage)])
                for former in state.formers(stage):
                    assert state.stage_of(former) == "archived"
                    assert former not in state.revoked

    @invariant()
    def aliases_are_what_the_ledger_says(self) -> None:
        """After every act that was not cut off."""
        if self.mended:
            chain = self.desk.ledger("mood").read()
            assert differences("mood", chain, self.memory, self.desk.spec) == {}
            wanted = aliases_of(fold(chain.events, self.desk.spec), self.desk.spec)
            assert self.memory.aliases("mood") == {alias: number for alias, number in wanted.items() if number}


TestMachine = Machine.TestCase
TestMachine.settings = settings(max_examples=60, stateful_step_count=30, deadline=None)
