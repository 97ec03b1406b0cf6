"""Splits: who is held out, and that nobody moves."""

import polars as pl
import pytest
from pydantic import ValidationError

from modelmill.cleaning.split import split_records
from modelmill.errors import DataError
from modelmill.records import RECORD
from modelmill.specs.product import ProductSpec
from modelmill.specs.source import ContractSpec, Sources
from modelmill.specs.split import SplitSpec

LOOSE = ContractSpec(min_per_label=3, max_reject=1.0)


def records(count: int) -> pl.DataFrame:
    """`count` different texts of two labels, in groups of five, one a day."""
    rows = [(f"r{i}", f"text {i}", "xy"[i % 3 == 0], f"f:{i}") for i in range(count)]
    return pl.DataFrame(rows, schema=RECORD, orient="row").with_columns(
        group=pl.format("g{}", pl.int_range(pl.len()) // 5),
        time=pl.format("2026-01-{}T08:00:00+08:00", (pl.int_range(pl.len()) % 28 + 1).cast(pl.String).str.zfill(2)),
    )


TIME = SplitSpec.model_validate({"by": "time", "validation_from": "2026-01-20", "test_from": "2026-01-25"})


@pytest.mark.parametrize("split", [SplitSpec(), SplitSpec(by="group"), TIME])
def test_a_new_record_moves_no_other_record(split: SplitSpec) -> None:
    """Whatever comes later, a record stays in its split; every record is in one."""
    before, after = (split_records(records(count), split, LOOSE)[:3] for count in (200, 300))
    for small, large in zip(before, after, strict=True):
        assert set(small["id"]) <= set(large["id"])
        assert small.height
    assert sum(part.height for part in after) == 300


def test_groups_stay_together() -> None:
    """No group has records in two splits; a record without a group is one by itself."""
    table = records(300).with_columns(group=pl.when(pl.col("id") == "r7").then(None).otherwise("group"))
    groups = [set(part["group"].drop_nulls()) for part in split_records(table, SplitSpec(by="group"), LOOSE)[:3]]
    assert sum(map(len, groups)) == len(set.union(*groups)) == 60


def test_time_cuts_at_the_dates() -> None:
    """In UTC: eight in the morning in China is midnight; what has no time is a reject."""
    table = records(84).with_columns(time=pl.when(pl.col("id") == "r1").then(pl.lit("yesterday")).otherwise("time"))
    train, validation, test, rejects = split_records(table, TIME, LOOSE)
    assert (train["time"].max(), validation["time"].min()) == ("2026-01-19T08:00:00+08:00", "2026-01-20T08:00:00+08:00")
    assert test["time"].min() == "2026-01-25T08:00:00+08:00"
    assert rejects.select("id", "step", "reason").rows() == [("r1", "split", "time is missing or cannot be read")]


def test_stratified_shares_are_exact() -> None:
    """Of each label a tenth, however rare it is."""
    for part in split_records(records(300), SplitSpec(by="stratified"), LOOSE)[1:3]:
        assert dict(part["label"].value_counts().iter_rows()) == {"x": 20, "y": 10}


@pytest.mark.parametrize(
    "wrong",
    [
        {"by": "time"}, {"validation_from": "2026-01-01", "test_from": "2026-02-01"}, {"test": 0.2},
        {"by": "time", "validation_from": "2026-02-01", "test_from": "2026-01-01"},
    ],
)  # fmt: skip
def test_what_does_not_fit_is_refused(wrong: dict[str, object]) -> None:
    """Dates without `by: time`, `by: time` without dates or in the wrong order, shares that are not one."""
    with pytest.raises(ValidationError):
        SplitSpec.model_validate(wrong)


def test_the_column_to_split_by_must_be_declared() -> None:
    """Before any data is read."""
    declared = {"task": "text_classification", "source": {"files": "a.csv"}, "backbone": "b", "split": {"by": "group"}}
    with pytest.raises(ValidationError, match=r"columns: \{group: NAME\}"):
        ProductSpec.model_validate(declared)
    source = {"files": "a.csv", "columns": {"group": "author", "time": 3}}
    dates = {"by": "time", "validation_from": "2026-01-01", "test_from": "2026-02-01T12:00:00+08:00"}
    for split in ({"by": "group"}, dates):
        spec = ProductSpec.model_validate({**declared, "source": source, "split": split})
        assert ProductSpec.model_validate(spec.model_dump(mode="json")) == spec


def test_times_that_cannot_be_read_stop_the_run() -> None:
    """Nine in ten are written otherwise: not a split of what is left."""
    table = records(84).with_columns(
        time=pl.when(pl.int_range(pl.len()) % 10 > 0).then(pl.lit("2026/05/01")).otherwise("time")
    )
    with pytest.raises(DataError, match=r"75 of 84 records have no time that can be read.*the first is f:1\."):
        split_records(table, TIME, ContractSpec(min_per_label=3))


OFFICIAL = Sources.model_validate([{"files": "a.csv"}, {"files": "b.csv", "part": "test"}])


@pytest.mark.parametrize("by", ["random", "stratified"])
def test_a_source_may_have_its_part(by: str) -> None:
    """Its records are the test split, all of them and no others; the rest is drawn, one in nine for validation."""
    own = pl.col("id").is_in([f"r{i}" for i in range(0, 300, 10)])
    table = records(300).with_columns(part=pl.when(own).then(pl.lit("test")))
    split = SplitSpec.model_validate({"by": by, "near_duplicates": None})
    train, validation, test, _ = split_records(table, split, LOOSE, OFFICIAL)
    assert test["id"].to_list() == [f"r{i}" for i in range(0, 300, 10)]
    assert train.height + validation.height == 270
    assert validation.height == pytest.approx(30, abs=0 if by == "stratified" else 12)
    assert "part" not in train.columns
    other = split_records(table, split.model_copy(update={"seed": 1}), LOOSE, OFFICIAL)
    assert other[2].equals(test)
    assert set(other[1]["id"]) != set(validation["id"])


def test_an_official_part_that_cleaning_emptied_is_not_drawn_anew() -> None:
    """Or figures on one's own records would pass for those on the official test file."""
    table = records(300).with_columns(part=pl.lit(None, pl.String))
    with pytest.raises(DataError, match=r"the test split has no record; it is the sources' own"):
        split_records(table, SplitSpec(), LOOSE, OFFICIAL)


def test_what_nearly_repeats_an_official_test_record_leaves_training() -> None:
    """The test record stays, the training record is a reject that says of which one."""
    text = "one two three four five six seven eight nine ten eleven twelve"
    rows = [("same", text, "x", "a:1", None), ("official", f"{text} 13", "x", "b:1", "test")]
    extra = pl.DataFrame(rows, schema={**RECORD, "part": pl.String}, orient="row")
    own = pl.col("id").is_in([f"r{i}" for i in range(0, 300, 10)])
    table = records(300).drop("group", "time").with_columns(part=pl.when(own).then(pl.lit("test")))
    train, _, test, rejects = split_records(pl.concat([table, extra]), SplitSpec(), LOOSE, OFFICIAL)
    assert "official" in test["id"].to_list()
    assert "same" not in train["id"].to_list()
    assert rejects.select("id", "reason").rows() == [("same", "near duplicate of a held-out record")]
