"""What a gate is given, and what it answers."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from modelmill.errors import GateError
from modelmill.specs.backbone import BackboneSpec
from modelmill.specs.product import ProductSpec
from modelmill.specs.registry import SigningSpec

Status = Literal["pass", "fail", "warn", "skip"]


def weights(model: Path) -> Path:
    """The folder with tensors, tokenizer and product.json, in the one that MLflow logged."""
    return model / "artifacts" / "model"


@dataclass(frozen=True)
class Subject:
    """A version with its files, which lie on this disk.

    `model` is the folder that MLflow logged (MLmodel, input_example.json, code/, artifacts/model/), `evidence` what
    `registry.evidence` collected. `digest`, `files` and `evidence_digest` are those of the ledger.
    """

    name: str
    version: int
    digest: str
    files: str
    run_id: str | None
    model: Path
    evidence: Path
    evidence_digest: str | None = None

    def read(self, name: str) -> Any:
        """A JSON file of the evidence.

        Raises:
            GateError: when it is not there.
        """
        return json.loads(self.file(name).read_text(encoding="utf-8"))

    def file(self, name: str) -> Path:
        """A file of the evidence.

        Raises:
            GateError: when it is not there.
        """
        path = self.evidence / name
        if not path.is_file():
            raise GateError(f"cannot tell: version {self.version} was registered without {name}; make a new version")
        return path


@dataclass(frozen=True, kw_only=True)
class Declared:
    """What the project declares of a model.

    `ancestors` are the backbones that `backbone` goes on from, by name, nearest first; `root` is the project's folder,
    `test` the file of the product's test split, which need not be there or the right one.
    """

    product: ProductSpec
    backbone: BackboneSpec
    root: Path
    test: Path
    ancestors: Mapping[str, BackboneSpec] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Case(Declared):
    """A version that wants to enter a stage, and all that its gates may look at.

    `incumbent` is what the stage holds, if anything; `test_uses` how many versions were judged by the same test split,
    this one included; `signing` has the public key of signed models.
    """

    subject: Subject
    incumbent: Subject | None
    stage: str
    test_uses: int
    signing: SigningSpec = field(default_factory=SigningSpec)


@dataclass(frozen=True)
class Finding:
    """The answer of a gate: `reason` is one sentence for people, `evidence` plain data."""

    status: Status
    reason: str
    evidence: dict[str, Any] = field(default_factory=dict)
