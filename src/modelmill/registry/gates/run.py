"""Asking the gates of a stage."""

import hashlib
import json
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

from modelmill.errors import UserError
from modelmill.progress import bar
from modelmill.registry.gates import behaviour, comparison, contents, contract, provenance, quality
from modelmill.registry.gates.base import Case, Finding, Status
from modelmill.registry.gates.licence import licence
from modelmill.registry.gates.signed import signed
from modelmill.specs.registry import Gates

Check = Callable[[Any, Case], Finding]
"""(declaration of the gate, case) -> finding. A `UserError` counts as 'fail'."""

CHECKS: dict[str, Check] = {
    "commit": provenance.commit,
    "data": provenance.data,
    "environment": provenance.environment,
    "digest": contents.digest,
    "no_pickle": contents.no_pickle,
    "signature": contents.signature,
    "clean_load": contents.clean_load,
    "floors": quality.floors,
    "overlap": quality.overlap,
    "card": quality.card,
    "licence": licence,
    "signed": signed,
    "non_inferiority": comparison.non_inferiority,
    "slices": comparison.slices,
    "robustness": behaviour.robustness,
    "calibration": comparison.calibration,
    "cost": behaviour.cost,
    "compatible": contract.compatible,
    "test_use": contract.test_use,
}
"""By name of a gate in `registry.yml`."""


@dataclass(frozen=True)
class Result:
    """What one gate said."""

    gate: str
    required: bool
    status: Status
    reason: str
    evidence: dict[str, Any]

    @property
    def stops(self) -> bool:
        """Whether the version may not go on: a required gate that could not be asked says no."""
        return self.required and self.status in ("fail", "skip")


@dataclass(frozen=True)
class GateReport:
    """All gates of one stage, asked about one version: `gates/<stage>-<hash>.json` of its run."""

    name: str
    version: int
    digest: str
    stage: str
    incumbent: int | None
    policy: str
    time: str
    results: list[Result]

    @property
    def passed(self) -> bool:
        """Whether the version may enter."""
        return not any(result.stops for result in self.results)

    def text(self) -> str:
        """The file."""
        return json.dumps({"schema": 1, "passed": self.passed, **asdict(self)}, indent=2, ensure_ascii=False) + "\n"

    @property
    def hash(self) -> str:
        """SHA-256 of the file."""
        return hashlib.sha256(self.text().encode()).hexdigest()


def run_gates(gates: Gates, case: Case) -> list[Result]:
    """Ask every gate, also after one said no: a user wants to know all that is wrong."""
    asked = gates.asked()
    results = []
    with bar(f"gates of {case.stage}", len(asked), "gates") as progress:
        for name, declared in asked.items():
            try:
                finding = CHECKS[name](declared, case)
            except UserError as error:
                finding = Finding("fail", error.message)
            results.append(Result(name, declared.required, finding.status, finding.reason, finding.evidence))
            progress.update()
    return results
