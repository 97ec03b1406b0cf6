"""Where records come from, and which of them are usable."""

import math
from itertools import pairwise
from pathlib import PurePosixPath
from typing import Annotated, Literal, Self

from pydantic import BeforeValidator, Field, RootModel, field_validator, model_validator

from modelmill.specs.base import OneOrMore, Share, Spec
from modelmill.specs.download import DownloadSpec

Format = Literal[
    "lines", "documents", "csv", "tsv", "orange_tab", "jsonl", "parquet", "pos_tagged", "pickle",
    "images", "idx", "pixels",
]  # fmt: skip
IMAGES: frozenset[Format] = frozenset({"images", "idx", "pixels"})
"""Formats whose records are images."""
Part = Literal["train", "validation", "test"]

SUFFIXES: dict[str, Format] = {
    ".txt": "lines",
    ".csv": "csv",
    ".tsv": "tsv",
    ".jsonl": "jsonl",
    ".parquet": "parquet",
    ".pkl": "pickle",
    ".png": "images",
    ".jpg": "images",
    ".jpeg": "images",
}


def _column_name(value: object) -> object:
    """A place such as 1 is written without quotes in YAML; keep it as text."""
    return str(value) if type(value) is int and value >= 0 else value


Column = Annotated[str, BeforeValidator(_column_name, json_schema_input_type=str | int)]


def _label(value: object) -> object:
    """Numbers are labels too; YAML reads a bare yes or no as a truth value, which would be another label."""
    if isinstance(value, bool):
        raise ValueError(f"YAML reads this label as the truth value {str(value).lower()}; put it in quotes")
    return str(value) if isinstance(value, int) else value


Label = Annotated[str, BeforeValidator(_label, json_schema_input_type=str | int)]


class ColumnsSpec(Spec):
    """Which column of a file holds what: its name, or its place from 0."""

    text: Column | None = None
    label: Column | None = None
    id: Column | None = None
    group: Column | None = Field(None, description="what belongs together, such as an author: for `split: {by: group}`")
    time: Column | None = Field(
        None, description="when the record was made (ISO 8601, or Unix seconds): for `split: {by: time}`"
    )


class RangeSpec(Spec):
    """Numbers from `at_least` on, up to `below`."""

    at_least: float | None = None
    below: float | None = None

    @model_validator(mode="after")
    def _some(self) -> Self:
        if (self.at_least is None and self.below is None) or self.first >= self.end:
            raise ValueError("give `at_least`, `below` or both, `at_least` being the smaller one")
        return self

    @property
    def first(self) -> float:
        """The least number of the range."""
        return -math.inf if self.at_least is None else self.at_least

    @property
    def end(self) -> float:
        """The least number behind it."""
        return math.inf if self.below is None else self.below


class SourceSpec(Spec):
    """One source of records.

    `files` is an address: a path with wildcards, `package://NAME/path` for files that an installed package
    carries, or `hf://datasets/OWNER/NAME` for a dataset of the Hugging Face hub. A `{label}` in it stands
    for a folder or file name and gives each record its label: `reviews/{label}.txt`.
    """

    files: str = Field(min_length=1)
    format: Format | None = Field(
        None, description="default: by the file's ending, `.gz` left aside; `.txt` is one record a line"
    )
    columns: ColumnsSpec = Field(
        ColumnsSpec(), description="our name: the column's name (or place, from 0) in the file"
    )
    encoding: str = "utf-8"
    header: bool = Field(
        True, description="csv, tsv and pixels: the first row names the columns; else `columns` gives places"
    )
    quotes: bool = Field(True, description="csv and tsv: a field may stand in quotes; else a quote is text")
    shape: tuple[Annotated[int, Field(ge=1)], Annotated[int, Field(ge=1)]] | None = Field(
        None, description="pixels: height and width of the image that the first columns of a row are, row by row"
    )
    white: Annotated[int, Field(ge=1)] | None = Field(None, description="pixels: the number of white; black is 0")
    labels_from: dict[Label, RangeSpec] = Field(
        default_factory=dict,
        description="label: which numbers of the label's column have it; others stay as they are, for "
        "`contract.labels` to reject",
    )
    part: Part | None = Field(
        None,
        description="the split that all records belong to, of a data set that has its own; records of sources without "
        "it are drawn into the splits that no source has",
    )
    split: str = Field("train", description="which split of a hub dataset")
    sha256: dict[str, str] = Field(default_factory=dict, description="file name: its SHA-256, checked when given")
    download: DownloadSpec | None = Field(None, description="where the files can be had; `kedro product fetch NAME`")

    @field_validator("encoding")
    @classmethod
    def _known_encoding(cls, value: str) -> str:
        try:
            "".encode(value)
        except LookupError:
            raise ValueError(f"'{value}' is not an encoding that Python knows, such as utf-8 or gb18030") from None
        return value

    @model_validator(mode="after")
    def _format_can_be_told(self) -> Self:
        if self.from_hub and (self.sha256 or self.format):
            raise ValueError("a dataset of the hub has no `format` and no `sha256`; leave them out")
        if "{label}" in self.files and self.columns.label is not None:
            raise ValueError("the label comes from `{label}` in `files` or from `columns`, not from both")
        if not self.from_hub and self.format is None and self.suffix not in SUFFIXES:
            raise ValueError(
                f"cannot tell the format from '{self.files}'; add `format:` (lines, documents, csv, tsv, "
                "orange_tab, jsonl, parquet, pos_tagged, pickle, images, idx or pixels)"
            )
        kind = None if self.from_hub else self.resolved_format
        if (not self.header and kind not in ("csv", "tsv", "pixels")) or not (self.quotes or kind in ("csv", "tsv")):
            raise ValueError("`header` and `quotes` are of csv and tsv, `header` of pixels too; leave them out")
        if (self.shape is not None, self.white is not None) != (kind == "pixels",) * 2:
            raise ValueError("`format: pixels` needs `shape` and `white`, which no other format has")
        if self.holds_images and self.columns.text is not None:
            raise ValueError("an image has no text; leave out `columns.text`")
        return self

    @model_validator(mode="after")
    def _ranges_apart(self) -> Self:
        ranges = sorted(self.labels_from.items(), key=lambda labelled: labelled[1].first)
        for (one, lower), (other, upper) in pairwise(ranges):
            if lower.end > upper.first:
                raise ValueError(f"`labels_from`: the ranges of '{one}' and '{other}' overlap")
        return self

    @model_validator(mode="after")
    def _somewhere_to_bring_it(self) -> Self:
        if self.download is None:
            return self
        if "://" in self.files or self.files.startswith("/") or ".." in self.files.split("/"):
            raise ValueError("what is downloaded lies in the project: `files` must be a path below it, without `..`")
        if "*" in self.files and not self.download.members:
            raise ValueError("`files` stands for several; say by `download.members` which files they are")
        return self

    @property
    def suffix(self) -> str:
        """The ending of the address, lower case; `.gz` behind it is left out."""
        return PurePosixPath(self.files.lower().removesuffix(".gz")).suffix

    @property
    def resolved_format(self) -> Format:
        """The declared format, or the one that the address tells; files only."""
        return self.format or SUFFIXES[self.suffix]

    @property
    def holds_images(self) -> bool:
        """Whether the records are images."""
        return not self.from_hub and self.resolved_format in IMAGES

    @property
    def from_hub(self) -> bool:
        """Whether the records come from the Hugging Face hub."""
        return self.files.startswith("hf://")


Target = Literal["class", "classes", "number", "text", "nothing", "next"]
"""What the label of a record is. class: one of a few names; classes: any number of them, a JSON list or names between
separators; number: a finite one; text: anything that is not empty; nothing: it has none; next: what comes next in the
sequence of its group, of which the text is the history.
"""


class ContractSpec(Spec):
    """What a record must be to be used at all."""

    target: Target | None = Field(None, description="what a label is; it follows from the kind of task")
    separator: str | None = Field(None, description="between several labels; it follows from the kind of task")
    labels: list[Label] | None = Field(None, min_length=2, description="allowed labels; default: all that occur")
    min_per_label: int = Field(10, ge=3, description="fewer clean records of a label than this stop the run")
    max_reject: Share = Field(0.05, description="a larger share of contract rejects stops the run")


class Sources(RootModel[Annotated[list[SourceSpec], OneOrMore()]]):
    """One source or a list of them."""

    @property
    def parts(self) -> set[Part]:
        """Splits that sources have themselves."""
        return {source.part for source in self.root if source.part}
