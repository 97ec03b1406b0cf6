"""The gates `licence` and `signed`."""

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from cryptography.hazmat.primitives.asymmetric import ec

from modelmill.registry.gates.base import Case
from modelmill.registry.gates.run import Result, run_gates
from modelmill.registry.model_signing import SIGNATURE, sign_folder
from modelmill.registry.version_files import Subject
from modelmill.specs.backbone import BackboneSpec
from modelmill.specs.product import ProductSpec
from modelmill.specs.registry import Gates, SigningSpec
from tests.registry.test_model_signing import write_key

PRODUCT = ProductSpec.model_validate(
    {"task": "text_classification", "source": {"files": "{label}.txt"}, "backbone": "small"}
)


def backbone(licence: str | None, *, from_: str | None = None, model: str | None = None) -> BackboneSpec:
    """Taken from somewhere, or made here, or made here from another one."""
    if model:
        return BackboneSpec(licence=licence, model=model)
    made = {"corpus": {"products": "mood"}} | ({"from": from_} if from_ else {})
    return BackboneSpec.model_validate({"licence": licence, "pretraining": made})


def case(root: Path, first: BackboneSpec, signing: SigningSpec | None = None, **ancestors: BackboneSpec) -> Case:
    """A version in `root`; what it was made from is written by `made_from`."""
    for folder in ("model", "evidence"):
        (root / folder).mkdir(exist_ok=True)
    (root / "model/MLmodel").write_text("run_id: 1\n")
    subject = Subject("mood", 3, "d", "f", "1", root / "model", root / "evidence")
    return Case(
        subject=subject, incumbent=None, product=PRODUCT, backbone=first, stage="staging", root=root,
        test=root / "test.parquet", test_uses=lambda: 1, ancestors=ancestors, signing=signing or SigningSpec(),
    )  # fmt: skip


def made_from(case: Case, lineage: dict[str, Any], name: str = "small") -> Case:
    """What the version says of its backbone."""
    evidence = case.subject.evidence
    (evidence / "config.yml").write_text(yaml.safe_dump({"mood": {"backbone": name}}))
    (evidence / "lineage.json").write_text(json.dumps({"backbone": {"digest": "b", **lineage}}))
    return case


def asked(case: Case, **gates: Any) -> Result:
    """What the one gate says."""
    (result,) = run_gates(Gates.model_validate(gates), case)
    return result


HERE = {"corpus_sha256": "c"}


@pytest.mark.parametrize(
    ("licence", "allow", "status", "reason"),
    [
        ("MIT", None, "pass", "allowed: MIT (small)"),
        ("MIT OR GPL-3.0-only", None, "pass", "allowed: MIT OR GPL-3.0-only (small)"),
        ("MIT AND GPL-3.0-only", None, "fail", "not on the list of licences that are allowed: GPL-3.0-only (small)"),
        ("LicenseRef-Ours", None, "fail", "not on the list of licences that are allowed: LicenseRef-Ours (small)"),
        ("LicenseRef-Ours", ["LicenseRef-Ours"], "pass", "allowed: LicenseRef-Ours (small)"),
        (None, None, "fail", "cannot tell: no `licence` is declared of small"),
    ],
)
def test_the_licence_of_the_backbone(
    tmp_path: Path, licence: str | None, allow: list[str] | None, status: str, reason: str
) -> None:
    """On the list, not on it, or not known; what is not known is no pass."""
    found = asked(made_from(case(tmp_path, backbone(licence)), HERE), licence={"allow": allow} if allow else {})
    assert (found.status, found.reason) == (status, reason)
    assert found.stops is (status == "fail")


def test_the_licences_of_what_a_backbone_goes_on_from(tmp_path: Path) -> None:
    """A free one on top of one that is not free is not free."""
    lineage = HERE | {"from": HERE | {"name": "middle", "from": {"name": "base", "taken_from": "hf://a/b"}}}

    def judged(base: str | None) -> Result:
        ancestors = {"middle": backbone("MIT", from_="base"), "base": backbone(base, model="hf://a/b")}
        return asked(made_from(case(tmp_path, backbone("MIT", from_="middle"), **ancestors), lineage), licence={})

    assert judged("Apache-2.0").reason == "allowed: MIT (small); MIT (middle); Apache-2.0 (base)"
    assert judged("CC-BY-NC-4.0").reason.endswith("allowed: CC-BY-NC-4.0 (base)")
    assert judged(None).reason == "cannot tell: no `licence` is declared of base"
    assert judged("CC-BY-NC-4.0").evidence["licences"]["base"] == "CC-BY-NC-4.0"


@pytest.mark.parametrize(
    ("lineage", "name", "reason"),
    [
        (HERE, "other", "made from `other` (made here), and `small` (made here) is declared now"),
        ({"taken_from": "hf://a/b"}, "small", "made from `small` (hf://a/b), and `small` (made here) is declared now"),
        (
            HERE | {"from": {"name": "base", "taken_from": "hf://a/b"}}, "small",
            "made from `base` (hf://a/b), and no further backbone is declared now",
        ),
    ],
)  # fmt: skip
def test_a_version_of_another_backbone_is_not_judged_by_this_ones_licence(
    tmp_path: Path, lineage: dict[str, Any], name: str, reason: str
) -> None:
    """What is declared now says nothing of what the version was made from before."""
    found = asked(made_from(case(tmp_path, backbone("MIT")), lineage, name), licence={})
    assert found.status == "fail"
    assert found.reason.startswith(f"cannot tell: the version was {reason}")


def test_ancestors_that_the_version_does_not_have_are_noticed(tmp_path: Path) -> None:
    """The other way round."""
    found = asked(made_from(case(tmp_path, backbone("MIT"), base=backbone("MIT")), HERE), licence={})
    assert "made from no further backbone, and `base` (made here) is declared now" in found.reason


def test_a_version_that_does_not_say_what_it_was_made_from(tmp_path: Path) -> None:
    """Is not judged."""
    found = asked(case(tmp_path, backbone("MIT")), licence={})
    assert found.reason.startswith("cannot tell: version 3 was registered without config.yml")


def test_a_signature_by_the_declared_key(tmp_path: Path) -> None:
    """Valid, of other files, by another key, missing; and no key to check by, which stops where it is required."""
    for name in ("ours", "theirs"):
        write_key(tmp_path, name, ec.generate_private_key(ec.SECP256R1()))
    key = str(tmp_path / "ours.pub.pem")
    keyed = case(tmp_path, backbone("MIT"), SigningSpec(model_public_key=key))
    model, signature = keyed.subject.model, keyed.subject.evidence / SIGNATURE

    assert asked(keyed, signed={}).reason == "the version is not signed: its run has no model.sig"
    sign_folder(model, tmp_path / "ours.pem", signature)
    found = asked(keyed, signed={})
    assert (found.status, found.reason) == ("pass", f"signed by the key of {key}")

    (model / "MLmodel").write_text("run_id: 2\n")
    found = asked(keyed, signed={})
    assert found.stops
    assert "does not fit the files: Signature mismatch" in found.reason
    assert "MLmodel" in found.reason

    sign_folder(model, tmp_path / "theirs.pem", signature)
    assert "Key mismatch" in asked(keyed, signed={}).reason

    keyless = asked(case(tmp_path, backbone("MIT")), signed={})
    assert (keyless.status, keyless.stops) == ("skip", True)
    assert not asked(case(tmp_path, backbone("MIT")), signed={"required": False}).stops
    lost = asked(case(tmp_path, backbone("MIT"), SigningSpec(model_public_key="nobody.pem")), signed={})
    assert lost.status == "fail"
    assert "there is no key" in lost.reason
