"""Signed model folders: every file counts, and only the declared key."""

import json
import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    KeySerializationEncryption,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)

from modelmill.errors import IntegrityError, UserError
from modelmill.registry.model_signing import check_keys, sign_folder, sign_if_asked, verify_folder
from modelmill.specs.registry import RegistrySpec
from tests.conftest import ROOT

PLAIN = NoEncryption()


def write_key(folder: Path, name: str, private: object, encryption: KeySerializationEncryption = PLAIN) -> None:
    """A pair of keys as PEM."""
    assert isinstance(private, (ec.EllipticCurvePrivateKey, ed25519.Ed25519PrivateKey))
    pem = private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, encryption)
    (folder / f"{name}.pem").write_bytes(pem)
    public = private.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    (folder / f"{name}.pub.pem").write_bytes(public)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Keys `ours` and `theirs`, and a model folder as MLflow logs it."""
    for name in ("ours", "theirs"):
        write_key(tmp_path, name, ec.generate_private_key(ec.SECP256R1()))
    for name, text in {
        "MLmodel": "run_id: 1\n",
        "code/model.py": "x = 1\n",
        "artifacts/model/w.safetensors": "w",
    }.items():
        path = tmp_path / "model" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return tmp_path


def signed(root: Path, key: str = "ours") -> Path:
    """The signature of the folder."""
    sign_folder(root / "model", root / f"{key}.pem", root / "model.sig")
    return root / "model.sig"


def check(root: Path) -> None:
    """By our key."""
    verify_folder(root / "model", root / "model.sig", root / "ours.pub.pem")


def test_what_was_signed_is_valid_wherever_it_lies(root: Path) -> None:
    """The folder's name and place do not matter; a download is as good as the original."""
    signed(root)
    check(root)
    (root / "elsewhere").mkdir()
    shutil.move(root / "model", root / "elsewhere/other")
    verify_folder(root / "elsewhere/other", root / "model.sig", root / "ours.pub.pem")


CHANGES: dict[str, tuple[Callable[[Path], object], str]] = {
    "a byte": (lambda model: (model / "artifacts/model/w.safetensors").write_text("v"), "w.safetensors"),
    "a file more": (lambda model: (model / "code/evil.py").write_text(""), "Extra files.*code/evil.py"),
    "a hidden file more": (lambda model: (model / ".gitignore").write_text(""), "Extra files.*.gitignore"),
    "a file less": (lambda model: (model / "code/model.py").unlink(), "Missing files.*code/model.py"),
    "another name": (lambda model: (model / "code/model.py").rename(model / "code/m.py"), "Extra files.*code/m.py"),
    "a link": (lambda model: (model / "code/link.py").symlink_to(model / "code/model.py"), "symlink"),
    "no files": (shutil.rmtree, "missing"),
    "compiled code": (
        lambda model: [(model / "code/__pycache__").mkdir(), (model / "code/__pycache__/model.pyc").write_text("")],
        "Extra files.*model.pyc",
    ),
}


@pytest.mark.parametrize("case", CHANGES)
def test_every_change_of_the_files_is_found(root: Path, case: str) -> None:
    """And named."""
    signed(root)
    change, said = CHANGES[case]
    change(root / "model")
    with pytest.raises(IntegrityError, match=f"does not fit the files: .*{said}"):
        check(root)


def test_what_mlflow_writes_on_loading_does_not_count(root: Path) -> None:
    """A version on a local disk that somebody loaded by its alias; only at the top of the folder."""
    signed(root)
    (root / "model/registered_model_meta").write_text("model_name: mood\n")
    check(root)
    (root / "model/code/registered_model_meta").write_text("model_name: mood\n")
    with pytest.raises(IntegrityError, match="code/registered_model_meta"):
        check(root)


def test_another_key_is_refused(root: Path) -> None:
    """Also where the signature says that it is by ours."""
    text = json.loads(signed(root, "theirs").read_text())
    with pytest.raises(IntegrityError, match="Key mismatch"):
        check(root)
    hint = json.loads(signed(root).read_text())["verificationMaterial"]
    (root / "model.sig").write_text(json.dumps(text | {"verificationMaterial": hint}))
    with pytest.raises(IntegrityError, match="not made by the declared key, or was changed"):
        check(root)


def test_a_signature_without_a_hint_prints_nothing(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The library warns by `print`, which would break the JSON of a command."""
    bundle = json.loads(signed(root).read_text())
    del bundle["verificationMaterial"]["publicKey"]["hint"]
    (root / "model.sig").write_text(json.dumps(bundle))
    check(root)
    printed = capsys.readouterr()
    assert printed.out == ""
    assert "WARNING" in printed.err


@pytest.mark.parametrize("text", ["", "{}", "[]", '{"verificationMaterial": {}}', "prose"])
def test_what_is_no_signature_is_refused(root: Path, text: str) -> None:
    """By one clear error."""
    (root / "model.sig").write_text(text)
    with pytest.raises(IntegrityError):
        check(root)


def test_the_signed_list_cannot_be_edited(root: Path) -> None:
    """The list of files is what was signed."""
    bundle = json.loads(signed(root).read_text())
    payload = bundle["dsseEnvelope"]["payload"]
    bundle["dsseEnvelope"]["payload"] = payload[:-8] + ("A" if payload[-8] != "A" else "B") + payload[-7:]
    (root / "model.sig").write_text(json.dumps(bundle))
    with pytest.raises(IntegrityError, match="not made by the declared key, or was changed"):
        check(root)


def test_keys_that_cannot_be_used_are_one_clear_error(root: Path) -> None:
    """Not there, of another kind, with a password, or no key."""
    write_key(root, "edwards", ed25519.Ed25519PrivateKey.generate())
    write_key(root, "koblitz", ec.generate_private_key(ec.SECP256K1()))
    write_key(root, "locked", ec.generate_private_key(ec.SECP256R1()), BestAvailableEncryption(b"secret"))
    (root / "prose.pem").write_text("no key\n")
    for name in ("edwards", "koblitz", "locked", "prose"):
        with pytest.raises(UserError, match=rf"{name}.pem cannot sign: .*BEGIN PRIVATE KEY` without a password"):
            signed(root, name)
    signed(root)
    for name in ("edwards.pub.pem", "koblitz.pub.pem", "prose.pem", "ours.pem"):
        with pytest.raises(UserError, match=rf"{name} is no key to verify with: .*BEGIN PUBLIC KEY"):
            verify_folder(root / "model", root / "model.sig", root / name)
    with pytest.raises(UserError, match=r"there is no key .*/nobody.pem; docs/how-to/sign.md says how to make one"):
        signed(root, "nobody")


def rules(**signing: str) -> RegistrySpec:
    """A registry with these keys."""
    stages = {"candidate": {}, "archived": {"from": "candidate"}}
    return RegistrySpec.model_validate({"stages": stages, "signing": signing})


def test_registration_signs_when_a_key_is_declared(root: Path) -> None:
    """The text is the signature; nothing is left in the folder."""
    before = sorted((root / "model").rglob("*"))
    assert sign_if_asked(rules().anchored(root), root / "model") is None
    text = sign_if_asked(rules(model_key="ours.pem", model_public_key="ours.pub.pem").anchored(root), root / "model")
    assert text
    (root / "model.sig").write_text(text)
    check(root)
    assert sorted((root / "model").rglob("*")) == before


def test_keys_that_do_not_belong_together_are_found_at_once(root: Path) -> None:
    """Not when the version is to be promoted."""
    with pytest.raises(IntegrityError, match="Key mismatch"):
        sign_if_asked(rules(model_key="ours.pem", model_public_key="theirs.pub.pem").anchored(root), root / "model")


def test_keys_are_tried_before_a_version_is_made(root: Path) -> None:
    """Else it would be there, and unsigned."""
    check_keys(rules().anchored(root))
    check_keys(rules(model_key="ours.pem", model_public_key="ours.pub.pem").anchored(root))
    with pytest.raises(UserError, match=r"there is no key .*nobody.pem"):
        check_keys(rules(model_key="nobody.pem").anchored(root))
    with pytest.raises(IntegrityError, match="Key mismatch"):
        check_keys(rules(model_key="ours.pem", model_public_key="theirs.pub.pem").anchored(root))


def test_the_keys_of_the_how_to_are_good(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What docs/how-to/sign.md says to type makes what its section `signing` names, and that signs and verifies."""
    assert shutil.which("openssl"), "this test needs the command `openssl`"
    text = (ROOT / "docs/how-to/sign.md").read_text(encoding="utf-8")
    (commands,) = [block for block in re.findall("```bash\n(.*?)```", text, re.DOTALL) if "openssl" in block]
    (declared,) = [block for block in re.findall("```yaml\n(.*?)```", text, re.DOTALL) if "model_key" in block]
    monkeypatch.setenv("HOME", str(root))
    (root / "conf/base").mkdir(parents=True)
    subprocess.run(["bash", "-ec", commands], cwd=root, check=True, capture_output=True)
    assert (root / ".modelmill/model.pem").stat().st_mode & 0o077 == 0
    spec = rules(**yaml.safe_load(declared)["signing"])
    assert sign_if_asked(spec.anchored(root), root / "model")
