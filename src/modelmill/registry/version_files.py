"""A version with its files, which lie on this disk."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from modelmill.errors import GateError
from modelmill.registry.evidence import LINEAGE
from modelmill.registry.lineage import again


def weights(model: Path) -> Path:
    """The folder with tensors, tokenizer and product.json, in the one that MLflow logged."""
    return model / "artifacts" / "model"


def tested_on(lineage: str) -> str:
    """SHA-256 of the test records that a version was judged by, from the text of its lineage."""
    digest: str = json.loads(lineage)["splits"]["test"]["sha256"]
    return digest


@dataclass(frozen=True)
class Subject:
    """A version with its files.

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
            raise GateError(
                f"cannot tell: version {self.version} was registered without {name}; {again(self.name)} brings it"
            )
        return path

    @property
    def test_split(self) -> str:
        """SHA-256 of the test records that it was judged by.

        Raises:
            GateError: when it was registered without its lineage.
        """
        return tested_on(self.file(LINEAGE).read_text(encoding="utf-8"))
