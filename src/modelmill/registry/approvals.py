"""Approvals signed by ssh keys, by `ssh-keygen -Y` (ssh-keygen(1); PROTOCOL.sshsig of OpenSSH)."""

import logging
import os
import subprocess
import tempfile
from datetime import UTC, datetime, timedelta
from pathlib import Path

from modelmill.errors import ApprovalError
from modelmill.registry.events import Approved
from modelmill.registry.state import Request
from modelmill.registry.verbs import Verified, statement
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
