"""What may be done when: every refusal with its exit code, and that running a verb again changes nothing."""

import json
from typing import Any

import pytest

from modelmill.errors import RegistryError
from modelmill.registry import verbs
from modelmill.registry.events import Approved, Collected, Event, Requested, now
from modelmill.registry.state import Request, State, fold
from modelmill.registry.verbs import Judged
from modelmill.specs.registry import RegistrySpec
from tests.registry.stages import at, by, judged, registered, spec_of

FREE = spec_of()
STRICT = spec_of(approvals=1)
OPEN = {"approvals": 1, "approvers": ["bob", "cyd"]}


class Story:
    """Events as they would stand in a ledger, written by verbs."""

    def __init__(self, spec: RegistrySpec = FREE, versions: int = 2) -> None:
        self.spec, self.events = spec, []
        for version in range(1, versions + 1):
            self.add(registered(version))

    @property
    def state(self) -> State:
        return fold(self.events, self.spec)

    def add(self, event: Event | None) -> Event:
        assert event
        self.events.append(event.model_copy(update={"seq": len(self.events) + 1, "time": at(0)}))
        return self.events[-1]

    def request(self, version: int, who: str = "ann", hours: float = 0, **changed: Any) -> Requested | None:
        return verbs.request(self.state, self.spec, judged(self.state, version, **changed), by(who, hours))

    def approve(self, version: int, who: str, hours: float = 0, signature: str | None = None) -> Approved | None:
        return verbs.approve(self.state, self.spec, version, "production", by(who, hours), signature)

    def promote(self, version: int, hours: float = 0, stage: str = "production", **options: Any) -> Event | None:
        expected, trusted = options.pop("expected", "any"), options.pop("trusted", False)
        case = judged(self.state, version, stage, **options) if stage in self.spec.stages else options["case"]
        return verbs.promote(self.state, self.spec, case, by("ann", hours), expected, lambda request, approval: trusted)

    def rollback(self, stage: str = "production", expected: verbs.Expected = "any") -> Event:
        return verbs.rollback(self.state, stage, by(), expected)

    def revoke(self, version: int, *, leave_empty: bool = False) -> Event | None:
        return verbs.revoke(self.state, self.spec, version, by(), leave_empty=leave_empty)

    def live(self, *versions: int) -> "Story":
        """The same after these were promoted one after the other."""
        for version in versions:
            self.add(self.promote(version))
        return self


def refused(code: int, text: str, call: Any, *arguments: Any, **options: Any) -> None:
    """A verb says no, with an exit code."""
    with pytest.raises(RegistryError, match=text) as caught:
        call(*arguments, **options)
    assert caught.value.exit_code == code


def test_a_promotion() -> None:
    """Says where from, what is replaced and by which rules; again changes nothing."""
    story = Story().live(1)
    event = story.add(story.promote(2))
    assert (event.version, event.stage, event.origin, event.replaces) == (2, "production", "candidate", 1)
    assert (event.digest, event.policy, event.report) == (registered(2).digest, "p" * 64, "r" * 64)
    assert story.promote(2) is None


def test_an_event_has_the_time_of_its_writing() -> None:
    """Not that of the decision, which gates may be minutes after."""
    before = now()
    event = Story().promote(1, hours=1)
    assert event
    assert event.time >= before > at(1)


def test_a_version_is_promoted_only_to_where_it_may_go() -> None:
    """Unknown versions are not found; wrong ways, unknown stages, withdrawn and deleted versions are refused."""
    story = Story()
    refused(6, "there is no version 9; the ledger knows 1, 2", story.promote, 9)
    refused(2, "'candidate' is entered by registration only", Story().live(1).promote, 1, stage="candidate")
    story.live(1)
    refused(2, "'staging' is entered from candidate or archived", story.promote, 1, stage="staging")
    nowhere = Judged(2, "prodution", None, "p", "r", True)
    refused(2, "no stage 'prodution'; expected one of candidate", story.promote, 2, stage="prodution", case=nowhere)
    story.add(story.revoke(2))
    refused(2, "withdrawn", story.promote, 2)
    gone = Story()
    gone.add(Collected(actor="ann", time=at(0), version=1))
    refused(2, "deleted", gone.promote, 1)


def test_what_came_in_between_is_a_conflict() -> None:
    """The stage holds another version than was compared, or than the caller expects."""
    story = Story(versions=3).live(1)
    refused(5, "compared with nothing, but 'production' holds version 1", story.promote, 2, incumbent=None)
    refused(5, "holds version 1, not version 3 as --expect-current says", story.promote, 2, expected=3)
    refused(5, "not nothing as", story.promote, 2, expected=None)
    assert story.promote(2, expected=1)


def test_a_first_stage_that_may_be_entered() -> None:
    """It holds many, so nobody is replaced there and nothing can have come in between."""
    spec = spec_of()
    stages = spec.model_dump(by_alias=True, mode="json")["stages"] | {"candidate": {"from": "production"}}
    story = Story(RegistrySpec.model_validate({"stages": stages})).live(1)
    assert story.state.incumbent("candidate") is None
    event = story.add(story.promote(1, stage="candidate"))
    assert (event.origin, event.replaces) == ("production", None)
    assert story.state.stage_of(1) == "candidate"


def test_gates_that_say_no() -> None:
    """Stop a request and a promotion."""
    refused(3, "does not pass the gates", Story().promote, 1, passed=False)
    refused(3, "does not pass the gates", Story().request, 1, passed=False)


def test_times() -> None:
    """A version must have been where it is for the soak time, and the stage unchanged for the cool-down."""
    story = Story(spec_of(soak="2h"))
    refused(3, "too early: version 1 is in 'candidate'", story.promote, 1, hours=1.9)
    assert story.promote(1, hours=2)
    cool = Story(spec_of(cool_down="2h"))
    cool.add(cool.promote(1))
    refused(3, "too early: 'production' changed at", cool.promote, 2, hours=1.9)
    assert cool.promote(2, hours=2)


def test_a_request() -> None:
    """Is of a digest, rules and an incumbent, for so many days; again changes nothing, with other rules it does."""
    story = Story(STRICT)
    event = story.add(story.request(1))
    assert (event.digest, event.incumbent, event.policy) == (registered(1).digest, None, "p" * 64)
    assert event.expires == at(14 * 24)
    assert story.request(1) is None
    assert story.request(1, report="x" * 64) is None
    assert story.request(1, policy="x" * 64)
    assert story.request(1, hours=14 * 24)


def test_approvals() -> None:
    """By another person, who may; each once."""
    story = Story(spec_of(**OPEN))
    refused(6, "nobody asks", story.approve, 1, "bob")
    request = story.add(story.request(1))
    refused(4, "somebody else has to approve", story.approve, 1, "ann")
    refused(4, "may not approve for 'production'; those who may are bob, cyd", story.approve, 1, "eve")
    assert story.add(story.approve(1, "bob")).request == request.seq
    assert story.approve(1, "bob") is None
    assert story.approve(1, "bob", signature="s")
    assert story.approve(1, "cyd")
    refused(6, "nobody asks", story.approve, 1, "cyd", hours=14 * 24)


def test_an_approval_must_be_signed_where_that_is_declared() -> None:
    """And only a signature that is trusted counts."""
    signing = {"signing": {"approvals": "required"}}
    spec = RegistrySpec.model_validate(spec_of(approvals=1).model_dump(by_alias=True, mode="json") | signing)
    story = Story(spec)
    story.add(story.request(1))
    refused(4, "wants signed approvals", story.approve, 1, "bob")
    story.add(story.approve(1, "bob", signature="s"))
    refused(4, "so far: nobody", story.promote, 1, trusted=False)
    assert story.promote(1, trusted=True)


def test_a_stage_with_approvals() -> None:
    """Wants them, of this request and by enough people."""
    story = Story(spec_of(approvals=2))
    refused(4, r"ask for them by `kedro model request NAME@1 --to production`", story.promote, 1)
    request = story.add(story.request(1))
    story.add(story.approve(1, "bob"))
    refused(4, r"wants 2 approval\(s\); so far: bob", story.promote, 1)
    story.add(story.approve(1, "cyd"))
    assert story.promote(1).request == request.seq
    refused(4, "changed since it was asked for", story.promote, 1, policy="x" * 64)
    refused(4, "ask for them", story.promote, 1, hours=14 * 24)


def test_claims_of_people_who_may_not_approve_do_not_count() -> None:
    """The list of approvers may have changed since, and the one who asks never counts."""
    story = Story(spec_of(approvals=1))
    request = story.add(story.request(1))
    story.add(Approved(actor="ann", time=at(0), request=request.seq))
    refused(4, "so far: nobody", story.promote, 1)
    story.add(story.approve(1, "eve"))
    assert story.promote(1)
    story.spec = spec_of(**OPEN)
    refused(4, "so far: nobody", story.promote, 1)


def test_a_changed_incumbent_voids_requests() -> None:
    """What was compared counts no more: neither more approvals nor those that are there."""
    story = Story(STRICT, versions=3)
    for version in (1, 2):
        story.add(story.request(version))
        story.add(story.approve(version, "bob"))
    story.add(story.promote(1))
    refused(5, "has changed from nothing to version 1", story.approve, 2, "cyd")
    refused(4, "changed since it was asked for", story.promote, 2)
    refused(5, "compared with nothing", story.promote, 2, incumbent=None)


def test_a_refusal_ends_a_request() -> None:
    """And there is nothing more to refuse."""
    story = Story(STRICT)
    story.add(story.request(1))
    story.add(verbs.reject(story.state, 1, "production", by("bob")))
    refused(6, "nobody asks", verbs.reject, story.state, 1, "production", by("bob"))
    refused(4, "ask for them", story.promote, 1)


def test_a_rollback() -> None:
    """Goes back one version, if there is one and the stage holds what is expected."""
    story = Story().live(1, 2)
    event = story.add(story.rollback(expected=2))
    assert (event.version, event.replaces, event.digest) == (1, 2, registered(1).digest)
    refused(5, "holds version 1, not version 2", story.rollback, expected=2)
    refused(6, "holds version 1, and nothing that could come back", story.rollback)
    refused(6, "holds nothing", Story().rollback)
    refused(2, "holds any number of versions", story.rollback, "archived")
    refused(2, "holds any number of versions", story.rollback, "candidate")


def test_a_withdrawal() -> None:
    """Puts back what was there before; an empty stage must be wanted; again changes nothing."""
    story = Story().live(1, 2)
    event = story.add(story.revoke(2))
    assert (event.stage, event.fallback) == ("production", 1)
    assert story.revoke(2) is None
    refused(2, "leave the stage empty by --leave-empty", story.revoke, 1)
    assert story.revoke(1, leave_empty=True).fallback is None
    refused(6, "no version 9", story.revoke, 9)
    assert Story().revoke(2).fallback is None


def test_the_rules_have_a_hash() -> None:
    """It changes with the rules of the stage, and with no other's."""
    plain = verbs.policy_hash(FREE, "production", [])
    assert verbs.policy_hash(STRICT, "production", []) != plain
    assert verbs.policy_hash(STRICT, "staging", []) == verbs.policy_hash(FREE, "staging", [])


def test_what_an_approver_signs() -> None:
    """One line that names all that the approval is of."""
    story = Story(STRICT)
    request = story.add(story.request(1))
    text = verbs.statement("mood", request)
    assert text.count("\n") == 1
    assert json.loads(text) == {
        "approve": "mood", "request": 3, "request_sha256": request.hash, "requested_by": "ann",
        "version": 1, "stage": "production", "incumbent": None,
        "digest": registered(1).digest, "policy": "p" * 64, "report": "r" * 64, "expires": "2026-05-17T12:00:00Z",
    }  # fmt: skip
    assert verbs.open_request(story.state, 1, "production", at(0)) == Request(request)
