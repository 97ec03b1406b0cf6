"""Which records are trained on, and which are held out."""

from datetime import datetime
from typing import Literal, Self

from pydantic import Field, model_validator

from modelmill.specs.base import Share, Spec
from modelmill.specs.cleaning import NearDuplicatesSpec


class SplitSpec(Spec):
    """Training, validation and test records.

    random: by a hash of the record's id. group: by a hash of its group, which stays together. time: by the dates given.
    In these three a new record moves no other. stratified: each label in exactly the shares; a new record may move one
    at each cut of its label.
    """

    by: Literal["random", "stratified", "group", "time"] = "random"
    train: Share = 0.8
    validation: Share = 0.1
    test: Share = 0.1
    validation_from: datetime | None = Field(None, description="`time`: records from then on are validated on")
    test_from: datetime | None = Field(None, description="`time`: records from then on are tested on")
    next_items: int = Field(
        1,
        ge=1,
        description="kinds that foretell what comes next: how many of the last items of each group (user) in the "
        "time of validation, and of test, are foretold there, each from all before it",
    )
    seed: int = Field(0, ge=0, description="another seed draws other splits")
    near_duplicates: NearDuplicatesSpec | None = Field(
        NearDuplicatesSpec(),
        description="training records that nearly repeat a validation or test record are taken out; null keeps them",
    )

    @model_validator(mode="after")
    def _sum(self) -> Self:
        if abs(self.train + self.validation + self.test - 1) > 1e-9 or 0 in (self.train, self.validation, self.test):
            raise ValueError("train + validation + test must be 1, none of them 0")
        return self

    @model_validator(mode="after")
    def _dates(self) -> Self:
        first, last = self.validation_from, self.test_from
        if (self.by == "time") != (first is not None and last is not None) or (self.by != "time" and (first or last)):
            raise ValueError("`by: time` needs `validation_from` and `test_from`; other splits have neither")
        if first and last and first.replace(tzinfo=None) >= last.replace(tzinfo=None):
            raise ValueError("`validation_from` must lie before `test_from`")
        return self
