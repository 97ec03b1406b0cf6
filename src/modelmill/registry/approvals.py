"""Approvals signed by ssh keys, by `ssh-keygen -Y` (ssh-keygen(1); PROTOCOL.sshsig of OpenSSH)."""

import logging
import os
import subprocess
import tempfile
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Literal

from modelmill.errors import ApprovalError
from modelmill.registry.events import Approved, Event, Promoted
from modelmill.registry.state import Request, fold
from modelmill.registry.verbs import Judged, Verified, check_approvals, statement
from modelmill.specs.registry import RegistrySpec

NAMESPACE = "modelmill-approval"
"""Signatures that a key made for something else, such as a git commit, are none of ours."""


def sign_statement(text: str, key: Path) -> str:
    """Sign what `verbs.statement` says.

    Args:
        text: the statement.
        key: an ssh key; a public one (`.pub`) lets the ssh-agent sign.

    Returns:
        an armoured signature.

    Raises:
        ApprovalError: when there is no ssh-keygen, or the key is not there or cannot be used.
    """
    key = key.expanduser()
    if not key.is_file():
        raise ApprovalError(f"there is no key {key}; `ssh-keygen -t ed25519 -f {key}` makes one")
    done = _ssh_keygen(["-Y", "sign", "-n", NAMESPACE, "-f", str(key)], text)
    if done.returncode:
        raise ApprovalError(f"ssh-keygen cannot sign with {key}: {_said(done)}")
    return done.stdout


def sign_approval(root: Path, spec: RegistrySpec, name: str, request: Request, actor: str, key: Path) -> str:
    """Sign a request as somebody who approves it, and check that others will trust the signature.

    Args:
        root: the project's folder.
        spec: names the file of those who may sign.
        name: of the model.
        request: what is approved.
        actor: who approves.
        key: an ssh key of theirs.

    Raises:
        ApprovalError: when that cannot be done, or the key is not one of theirs.
    """
    text = statement(name, request.event)
    signature = sign_statement(text, key)
    if why := why_refused(_signers(root, spec), actor, text, signature, datetime.now(UTC)):
        raise ApprovalError(
            f"nobody would trust this signature: {why}\n`{spec.signing.allowed_signers}` has to hold a line "
            f'`{actor} namespaces="{NAMESPACE}" KEY` with the public key of {key}; docs/how-to/sign.md says more.'
        )
    return signature


def verified(root: Path, spec: RegistrySpec, name: str) -> Verified:
    """A check of the signatures of approvals.

    A key must have been valid when it signed. That time is a claim of whoever wrote the event; it cannot be earlier
    than the request, nor than the signed end of the request allows.

    Args:
        root: the project's folder.
        spec: names the file of those who may sign.
        name: of the model that the approvals are of.

    Returns:
        whether an approval of a request was signed by a key of its actor; says in the log why not. It raises
        `ApprovalError` when that cannot be told, because there is no ssh-keygen or no file of those who may sign.
    """

    def check(request: Request, approval: Approved) -> bool:
        if approval.signature is None:
            return False
        asked = request.event
        at = max(approval.time, asked.time, asked.expires - timedelta(days=spec.request_days))
        why = why_refused(_signers(root, spec), approval.actor, statement(name, asked), approval.signature, at)
        if why:
            logging.getLogger(__name__).warning("the approval by '%s' does not count: %s", approval.actor, why)
        return why is None

    return check


Standing = Literal["verified", "claimed", "invalid", "unchecked"]
"""What an approval is worth: signed by a key of its actor, not signed, signed by nobody who is trusted, not known."""

WORTH: dict[Standing, str] = {
    "verified": "signature verified",
    "claimed": "claimed",
    "invalid": "signature invalid",
    "unchecked": "with a signature",
}
"""The same for people."""


def standing(root: Path, spec: RegistrySpec, name: str) -> Callable[[Request, Approved], Standing]:
    """What approvals of a model are worth; `unchecked`, with a warning, where a signature cannot be checked here.

    Args:
        root: the project's folder.
        spec: names the file of those who may sign.
        name: of the model.
    """
    check = verified(root, spec, name)

    def told(request: Request, approval: Approved) -> Standing:
        if approval.signature is None:
            return "claimed"
        try:
            return "verified" if check(request, approval) else "invalid"
        except ApprovalError as error:
            logging.getLogger(__name__).warning("%s", error.message)
            return "unchecked"

    return told


def unapproved(root: Path, spec: RegistrySpec, name: str, events: Sequence[Event]) -> dict[str, str]:
    """Stages that hold a version without the approvals that `registry.yml` wants now.

    Who can write to MLflow can write that a version was promoted; that others signed for it he cannot write.

    Args:
        root: the project's folder.
        spec: the stages and their rules.
        name: of the model.
        events: the whole ledger.

    Returns:
        stage to what its version lacks, or why that cannot be told.
    """
    state, missing = fold(events, spec), {}
    for stage, rules in spec.stages.items():
        version = state.holder(stage)
        if version is None or not rules.approvals:
            continue
        entered = [i for i, one in enumerate(events) if isinstance(one, Promoted) and _put(one, version, stage)]
        why = _what_lacks(root, spec, name, events[: entered[-1] + 1]) if entered else "it was never promoted"
        if why:
            missing[stage] = f"version {version}: {why}"
    return missing


def _put(event: Promoted, version: int, stage: str) -> bool:
    return (event.version, event.stage) == (version, stage)


def _what_lacks(root: Path, spec: RegistrySpec, name: str, events: Sequence[Event]) -> str | None:
    """What the promotion, the last of these events, lacks in approvals."""
    event, before = events[-1], fold(events[:-1], spec)
    assert isinstance(event, Promoted)
    asked = before.requests.get(event.request) if event.request else None
    if event.version not in before.registered:
        return "it was never registered"
    if asked and (asked.event.version, asked.event.stage) != (event.version, event.stage):
        return f"the request {asked.event.seq}, by which it was promoted, is of something else"
    incumbent = asked.event.incumbent if asked else None
    judged = Judged(event.version, event.stage, incumbent, event.policy, event.report, passed=True)
    try:
        check_approvals(before, spec, judged, asked, verified(root, spec, name))
    except ApprovalError as error:
        return error.message
    return None


def why_refused(signers: Path, actor: str, text: str, signature: str, at: datetime) -> str | None:
    """What is wrong with a signature; None when it is one of `text`, by a key that `actor` had at that time.

    Args:
        signers: public keys (ssh-keygen(1), ALLOWED SIGNERS); times in it without a Z are read as UTC.
        actor: who must have signed.
        text: what must have been signed.
        signature: armoured.
        at: when.
    """
    with tempfile.NamedTemporaryFile("w", suffix=".sig", encoding="utf-8") as file:
        file.write(signature)
        file.flush()
        when = at.astimezone(UTC).strftime("%Y%m%d%H%M%S")
        who = ["-f", str(signers), "-I", actor, "-n", NAMESPACE, "-O", f"verify-time={when}"]
        done = _ssh_keygen(["-Y", "verify", *who, "-s", file.name], text)
    if done.returncode == 0:
        return None
    return _said(done) or f"{signers.name} has no such key of '{actor}'"


def _signers(root: Path, spec: RegistrySpec) -> Path:
    path = root / spec.signing.allowed_signers
    if not path.is_file():
        raise ApprovalError(
            f"there is no {spec.signing.allowed_signers}, so no signature can be checked. Write the public keys of "
            "those who approve into it, as docs/how-to/sign.md says (`registry.yml`: signing.allowed_signers)."
        )
    return path


def _ssh_keygen(arguments: list[str], text: str) -> "subprocess.CompletedProcess[str]":
    environment = {**os.environ, "TZ": "UTC0", "LC_ALL": "C"}
    try:
        return subprocess.run(
            ["ssh-keygen", *arguments], input=text, env=environment, capture_output=True, text=True, check=False
        )
    except FileNotFoundError:
        raise ApprovalError("there is no `ssh-keygen` here; install OpenSSH 8.9 or later (openssh-client)") from None


def _said(done: "subprocess.CompletedProcess[str]") -> str:
    """What ssh-keygen complains of, in one line."""
    noise = ("@", "Signing data")
    return "; ".join(line.strip() for line in done.stderr.splitlines() if line.strip() and not line.startswith(noise))
