"""The fold: which version is where after some events."""

from dataclasses import replace

from modelmill.registry.events import (
    Approved,
    Collected,
    Promoted,
    Registered,
    Rejected,
    Reproduced,
    Requested,
    Revoked,
    RolledBack,
)
from modelmill.registry.state import State, aliases_of, fold
from modelmill.specs.registry import RegistrySpec
from tests.registry.stages import at, registered, spec_of

SPEC = spec_of()


def promoted(
    version: int, replaces: int | None = None, origin: str = "candidate", stage: str = "production"
) -> Promoted:
    """The event of a version that enters a stage."""
    return Promoted(
        actor="ann", time=at(version), version=version, stage=stage, origin=origin, replaces=replaces,
        retired="archived", digest="d", policy="p", report="r",
    )  # fmt: skip


def rolled_back(version: int, replaces: int) -> RolledBack:
    """The event of production that goes back."""
    return RolledBack(
        actor="ann", time=at(9), version=version, stage="production", replaces=replaces, retired="archived", digest="d"
    )


def revoked(version: int, fallback: int | None, stage: str = "production") -> Revoked:
    """The event of a version that is withdrawn."""
    return Revoked(actor="ann", time=at(9), version=version, stage=stage, fallback=fallback, retired="archived")


def after(*events: Registered | Promoted | RolledBack | Revoked | Collected | Reproduced, versions: int = 3) -> State:
    """The state after some versions were registered, and more happened."""
    return fold([*(registered(version) for version in range(1, versions + 1)), *events], SPEC)


def places(state: State) -> dict[int, str]:
    """Where every version is."""
    return {version: place.stage for version, place in state.places.items()}


def test_what_is_registered_is_a_candidate() -> None:
    """The newest one holds the stage's alias."""
    state = after()
    assert places(state) == dict.fromkeys((1, 2, 3), "candidate")
    assert aliases_of(state, SPEC) == {"candidate": 3, "staging": None, "production": None}


def test_what_is_replaced_is_retired() -> None:
    """And can come back; the last one first."""
    state = after(promoted(1), promoted(2, 1), promoted(3, 2))
    assert places(state) == {1: "archived", 2: "archived", 3: "production"}
    assert (state.holder("production"), state.formers("production")) == (3, [2, 1])
    assert aliases_of(state, SPEC) == {"candidate": None, "staging": None, "production": 3}


def test_the_alias_of_candidates_goes_back_to_the_one_before() -> None:
    """When the newest leaves."""
    assert aliases_of(after(promoted(3)), SPEC)["candidate"] == 2


def test_a_rollback_can_be_followed_by_another() -> None:
    """It goes on backwards, not to and fro: what was rolled back is no former version."""
    once = [promoted(1), promoted(2, 1), promoted(3, 2), rolled_back(2, 3)]
    state = after(*once)
    assert (state.holder("production"), state.former("production")) == (2, 1)
    assert places(state)[3] == "archived"
    twice = after(*once, rolled_back(1, 2))
    assert (twice.holder("production"), twice.former("production")) == (1, None)


def test_a_version_that_was_there_twice() -> None:
    """1, 2, 1 again: before the last one was 2, and before that 1 itself, which stands there no second time."""
    state = after(promoted(1), promoted(2, 1), promoted(1, 2, "archived"))
    assert (state.holder("production"), state.formers("production")) == (1, [2])
    back = after(promoted(1), promoted(2, 1), promoted(1, 2, "archived"), rolled_back(2, 1))
    assert (back.holder("production"), back.formers("production")) == (2, [1])


def test_what_was_withdrawn_or_deleted_cannot_come_back() -> None:
    """The one before it can."""
    state = after(promoted(1), promoted(2, 1), promoted(3, 2), revoked(2, None, "archived"))
    assert state.former("production") == 1
    assert after(promoted(1), promoted(2, 1), Collected(actor="a", time=at(9), version=1)).former("production") is None


def test_a_withdrawn_version_makes_room() -> None:
    """For the one before, or for none."""
    state = after(promoted(1), promoted(2, 1), revoked(2, 1))
    assert (state.holder("production"), state.revoked, places(state)[2]) == (1, {2}, "archived")
    assert after(promoted(1), revoked(1, None)).holder("production") is None


def test_a_former_version_that_is_used_elsewhere_does_not_come_back() -> None:
    """It went to staging again meanwhile."""
    state = after(promoted(1), promoted(2, 1), promoted(1, None, "archived", "staging"))
    assert state.former("production") is None
    assert state.holder("staging") == 1


def test_a_deleted_version_holds_no_stage() -> None:
    """When the newer candidates leave, the alias passes it over."""
    gone = Collected(actor="ann", time=at(9), version=2)
    assert aliases_of(after(gone, promoted(3)), SPEC)["candidate"] == 1


def test_stages_of_many_have_no_former_versions() -> None:
    """Candidates and what is archived stand beside each other."""
    state = after(promoted(1), promoted(2, 1))
    assert state.formers("candidate") == state.formers("archived") == []


def test_when_a_stage_changed() -> None:
    """By what enters and by what leaves."""
    state = after(promoted(2))
    assert state.changed["production"] == state.changed["candidate"] == at(2)
    assert (state.places[2].since, state.places[1].since) == (at(2), at(0))


def test_rules_of_today_leave_the_past_as_it_was() -> None:
    """First and retired stage have other names by now; where versions are, and what can come back, is in the events."""
    events = [registered(1), registered(2), promoted(1), promoted(2, 1)]
    stages = {"built": {}, "production": {"from": "built"}, "old": {"from": "built"}}
    state = fold(events, RegistrySpec.model_validate({"stages": stages, "retired": "old"}))
    assert places(state) == {1: "archived", 2: "production"}
    assert state.formers("production") == [1]
    assert (state.first, state.retired) == ("built", "old")
    assert fold(events[:3], RegistrySpec.model_validate({"stages": stages, "retired": "old"})).holder("candidate") == 2


def test_what_mlflow_has_no_more_cannot_come_back() -> None:
    """The one before it can."""
    state = after(promoted(1), promoted(2, 1), promoted(3, 2))
    assert replace(state, missing=frozenset({2})).formers("production") == [1]


def test_what_becomes_of_requests() -> None:
    """One is open until it is refused, carried out, asked again or too old; approvals belong to it."""

    def asked(seq: int, version: int = 1) -> Requested:
        return Requested(
            actor="ann", time=at(0), seq=seq, version=version, stage="production", incumbent=None, digest="d",
            policy="p", report="r", expires=at(24),
        )  # fmt: skip

    agreed = Approved(actor="bob", time=at(1), request=5)
    state = fold([registered(1), registered(2), asked(4, 2), asked(5), agreed], SPEC)
    found = state.request_for(1, "production", at(2))
    assert found
    assert (found.event.seq, found.approvals) == (5, [agreed])
    assert state.request_for(1, "production", at(24)) is None
    assert state.request_for(1, "staging", at(2)) is None
    refused = Rejected(actor="bob", time=at(1), request=5)
    for last, why in ((asked(6), "requested again"), (refused, "rejected"), (promoted(1), "promoted")):
        closed = fold([registered(1), registered(2), asked(4, 2), asked(5), agreed, last], SPEC)
        assert (closed.requests[5].closed, closed.requests[4].closed) == (why, None)


def test_a_version_that_was_built_again_stays_where_it_is() -> None:
    """Whatever came out."""
    again = Reproduced(
        actor="ann", time=at(9), version=1, verdict="different", digest="d", first="data/train", differences=("seed",)
    )
    before, state = after(promoted(1)), after(promoted(1), again)
    assert (state.places, state.changed, aliases_of(state, SPEC)) == (
        before.places, before.changed, aliases_of(before, SPEC),
    )  # fmt: skip
