"""Signatures of model folders: the SHA-256 of every file, by https://github.com/sigstore/model-transparency."""

import json
import sys
import tempfile
from contextlib import redirect_stdout
from pathlib import Path
from typing import TYPE_CHECKING

from modelmill.digest import LOADED
from modelmill.errors import IntegrityError, UserError
from modelmill.specs.registry import RegistrySpec

if TYPE_CHECKING:
    from model_signing.hashing import Config as Hashing

SIGNATURE = "model.sig"
"""The signature of a version, among the files of its run: a Sigstore bundle."""

WANTED = "expected an elliptic-curve key (P-256, P-384 or P-521) as PEM, `-----BEGIN"


def sign_folder(model: Path, key: Path, signature: Path) -> None:
    """Sign all files of a folder.

    Args:
        model: the folder.
        key: a private key of the curve P-256, P-384 or P-521, as PEM without a password.
        signature: the file to write, outside of the folder.

    Raises:
        UserError: when the key cannot be used, or the folder has links or nothing in it.
    """
    from cryptography.exceptions import UnsupportedAlgorithm
    from model_signing.signing import Config

    assert not signature.resolve().is_relative_to(model.resolve()), "a signature cannot be of itself"
    try:
        signer = Config().use_elliptic_key_signer(private_key=_there(key)).set_hashing_config(_all_files(model))
    except (ValueError, TypeError, AttributeError, UnsupportedAlgorithm, OSError) as error:  # TypeError: a password
        raise UserError(f"{key} cannot sign: {_first(error)}; {WANTED} PRIVATE KEY` without a password") from None
    try:
        signer.sign(model, signature)
    except (ValueError, OSError) as error:
        raise UserError(f"{model} cannot be signed: {_first(error)}") from None


def verify_folder(model: Path, signature: Path, public_key: Path) -> None:
    """Check that a folder has the files that were signed, and no others.

    Args:
        model: the folder.
        signature: as `sign_folder` wrote it.
        public_key: of the key that must have signed, as PEM.

    Raises:
        IntegrityError: when it has not, or another key signed.
        UserError: when the key cannot be used.
    """
    from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
    from model_signing.verifying import Config

    try:
        verifier = Config().use_elliptic_key_verifier(public_key=_there(public_key))
    except (ValueError, AttributeError, UnsupportedAlgorithm, OSError) as error:
        raise UserError(f"{public_key} is no key to verify with: {_first(error)}; {WANTED} PUBLIC KEY`") from None
    try:
        with redirect_stdout(sys.stderr):  # it prints its warnings
            verifier.set_hashing_config(_all_files(model)).verify(model, signature)
    except InvalidSignature:
        raise IntegrityError("the signature was not made by the declared key, or was changed") from None
    except json.JSONDecodeError:
        raise IntegrityError(f"{signature.name} is no signature") from None
    except (ValueError, KeyError, TypeError, IndexError, AttributeError) as error:
        raise IntegrityError(f"the signature does not fit the files: {_first(error)}") from None


def sign_if_asked(spec: RegistrySpec, model: Path) -> str | None:
    """Sign a version that is being registered, when `registry.yml` has a key for that.

    Args:
        spec: has the keys; when it has the public one too, the signature is checked by it at once.
        model: the folder that MLflow logged, as the gates will get it.

    Returns:
        the text of the signature, which belongs to the run as `SIGNATURE`; None when no key is declared.

    Raises:
        UserError: when the keys cannot be used.
        IntegrityError: when they do not belong together.
    """
    keys = spec.signing
    if keys.model_key is None:
        return None
    with tempfile.TemporaryDirectory() as folder:
        signature = Path(folder) / SIGNATURE
        sign_folder(model, Path(keys.model_key), signature)
        if keys.model_public_key is not None:
            verify_folder(model, signature, Path(keys.model_public_key))
        return signature.read_text(encoding="utf-8")


def check_keys(spec: RegistrySpec) -> None:
    """Find out before a version is made whether it can be signed; raises what `sign_if_asked` would."""
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "anything").touch()
        sign_if_asked(spec, Path(folder))


def _there(key: Path) -> Path:
    if not key.is_file():
        raise UserError(f"there is no key {key}; docs/how-to/sign.md says how to make one (`registry.yml`: signing)")
    return key


def _all_files(model: Path) -> "Hashing":
    """The library would leave out what belongs to git, and take from the signature what else was left out."""
    from model_signing.hashing import Config

    return Config().set_ignored_paths(paths=[model / LOADED], ignore_git_paths=False)


def _first(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]
