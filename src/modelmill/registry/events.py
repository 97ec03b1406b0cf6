"""What happens to versions: typed events, each bound to the one before by its hash.

An event is one JSON object with sorted keys; its hash is the SHA-256 of that text, and the next event holds it as
`prev`. Fields are never renamed: ledgers that were written once are read for ever.
"""

import hashlib
import json
from datetime import UTC, datetime
from typing import Annotated, Literal
from uuid import uuid4

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter

START = "0" * 64
"""What the first event holds as `prev`."""


def now() -> datetime:
    """The time of an event, in UTC, to the second."""
    return datetime.now(UTC).replace(microsecond=0)


def _empty(value: dict[str, str]) -> bool:
    """Left out of the text, which thus stays as it was before there was such a field."""
    return not value


class _Event(BaseModel):
    """What every event has. `seq` and `prev` are given when it is appended."""

    model_config = ConfigDict(extra="forbid", frozen=True, protected_namespaces=())

    id: str = Field(default_factory=lambda: uuid4().hex)
    seq: int = 0
    prev: str = START
    time: datetime = Field(default_factory=now)
    actor: str
    reason: str = ""

    def text(self) -> str:
        """The one form that is hashed and kept."""
        return json.dumps(self.model_dump(mode="json"), sort_keys=True, ensure_ascii=False, separators=(",", ":"))

    @property
    def hash(self) -> str:
        """SHA-256 of the text, in hexadecimal."""
        return hashlib.sha256(self.text().encode()).hexdigest()


class Registered(_Event):
    """A version came into the registry, in `stage`, the first one at that time.

    `digest` is of its tensors, `files` of all files of its folder, `evidence` of what it is judged by, if anything.
    `given` and `made` are data that it was made from, path to DVC's hash, as its `lineage.json` says; `given` is what
    no stage made, also addresses of packages with a digest. Events without them are of versions that DVC knew nothing
    of.
    """

    kind: Literal["registered"] = "registered"
    version: int
    stage: str
    digest: str
    files: str
    evidence: str | None = None
    run_id: str | None
    given: dict[str, str] = Field(default={}, exclude_if=_empty)
    made: dict[str, str] = Field(default={}, exclude_if=_empty)


class Requested(_Event):
    """Somebody asks that a version enters a stage; approvals are of this request.

    `incumbent` is what the stage held, `policy` and `report` the hashes of the rules and of the gate report.
    """

    kind: Literal["requested"] = "requested"
    version: int
    stage: str
    incumbent: int | None
    digest: str
    policy: str
    report: str
    expires: datetime


class Approved(_Event):
    """Somebody agrees to a request. `signature` is an armoured SSH signature of `verbs.statement`."""

    kind: Literal["approved"] = "approved"
    request: int
    signature: str | None = None


class Rejected(_Event):
    """Somebody refuses a request, which ends it."""

    kind: Literal["rejected"] = "rejected"
    request: int


class Promoted(_Event):
    """A version entered a stage, and what was there left it for the stage `retired`."""

    kind: Literal["promoted"] = "promoted"
    version: int
    stage: str
    origin: str
    replaces: int | None
    retired: str
    digest: str
    policy: str
    report: str
    request: int | None = None


class RolledBack(_Event):
    """A stage went back to the version that it held before; what it held went to the stage `retired`."""

    kind: Literal["rolled_back"] = "rolled_back"
    version: int
    stage: str
    replaces: int
    retired: str
    digest: str


class Revoked(_Event):
    """A version was withdrawn for good, to the stage `retired`; where it was is now `fallback`, or nothing."""

    kind: Literal["revoked"] = "revoked"
    version: int
    stage: str
    fallback: int | None
    retired: str


class Reconciled(_Event):
    """MLflow's aliases were not what the ledger says, and were set right: alias to (found, should be)."""

    kind: Literal["reconciled"] = "reconciled"
    aliases: dict[str, tuple[int | None, int | None]]


class Collected(_Event):
    """The files of a version were deleted."""

    kind: Literal["collected"] = "collected"
    version: int


class Reproduced(_Event):
    """A version was built again: `digest` is of what came out, `first` the first artifact on the way that differs.

    `differences` are those of what it was made from.
    """

    kind: Literal["reproduced"] = "reproduced"
    version: int
    verdict: Literal["identical", "equivalent", "different"]
    digest: str
    first: str | None
    differences: tuple[str, ...]


Event = Annotated[
    Registered
    | Requested
    | Approved
    | Rejected
    | Promoted
    | RolledBack
    | Revoked
    | Reconciled
    | Collected
    | Reproduced,
    Field(discriminator="kind"),
]
EVENT: TypeAdapter[Event] = TypeAdapter(Event)
