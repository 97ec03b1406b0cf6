"""The answer as plain data."""

from dataclasses import dataclass
from typing import Literal

Verdict = Literal["saw it", "did not see it", "cannot tell", "not made here"]
Kind = Literal["product", "backbone", "not declared"]

SPLITS = {"train": "trained on it", "validation": "validated on it", "test": "tested on it"}

BACKBONES: dict[Verdict, str] = {
    "saw it": "its backbone read it",
    "did not see it": "",
    "cannot tell": "what its backbone read is not on disk any more",
    "not made here": "what its backbone read is not known here",
}


@dataclass(frozen=True)
class Row:
    """A row about the record; what its table does not say is None."""

    id: str
    origin: str | None = None
    step: str | None = None
    reason: str | None = None
    detail: str | None = None


@dataclass(frozen=True)
class TableRows:
    """The rows that a table has."""

    name: str
    path: str
    rows: list[Row]


@dataclass(frozen=True)
class FolderVerdict:
    """Tokens, a model or a backbone on disk.

    `backbone` is the verdict on the backbone that is on disk, for what starts from its weights.
    """

    name: str
    path: str
    verdict: Verdict
    backbone: Verdict | None = None

    @property
    def saw(self) -> bool:
        """Whether it, or the backbone that is there, saw the record."""
        return "saw it" in (self.verdict, self.backbone)


@dataclass(frozen=True)
class VersionVerdict:
    """A version in the registry.

    `verdict`: whether its weights, or its files, know the record. `splits` are those that held it, None where the
    version cannot say; `shown`: its text is kept with the version, as input example; `backbone` is the verdict on the
    backbone that the version was made from.
    """

    name: str
    version: str
    aliases: list[str]
    run_id: str | None
    source: str
    verdict: Verdict
    splits: list[str] | None
    shown: bool
    backbone: Verdict

    @property
    def says(self) -> str:
        """'trained on it, its backbone read it'."""
        parts = [SPLITS[split] for split in self.splits] if self.splits is not None else ["has no list of record ids"]
        parts += ["its text is in the input example"] * self.shown
        parts.append(BACKBONES[self.backbone])
        return ", ".join(filter(None, parts)) or "not in it"

    @property
    def line(self) -> str:
        """All in one, with what has to be deleted if it is to be gone."""
        return f"{self}: {self.says} (run {self.run_id}, files {self.source})"

    def __str__(self) -> str:
        """'mood 1 (candidate)'."""
        return f"{self.name} {self.version}" + (f" ({', '.join(self.aliases)})" if self.aliases else "")


@dataclass(frozen=True)
class Holder:
    """What a product or a backbone has of the record.

    `ids` are those of the record and of its exact duplicates, `alike` those of near ones, with how near, and of ones
    where one text holds the other.
    """

    name: str
    kind: Kind
    ids: list[str]
    alike: dict[str, str]
    tables: list[TableRows]
    folders: list[FolderVerdict]
    versions: list[VersionVerdict]

    @property
    def learned(self) -> bool:
        """Whether a model, a backbone or a version of it is known to have seen the record, or to have used it."""
        return any(folder.saw for folder in self.folders) or any(
            v.splits or v.verdict == "saw it" for v in self.versions
        )


@dataclass(frozen=True)
class Step:
    """Something to do, with what."""

    do: str
    items: list[str]


@dataclass(frozen=True)
class Trace:
    """Where a record is, who saw it, and what to do; `looked_at` counts what was searched."""

    id: str
    looked_at: dict[str, int]
    registry: str
    holders: list[Holder]
    to_do: list[Step]

    @property
    def found(self) -> bool:
        """Whether anything holds the record, or is known to have seen it."""
        return any(holder.tables or holder.learned for holder in self.holders)
