"""What a gate is given, and what it answers."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from modelmill.specs.backbone import BackboneSpec
from modelmill.specs.product import ProductSpec

Status = Literal["pass", "fail", "warn", "skip"]


@dataclass(frozen=True)
class Subject:
    """A version with its files, which lie on this disk.

    `model` is the folder that MLflow logged (MLmodel, input_example.json, code/, artifacts/model/), `evidence` what
    `registry.evidence` collected. `digest` and `files` are those of the ledger.
    """

    name: str
    version: int
    digest: str
    files: str
    run_id: str | None
    model: Path
    evidence: Path


@dataclass(frozen=True)
class Case:
    """A version that wants to enter a stage, and all that its gates may look at.

    `incumbent` is what the stage holds, if anything; `test` the file of the product's test split, which need not be
    there or the right one; `test_uses` how many versions were judged by that same split, this one included.
    """

    subject: Subject
    incumbent: Subject | None
    product: ProductSpec
    backbone: BackboneSpec
    stage: str
    root: Path
    test: Path
    test_uses: int


@dataclass(frozen=True)
class Finding:
    """The answer of a gate: `reason` is one sentence for people, `evidence` plain data."""

    status: Status
    reason: str
    evidence: dict[str, Any] = field(default_factory=dict)
