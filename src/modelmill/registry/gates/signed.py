"""The signature of a version's files."""

from pathlib import Path

from modelmill.errors import IntegrityError
from modelmill.registry.gates.base import Case, Finding
from modelmill.registry.model_signing import SIGNATURE, verify_folder
from modelmill.specs.registry import Gate


def signed(declared: Gate, case: Case) -> Finding:
    """Whether the key that `registry.yml` names signed exactly these files, when they were registered.

    Raises:
        UserError: when that key cannot be used.
    """
    key = case.signing.model_public_key
    if key is None:
        return Finding("skip", "`registry.yml` declares no key to check by (signing.model_public_key)")
    signature = case.subject.evidence / SIGNATURE
    if not signature.is_file():
        return Finding("fail", f"the version is not signed: its run has no {SIGNATURE}", {"public_key": key})
    try:
        verify_folder(case.subject.model, signature, Path(key))
    except IntegrityError as error:
        return Finding("fail", error.message, {"public_key": key})
    return Finding("pass", f"signed by the key of {key}", {"public_key": key})
