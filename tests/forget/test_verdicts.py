"""Who saw a record."""

import json
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from modelmill.forget.verdicts import judge, judge_version
from modelmill.registry.versions import RegisteredVersion

CORPORA = {"read": True, "other": False}
IDS = [("train", "a"), ("train", "a+swap1"), ("validation", "v"), *[("test", f"t{i}") for i in range(5)]]


def version(
    folder: Path, backbone: dict[str, Any] | None, ids: list[tuple[str, str]] | None = IDS
) -> RegisteredVersion:
    """A version with its evidence."""
    if ids is not None:
        pl.DataFrame(ids, schema=["split", "id"], orient="row").write_parquet(folder / "record_ids.parquet")
    if backbone is not None:
        (folder / "lineage.json").write_text(json.dumps({"backbone": backbone}))
    return RegisteredVersion("mood", "3", ["candidate"], "r", "models:/m", folder)


def test_a_folder_is_judged_by_the_digest_of_what_it_was_made_from() -> None:
    """The table is there and has it, has it not, is not there any more, or was never here."""
    assert judge("read", CORPORA) == "saw it"
    assert judge("other", CORPORA) == "did not see it"
    assert judge("gone", CORPORA) == "cannot tell"
    assert judge(None, CORPORA) == "not made here"


@pytest.mark.parametrize(
    ("ids", "splits", "shown", "verdict"),
    [
        ({"a"}, ["train"], False, "saw it"),
        ({"v"}, ["validation"], False, "did not see it"),
        ({"t3"}, ["test"], False, "did not see it"),
        ({"t2"}, ["test"], True, "saw it"),
        ({"t4", "a"}, ["train", "test"], False, "saw it"),
        ({"nobody"}, [], False, "did not see it"),
    ],
)
def test_a_version_answers_from_its_record_ids(
    ids: set[str], splits: list[str], shown: bool, verdict: str, tmp_path: Path
) -> None:
    """The first three test records lie as input example in its files; what it was only tested on it did not learn."""
    found = judge_version(version(tmp_path, {"corpus_sha256": "other"}), ids, CORPORA)
    assert (found.splits, found.shown, found.verdict) == (splits, shown, verdict)
    assert str(found) == "mood 3 (candidate)"


@pytest.mark.parametrize(
    ("backbone", "of_backbone", "verdict"),
    [
        ({"corpus_sha256": "read"}, "saw it", "saw it"),
        ({"corpus_sha256": "gone"}, "cannot tell", "cannot tell"),
        ({"taken_from": "package://x", "sha256": {}}, "not made here", "did not see it"),
        (None, "cannot tell", "cannot tell"),
    ],
)
def test_a_version_inherits_what_its_backbone_read(
    backbone: dict[str, Any] | None, of_backbone: str, verdict: str, tmp_path: Path
) -> None:
    """By the corpus that its lineage names, also where it was not trained on the record itself."""
    found = judge_version(version(tmp_path, backbone), {"nobody"}, CORPORA)
    assert (found.splits, found.backbone, found.verdict) == ([], of_backbone, verdict)


def test_a_version_without_record_ids_cannot_tell(tmp_path: Path) -> None:
    """It was registered before they were kept, or its run is gone; what its backbone read may be known yet."""
    known = judge_version(version(tmp_path, {"corpus_sha256": "other"}, ids=None), {"a"}, CORPORA)
    assert (known.splits, known.verdict) == (None, "cannot tell")
    assert known.says == "has no list of record ids"
    assert judge_version(version(tmp_path, {"corpus_sha256": "read"}, ids=None), {"a"}, CORPORA).verdict == "saw it"
