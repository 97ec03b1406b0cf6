"""What dvc.lock says a product was made from."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from modelmill.registry.recorded import given_data, versioned_data


def stage(reads: dict[str, str], writes: dict[str, str], **sources: str) -> dict[str, Any]:
    """An entry of dvc.lock."""
    entry: dict[str, Any] = {
        key: [{"path": path, "hash": "md5", "md5": md5} for path, md5 in items.items()]
        for key, items in (("deps", reads), ("outs", writes))
    }
    return entry | {"params": {"params/x.yaml": {"sources": sources}}}


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A product that reads reviews and a backbone, which reads a package; and another product."""
    stages = {
        "tiny-pretraining": stage({}, {"backbone": "b.dir"}, **{"package://x/y": "5" * 64}),
        "mood-data_cleaning": stage({"reviews": "r.dir", "src/a.py": "a"}, {"clean": "c"}),
        "mood-fine_tuning": stage({"clean": "c", "backbone": "b.dir"}, {"model": "m.dir"}),
        "mood-registration": stage({"model": "old"}, {"version": "old"}),
        "news-data_cleaning": stage({"news": "n"}, {"news_clean": "nc"}, **{"package://z": "6" * 64}),
    }
    (tmp_path / "dvc.lock").write_text(yaml.safe_dump({"stages": stages}))
    return tmp_path


def test_all_data_behind_a_product(root: Path) -> None:
    """What its stages and those before them read and wrote; no code, nothing of others, no registration of before."""
    assert versioned_data(root, "mood") == {"reviews": "r.dir", "clean": "c", "backbone": "b.dir", "model": "m.dir"}


def test_what_no_stage_made_came_from_outside(root: Path) -> None:
    """Files that DVC watches, and what packages hold, also behind the backbone."""
    assert given_data(root, "mood") == {"reviews": "r.dir", "package://x/y": "5" * 64}


def test_without_a_lock_nothing_is_known(tmp_path: Path) -> None:
    """A project that is not under DVC."""
    assert versioned_data(tmp_path, "mood") == given_data(tmp_path, "mood") == {}
