"""What a gate is given, and what it answers."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from modelmill.registry.version_files import Subject
from modelmill.specs.backbone import BackboneSpec
from modelmill.specs.product import ProductSpec
from modelmill.specs.registry import SigningSpec

Status = Literal["pass", "fail", "warn", "skip"]


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

    `incumbent` is what the stage holds, if anything; `test_uses` counts the versions that were judged by the same test
    split, this one included; `signing` has the public key of signed models.
    """

    subject: Subject
    incumbent: Subject | None
    stage: str
    test_uses: Callable[[], int]
    signing: SigningSpec = field(default_factory=SigningSpec)


@dataclass(frozen=True)
class Finding:
    """The answer of a gate: `reason` is one sentence for people, `evidence` plain data."""

    status: Status
    reason: str
    evidence: dict[str, Any] = field(default_factory=dict)
