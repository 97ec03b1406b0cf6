"""How models get from stage to stage: `conf/<env>/registry.yml`."""

import re
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import (
    BeforeValidator,
    Field,
    PlainSerializer,
    SerializerFunctionWrapHandler,
    model_serializer,
    model_validator,
)

from modelmill.specs.base import MistakesError, OneOrMore, Share, Spec
from modelmill.specs.files import Key, hint
from modelmill.specs.licences import Identifier

UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800}


def _seconds(value: Any) -> Any:
    if isinstance(value, timedelta):
        return value
    match = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*([smhdw])\s*", value) if isinstance(value, str) else None
    if not match:
        raise ValueError(f"expected a time such as `30m`, `12h` or `7d`, got {value!r}")
    return timedelta(seconds=float(match[1]) * UNITS[match[2]])


Duration = Annotated[
    timedelta,
    BeforeValidator(_seconds, json_schema_input_type=Annotated[str, Field(pattern=r"^\s*\d+(\.\d+)?\s*[smhdw]\s*$")]),
    PlainSerializer(lambda value: f"{value.total_seconds():.12g}s", return_type=str),
    Field(ge=timedelta(0), json_schema_extra={"default": "0s"}),
]
"""A time: `30m`, `12h`, `7d`."""


class Gate(Spec):
    """What every gate has."""

    required: bool = Field(True, description="a gate that is not required can warn, but never stops a version")


class CommitGate(Gate):
    """The version was made from committed code: git was clean, and the commit is still reachable from a branch."""

    branch: str | None = Field(None, description="the branch that must hold the commit; any branch by default")


class OverlapGate(Gate):
    """Test texts that the model, or its backbone, has read in training."""

    at_most: Share = Field(0.0, description="of the test texts")


class LicenceGate(Gate):
    """The licences of the backbone and of those that it goes on from, SPDX expressions, are ones that we may use."""

    allow: list[Identifier] = Field(
        default_factory=lambda: ["Apache-2.0", "BSD-2-Clause", "BSD-3-Clause", "CC-BY-4.0", "CC0-1.0", "MIT"],
        description="SPDX identifiers, with their exception if any: `GPL-2.0-only WITH Classpath-exception-2.0`",
    )


class NonInferiorityGate(Gate):
    """Not worse than the incumbent on the same test records; a first version: than the baselines."""

    metric: str | None = Field(None, description="default: the product's `evaluation.metric`")
    margin: float = Field(0.01, gt=0, lt=1, description="the loss that would still be accepted, 0.01 is one point")
    confidence: float = Field(0.95, gt=0.5, lt=1, description="one-sided")
    power: float = Field(
        0.8, gt=0, lt=1, description="of an equally good version to pass; with less the answer is 'cannot tell'"
    )
    resamples: int = Field(2000, ge=100)
    seed: int = Field(0, ge=0)


SliceBy = Literal["label", "length", "source"]


class SlicesGate(Gate):
    """No part of the test records on which the version is worse than the incumbent."""

    by: Annotated[list[SliceBy], OneOrMore()] = Field(["label", "length"], description="what the records are parted by")
    margin: float = Field(0.0, ge=0, lt=1, description="the loss of accuracy that would still be accepted in a part")
    detectable: float = Field(
        0.03, gt=0, lt=1, description="the loss of accuracy in a part that is to be found with 80%; else the gate warns"
    )
    confidence: float = Field(0.95, gt=0.5, lt=1, description="for all parts together (Holm 1979)")
    min_items: int = Field(30, ge=1, description="smaller parts are not tested: no loss would be found there")

    @model_validator(mode="after")
    def _beyond_the_margin(self) -> Self:
        if self.detectable <= self.margin:
            raise MistakesError(
                {("detectable",): f"{self.detectable} is not above `margin` {self.margin}, the loss that is accepted"}
            )
        return self


class RobustnessGate(Gate):
    """Answers stay the same under typing errors, other case and harmless rewording (Ribeiro et al. 2020)."""

    records: int = Field(200, ge=1, description="test records that are rewritten")
    at_most: Share = Field(0.15, description="answers that change, for each way of rewriting")
    margin: Share = Field(0.05, description="more than the incumbent's")
    seed: int = Field(0, ge=0)


class CalibrationGate(Gate):
    """The calibration error is not larger than the incumbent's."""

    margin: Share = 0.02


class CostGate(Gate):
    """How much slower, hungrier and larger than the incumbent a version may be: 1.25 is a quarter more."""

    latency: float = Field(1.25, gt=0, description="95th percentile of single texts")
    memory: float = Field(1.25, gt=0, description="peak of the process")
    size: float = Field(1.5, gt=0, description="bytes of the files")
    calls: int = Field(100, ge=20)


class UseGate(Gate):
    """How many versions were judged by this same test split: each look wears it out (Dwork et al. 2015)."""

    warn_above: int = Field(20, ge=1)


class Gates(Spec):
    """The gates of a stage, by name; those that are not named are not asked, and not written either."""

    commit: CommitGate | None = None
    data: Gate | None = Field(
        None, description="source files are those that git, DVC or the lock file has at the commit; `dvc add` your own"
    )
    environment: Gate | None = Field(None, description="the lock file of the commit is the one that it was made with")
    digest: Gate | None = Field(None, description="the files are those that were registered")
    no_pickle: Gate | None = Field(None, description="nothing in the folder is a pickle")
    signature: Gate | None = Field(None, description="signature and input example are there and fit each other")
    clean_load: Gate | None = Field(None, description="loads and predicts in a process of its own")
    floors: Gate | None = Field(
        None, description="a product's `gates: {staging: {metric: macro_f1, at_least: 0.85}}`, or `at_most`"
    )
    overlap: OverlapGate | None = None
    card: Gate | None = Field(None, description="the model card is complete")
    licence: LicenceGate | None = None
    signed: Gate | None = Field(None, description="the files carry a valid signature")
    non_inferiority: NonInferiorityGate | None = None
    slices: SlicesGate | None = None
    robustness: RobustnessGate | None = None
    calibration: CalibrationGate | None = None
    cost: CostGate | None = None
    compatible: Gate | None = Field(None, description="same labels and signature as the incumbent")
    test_use: UseGate | None = None

    @model_validator(mode="before")
    @classmethod
    def _not_bare(cls, given: Any) -> Any:
        """`digest:` without braces is null in YAML: it looks as if it were asked."""
        bare = [name for name, gate in given.items() if gate is None] if isinstance(given, dict) else []
        if bare:
            message = "`{0}: {{}}` asks this gate, `{0}: {{required: false}}` lets it warn; without either take it away"
            raise MistakesError({(name,): message.format(name) for name in bare})
        return given

    @model_serializer(mode="wrap")
    def _asked_only(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        return {name: gate for name, gate in handler(self).items() if gate is not None}

    def asked(self) -> dict[str, Gate]:
        """Those that are asked, in the order above."""
        return {name: gate for name in type(self).model_fields if (gate := getattr(self, name)) is not None}


class StageSpec(Spec):
    """A stage, and what a version needs to enter it."""

    from_: Annotated[list[str], OneOrMore()] = Field(
        default_factory=list, alias="from", description="stages that a version may come from"
    )
    gates: Gates = Field(Gates(), description="what is asked of a version, below")
    approvals: int = Field(0, ge=0, description="people who must agree, other than the one who asks")
    approvers: list[str] = Field(default_factory=list, description="who may; empty: anyone else")
    soak: Duration = Field(timedelta(0), description="time that a version must have spent in the stage before")
    cool_down: Duration = Field(timedelta(0), description="time since the last change of this stage")


class SigningSpec(Spec):
    """Who signs, and what must be signed."""

    allowed_signers: str = Field(
        "conf/base/allowed_signers", description="public ssh keys (ssh-keygen(1), ALLOWED SIGNERS)"
    )
    approvals: Literal["required", "optional"] = Field("optional", description="optional: unsigned ones are claims")
    model_key: str | None = Field(None, description="private EC key (PEM) that signs the files of new versions")
    model_public_key: str | None = Field(None, description="its public key (PEM), by which they are checked")


class NotifySpec(Spec):
    """Where events are sent (https://www.standardwebhooks.com)."""

    url: str = Field(description="every event of a ledger is posted there, at least once and in order")
    secret_env: str = Field("MODELMILL_WEBHOOK_SECRET", description="the variable that holds the secret, whsec_...")
    attempts: int = Field(3, ge=1, description="of each post, before the next verb tries again")


class RegistrySpec(Spec):
    """Stages in their order; the first takes what is registered, and `retired` what was replaced."""

    stages: dict[Annotated[str, Field(pattern="^[a-z][a-z0-9_]*$")], StageSpec] = Field(
        min_length=2, description="two or more, by name"
    )
    retired: str = Field("archived", description="the stage of what was replaced; it has no alias")
    request_days: int = Field(14, ge=1, description="after so many days a request and its approvals are void")
    signing: SigningSpec = Field(SigningSpec(), description="who signs, and what must be signed")
    notify: NotifySpec | None = Field(None, description="where events are sent")
    keep_events: int = Field(50, ge=0, description="`gc` keeps what the last so many events are about")
    keep_rollbacks: int = Field(3, ge=1, description="so many versions back `gc` lets every stage still go")

    @model_validator(mode="after")
    def _known_stages(self) -> Self:
        if found := dict(self._mistakes()):
            raise MistakesError(found)
        return self

    def _mistakes(self) -> Iterator[tuple[Key, str]]:
        known = list(self.stages)
        for name, stage in self.stages.items():
            others = [other for other in known if other != name]
            for i, one in enumerate(stage.from_):
                if one not in others:
                    what = "a stage is not entered from itself" if one == name else f"unknown stage '{one}'"
                    yield ("stages", name, "from", i), f"{what}; {hint(one, others)}"
            people = len(set(stage.approvers))
            if people and stage.approvals > people:
                yield ("stages", name, "approvals"), f"{stage.approvals} approvals of {people} people: lower it"
        if self.retired not in known[1:]:
            yield ("retired",), f"'{self.retired}' is no stage behind the first; {hint(self.retired, known[1:])}"

    def anchored(self, root: Path) -> Self:
        """The same with paths of keys taken from the project's root, wherever a command is started."""
        paths = self.signing.model_dump(include={"allowed_signers", "model_key", "model_public_key"}, exclude_none=True)
        update = {name: str(root / Path(path).expanduser()) for name, path in paths.items()}
        return self.model_copy(update={"signing": self.signing.model_copy(update=update)})

    @property
    def first(self) -> str:
        """The stage of a version that was just registered."""
        return next(iter(self.stages))

    @property
    def holding_one(self) -> list[str]:
        """Stages in which a version takes the place of another: all but the first and the retired one."""
        return [stage for stage in self.stages if stage not in (self.first, self.retired)]
