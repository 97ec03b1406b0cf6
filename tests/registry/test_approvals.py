"""Approvals signed by real ssh keys: which ones count, and which do not."""

import logging
import shutil
import subprocess
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from modelmill.errors import ApprovalError
from modelmill.registry import verbs
from modelmill.registry.approvals import (
    NAMESPACE,
    sign_approval,
    sign_statement,
    standing,
    unapproved,
    verified,
    why_refused,
)
from modelmill.registry.events import Approved, Event, Promoted, Registered, Requested, RolledBack
from modelmill.registry.state import Request, State, fold
from modelmill.specs.registry import RegistrySpec

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
NAME = "mood"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A project with keys of ada, bob and eve; ada and bob may sign."""
    assert shutil.which("ssh-keygen"), "these tests need ssh-keygen: install openssh-client"
    for name in ("ada", "bob", "eve"):
        key = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", name, "-f", str(tmp_path / name)]
        subprocess.run(key, check=True)
    (tmp_path / "allowed").write_text(signer(tmp_path, "ada") + signer(tmp_path, "bob"))
    return tmp_path


def signer(root: Path, name: str, options: str = "", key: str = "") -> str:
    """A line of the allowed signers."""
    public = (root / f"{key or name}.pub").read_text()
    return f'{name} namespaces="{NAMESPACE}"{options} {public}'


def rules(signed: str = "required", approvals: int = 1) -> RegistrySpec:
    """Two stages."""
    stages = {"candidate": {}, "live": {"from": "candidate", "approvals": approvals}, "archived": {"from": "live"}}
    return RegistrySpec.model_validate(
        {"stages": stages, "signing": {"allowed_signers": "allowed", "approvals": signed}}
    )


def asked(**changes: object) -> Requested:
    """Cy asks that version 7 goes live."""
    event = Requested(
        id="0" * 32, actor="cy", time=NOON, seq=2, version=7, stage="live", incumbent=None,
        digest="d7", policy="p", report="r", expires=NOON + timedelta(days=14),
    )  # fmt: skip
    return event.model_copy(update=changes)


def approved(signature: str | None, actor: str = "ada", hours: int = 1) -> Approved:
    """An approval of that request, some hours later."""
    return Approved(actor=actor, time=NOON + timedelta(hours=hours), request=2, signature=signature)


def signature_of(root: Path, key: str, request: Requested, name: str = NAME) -> str:
    """By the key of somebody."""
    return sign_statement(verbs.statement(name, request), root / key)


def counts(root: Path, approval: Approved, request: Requested | None = None, name: str = NAME) -> bool:
    """Whether an approval of the request counts."""
    return verified(root, rules(), name)(Request(request or asked()), approval)


def promoted(root: Path, spec: RegistrySpec, *approvals: Approved) -> verbs.Promoted | None:
    """What happens when somebody promotes version 7 two hours after it was asked for."""
    registered = Registered(actor="cy", time=NOON, version=7, stage="candidate", digest="d7", files="f", run_id=None)
    state: State = fold([registered, asked(), *approvals], spec)
    judged = verbs.Judged(7, "live", None, "p", "r", passed=True)
    by = verbs.By("cy", "better", NOON + timedelta(hours=2))
    return verbs.promote(state, spec, judged, by, "any", verified(root, spec, NAME))


def test_a_signed_approval_counts(root: Path) -> None:
    """By the key of the one who approves; the text is what `statement` says."""
    signature = signature_of(root, "ada", asked())
    assert signature.startswith("-----BEGIN SSH SIGNATURE-----")
    assert counts(root, approved(signature))


FORGED = {
    "another version": {"version": 8},
    "another digest": {"digest": "d8"},
    "another report": {"report": "r2"},
    "other rules": {"policy": "p2"},
    "another stage": {"stage": "candidate"},
    "another incumbent": {"incumbent": 6},
    "another end": {"expires": NOON + timedelta(days=13)},
    "another request": {"seq": 3},
    "somebody else who asked": {"actor": "eve"},
    "another reason": {"reason": "better"},
}


@pytest.mark.parametrize("case", FORGED)
def test_a_signature_is_of_one_request_only(root: Path, case: str) -> None:
    """What was signed for something else is worth nothing here."""
    other = asked(**FORGED[case])
    signature = signature_of(root, "ada", other)
    assert counts(root, approved(signature), other)
    assert not counts(root, approved(signature))


def test_a_signature_is_of_one_model_only(root: Path) -> None:
    """Version 7 of another model is another version."""
    signature = signature_of(root, "ada", asked(), name="news")
    assert counts(root, approved(signature), name="news")
    assert not counts(root, approved(signature))


def test_a_signature_of_another_person_is_refused(root: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Bob may sign, but not as Ada; the log says whose approval does not count."""
    with caplog.at_level(logging.WARNING):
        assert not counts(root, approved(signature_of(root, "bob", asked()), actor="ada"))
    assert "the approval by 'ada' does not count: allowed has no such key of 'ada'" in caplog.text


def test_a_key_that_is_not_listed_is_refused(root: Path) -> None:
    """Whoever it says that it is."""
    signature = signature_of(root, "eve", asked())
    assert not counts(root, approved(signature, actor="eve"))
    assert not counts(root, approved(signature, actor="ada"))
    (root / "allowed").write_text(signer(root, "eve"))
    assert counts(root, approved(signature, actor="eve"))


@pytest.mark.parametrize("forged", ["", "yes", "-----BEGIN SSH SIGNATURE-----\nU1NI\n-----END SSH SIGNATURE-----\n"])
def test_what_is_no_signature_is_refused(root: Path, forged: str) -> None:
    """Text in its place does not count, and is no crash."""
    assert not counts(root, approved(forged))
    assert not counts(root, approved(None))


def test_a_flipped_bit_is_noticed(root: Path) -> None:
    """In the middle of the armour."""
    good = signature_of(root, "ada", asked())
    at = len(good) - 60
    bad = good[:at] + ("A" if good[at] != "A" else "B") + good[at + 1 :]
    assert counts(root, approved(good))
    assert not counts(root, approved(bad))


def test_a_signature_for_something_else_is_refused(root: Path) -> None:
    """A key that also signs commits: the same text in another namespace."""
    text = verbs.statement(NAME, asked())
    sign = ["ssh-keygen", "-Y", "sign", "-n", "git", "-f", str(root / "ada")]
    other = subprocess.run(sign, input=text, text=True, capture_output=True, check=True).stdout
    assert not counts(root, approved(other))


@pytest.mark.parametrize(
    ("options", "good"),
    [
        (',valid-before="20260302130001"', True),
        (',valid-before="20260302130000"', True),
        (',valid-before="20260302125959"', False),
        (',valid-after="20260302130000"', True),
        (',valid-after="20260302130001"', False),
        (',valid-after="20260101",valid-before="20270101"', True),
    ],
)
def test_a_key_must_have_been_valid_when_it_signed(root: Path, options: str, good: bool) -> None:
    """Now does not matter; the times of the file are UTC, wherever it is read."""
    (root / "allowed").write_text(signer(root, "ada", options))
    assert counts(root, approved(signature_of(root, "ada", asked()))) is good


def test_an_approval_cannot_be_dated_back(root: Path) -> None:
    """Who has a key that ended writes an earlier time; earlier than the request, or its signed end, helps nothing."""
    (root / "allowed").write_text(signer(root, "ada", ',valid-before="20260301"'))
    signature = signature_of(root, "ada", asked())
    assert not counts(root, approved(signature, hours=-240))
    assert not counts(root, approved(signature, hours=-240), asked(time=NOON - timedelta(days=10)))


def test_the_time_zone_of_the_machine_does_not_matter(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A colleague elsewhere comes to the same answer."""
    (root / "allowed").write_text(signer(root, "ada", ',valid-before="20260302125959"'))
    signature = signature_of(root, "ada", asked())
    for zone in ("Asia/Shanghai", "America/New_York"):
        monkeypatch.setenv("TZ", zone)
        assert not counts(root, approved(signature))


def test_required_signatures_stop_a_promotion(root: Path) -> None:
    """Claims and forgeries do not count; a real signature does."""
    good = approved(signature_of(root, "ada", asked()))
    forged = approved(signature_of(root, "eve", asked()))
    for lacking in (approved(None), forged):
        with pytest.raises(ApprovalError, match=r"wants 1 approval\(s\); so far: nobody"):
            promoted(root, rules(), lacking)
    event = promoted(root, rules(), forged, good)
    assert event
    assert event.version == 7


def test_optional_signatures_must_be_good_where_they_are(root: Path) -> None:
    """An unsigned approval counts as a claim, a false signature never."""
    assert promoted(root, rules("optional"), approved(None))
    with pytest.raises(ApprovalError):
        promoted(root, rules("optional"), approved(signature_of(root, "eve", asked())))


def test_two_approvals_are_of_two_people(root: Path) -> None:
    """One who signs twice is one."""
    ada = approved(signature_of(root, "ada", asked()))
    bob = approved(signature_of(root, "bob", asked()), actor="bob")
    with pytest.raises(ApprovalError, match="so far: ada"):
        promoted(root, rules(approvals=2), ada, ada)
    assert promoted(root, rules(approvals=2), ada, bob)


def test_an_unsigned_approval_is_refused_at_once(root: Path) -> None:
    """Where signatures are required, `approve` does not even write it."""
    registered = Registered(actor="cy", time=NOON, version=7, stage="candidate", digest="d7", files="f", run_id=None)
    state = fold([registered, asked()], rules())
    with pytest.raises(ApprovalError, match="wants signed approvals"):
        verbs.approve(state, rules(), 7, "live", verbs.By("ada", "", NOON), None)


def test_who_signs_learns_at_once_whether_it_counts(root: Path) -> None:
    """With the line that the file lacks."""
    signature = sign_approval(root, rules(), NAME, Request(asked()), "ada", root / "ada")
    assert counts(root, approved(signature))
    with pytest.raises(ApprovalError, match=rf'`eve namespaces="{NAMESPACE}" KEY` with the public key of .*eve'):
        sign_approval(root, rules(), NAME, Request(asked()), "eve", root / "eve")


def test_a_key_that_cannot_sign_is_one_clear_error(root: Path) -> None:
    """Not there, or no key at all."""
    with pytest.raises(ApprovalError, match=r"there is no key .*/nobody; `ssh-keygen -t ed25519 -f .*` makes one"):
        sign_statement("text", root / "nobody")
    (root / "prose").write_text("not a key\n")
    (root / "prose").chmod(0o600)
    with pytest.raises(ApprovalError, match=r"ssh-keygen cannot sign with .*/prose: .*prose"):
        sign_statement("text", root / "prose")


def test_without_the_file_of_signers_nothing_is_decided(root: Path) -> None:
    """A signature that nobody can check is an error, not a no."""
    signature = signature_of(root, "ada", asked())
    (root / "allowed").unlink()
    with pytest.raises(ApprovalError, match=r"there is no allowed, so no signature can be checked"):
        counts(root, approved(signature))


def test_without_ssh_keygen_nothing_is_decided(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The message says what to install."""
    signature = signature_of(root, "ada", asked())
    monkeypatch.setenv("PATH", str(root))
    for act in (lambda: counts(root, approved(signature)), lambda: sign_statement("text", root / "ada")):
        with pytest.raises(ApprovalError, match="no `ssh-keygen` here; install OpenSSH"):
            act()


def test_what_is_shown_of_an_approval(root: Path, caplog: pytest.LogCaptureFixture) -> None:
    """A good signature, none, a forged one, and one that cannot be checked for want of keys, which is told."""
    worth = standing(root, rules(), NAME)
    good = approved(signature_of(root, "ada", asked()))
    said = [worth(Request(asked()), one) for one in (good, approved(None), approved("sig"))]
    assert said == ["verified", "claimed", "invalid"]
    (root / "allowed").unlink()
    assert worth(Request(asked()), good) == "unchecked"
    assert "there is no allowed" in caplog.text


def test_a_broken_line_of_the_file_is_named(root: Path) -> None:
    """ssh-keygen says which."""
    (root / "allowed").write_text("ada ssh-ed25519 nonsense\n")
    text = verbs.statement(NAME, asked())
    why = why_refused(root / "allowed", "ada", text, sign_statement(text, root / "ada"), NOON)
    assert why
    assert "allowed:1: invalid key" in why


def ledger(*events: Event, version: int = 7) -> list[Event]:
    """Versions 7 and 8 are registered, then something happens, then `version` is promoted by the request, event 2."""
    registered = [
        Registered(actor="cy", time=NOON, version=one, stage="candidate", digest=f"d{one}", files="f", run_id=None)
        for one in (7, 8)
    ]
    last = Promoted(
        actor="mallory", time=NOON, version=version, stage="live", origin="candidate", replaces=None,
        retired="archived", digest="d7", policy="p", report="r", request=2,
    )  # fmt: skip
    return [*registered, *events, last]


def test_what_a_stage_holds_without_approvals_is_found(root: Path) -> None:
    """An event that somebody wrote past the commands: no request, no approval, a false one, one of another version."""
    good = approved(signature_of(root, "ada", asked()))
    forged = approved(signature_of(root, "eve", asked()))

    def missing(*events: Event, version: int = 7) -> str:
        return unapproved(root, rules(), NAME, ledger(*events, version=version)).get("live", "")

    assert missing(asked(), good) == ""
    assert "ask for them" in missing()
    assert "so far: nobody" in missing(asked())
    assert "so far: nobody" in missing(asked(), approved(None))
    assert "so far: nobody" in missing(asked(), forged)
    assert "version 8: the request 2, by which it was promoted, is of something else" in missing(
        asked(), good, version=8
    )
    assert "version 9: it was never registered" in missing(asked(), good, version=9)


def test_an_approval_that_came_later_does_not_count(root: Path) -> None:
    """Nor does one of a rule that does not hold any more matter."""
    good = approved(signature_of(root, "ada", asked()))
    events = [*ledger(asked()), good]
    assert "so far: nobody" in unapproved(root, rules(), NAME, events)["live"]
    assert unapproved(root, rules(approvals=0), NAME, events) == {}


def test_what_a_rollback_brought_back_was_approved_before(root: Path) -> None:
    """The approvals of the promotion count."""
    good = approved(signature_of(root, "ada", asked()))
    other = asked(seq=5, version=8, digest="d8", incumbent=7)
    signed = approved(signature_of(root, "bob", other), actor="bob").model_copy(update={"request": 5})
    second = Promoted(
        actor="cy", time=NOON, version=8, stage="live", origin="candidate", replaces=7, retired="archived", digest="d8",
        policy="p", report="r", request=5,
    )  # fmt: skip
    events = [*ledger(asked(), good), other, signed, second]
    assert unapproved(root, rules(), NAME, events) == {}
    back = RolledBack(actor="cy", time=NOON, version=7, stage="live", replaces=8, retired="archived", digest="d7")
    assert unapproved(root, rules(), NAME, [*events, back]) == {}
    assert "version 7" in unapproved(root, rules(), NAME, [*ledger(asked()), other, signed, second, back])["live"]
