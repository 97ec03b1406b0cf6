"""Whether a model saw a record: by the digest of what it was made from, or by the record ids of its version."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import polars as pl

from modelmill.forget.result import Verdict, VersionVerdict
from modelmill.forget.tables import named
from modelmill.registry.evidence import LINEAGE, RECORD_IDS
from modelmill.registry.store import EXAMPLES
from modelmill.registry.versions import RegisteredVersion

MADE_FROM = {"tokens.json": "records_sha256", "product.json": "trained_on_sha256", "backbone.json": "corpus_sha256"}
"""By file of a folder that is made from records: its key for their digest."""


def made_from(folder: Path) -> tuple[str, dict[str, Any]] | None:
    """The name and content of the file in which a folder says what it was made from; None where there is none."""
    for name in MADE_FROM:
        if (folder / name).is_file():
            return name, json.loads((folder / name).read_text(encoding="utf-8"))
    return None


def judge(digest: str | None, holds: Mapping[str, bool]) -> Verdict:
    """Whether what was made from records saw the record.

    Args:
        digest: of those records; None for what comes from elsewhere.
        holds: by digest of a table that is on disk, whether the record is in it.
    """
    if digest is None:
        return "not made here"
    if digest not in holds:
        return "cannot tell"
    return "saw it" if holds[digest] else "did not see it"


def judge_version(version: RegisteredVersion, ids: set[str], corpora: Mapping[str, bool]) -> VersionVerdict:
    """What a version's own evidence says of a record.

    Args:
        version: with its evidence.
        ids: under which the record and its duplicates are known.
        corpora: by digest of a corpus that is on disk, whether the record is in it.
    """
    splits, shown = None, False
    if (version.evidence / RECORD_IDS).is_file():
        table = pl.scan_parquet(version.evidence / RECORD_IDS)
        found = table.filter(named(ids)).select(pl.col("split").unique(maintain_order=True))
        splits = found.collect(engine="streaming")["split"].to_list()
        examples = table.filter(pl.col("split") == "test").head(EXAMPLES).filter(named(ids))
        shown = not examples.collect(engine="streaming").is_empty()
    backbone: Verdict = "cannot tell"
    if (version.evidence / LINEAGE).is_file():
        lineage = json.loads((version.evidence / LINEAGE).read_text(encoding="utf-8"))
        backbone = judge(lineage["backbone"].get("corpus_sha256"), corpora)
    verdict: Verdict = "did not see it"
    if shown or "train" in (splits or ()) or backbone == "saw it":
        verdict = "saw it"
    elif splits is None or backbone == "cannot tell":
        verdict = "cannot tell"
    about = (version.name, version.version, version.aliases, version.run_id, version.source)
    return VersionVerdict(*about, verdict, splits, shown, backbone)
