"""Whether what was built again is the version."""

from pathlib import Path
from typing import Any

import polars as pl
import pytest
import yaml

from modelmill.registry.recorded import way_to_the_model
from modelmill.registry.reproduce.origin import Made
from modelmill.registry.reproduce.verdict import compare, differences

WAY = ("data/raw", "data/train", "data/model")
LINEAGE: dict[str, Any] = {
    "code": {"git_commit": "c" * 40, "git_dirty": "false", "environment_lock_sha256": "e" * 64},
    "sources": {"data/raw/pos.txt": "1" * 64},
    "packages": {"polars": "2.1.0", "torch": "2.13.0"},
    "machine": {"threads": 1, "instructions": "AVX2"},
    "data": {"data/raw": "r1", "data/train": "t1", "data/report": "now", "data/model": "m1"},
}


def made(digest: str = "d1", f1: float = 0.8, answers: str = "abba", **lineage: Any) -> Made:
    """A version with four test records."""
    return Made(
        "mood", 1, digest, {**LINEAGE, **lineage}, {"mood": {"training": {"seed": 0}}},
        {"metrics": {"macro_f1": {"value": f1, "low": 0.7, "high": 0.9}}},
        pl.DataFrame({"id": [*"1234"][: len(answers)], "predicted": [*answers]}),
    )  # fmt: skip


def test_the_same_tensors_are_identical() -> None:
    """Whatever else differs is named, and is not called a cause of anything: there is no first artifact."""
    answer = compare(made(), made(packages={"polars": "2.0.9", "torch": "2.13.0"}), WAY, 0)
    assert (answer.verdict, answer.first, answer.differences) == ("identical", None, ("polars 2.1.0 -> 2.0.9",))


@pytest.mark.parametrize(
    ("f1", "answers", "tolerance", "verdict"),
    [
        (0.8, "abba", 0, "equivalent"),
        (0.805, "abba", 0.01, "equivalent"),
        (0.82, "abba", 0.01, "different"),  # the metric moved
        (0.8, "abbb", 0.25, "equivalent"),  # one of four
        (0.8, "abbb", 0.24, "different"),
        (0.8, "abb", 0.24, "different"),  # one record of four is not there any more
    ],
)
def test_other_tensors_are_equivalent_within_the_tolerance(
    f1: float, answers: str, tolerance: float, verdict: str
) -> None:
    """Each metric, and the share of test records with another answer, may differ by so much."""
    assert compare(made(), made("d2", f1, answers), WAY, tolerance).verdict == verdict


def test_the_first_artifact_on_the_way_is_named() -> None:
    """In the order in which they are made; a report that nobody reads is not on the way."""
    data = {"data/model": "m2", "data/train": "t2", "data/report": "later", "data/raw": "r1"}
    assert compare(made(), made("d2", data=data), WAY, 0).first == "data/train"


def test_what_was_not_there_differs() -> None:
    """A path that only one of the two has."""
    assert compare(made(data={}), made("d2"), WAY, 0).first == "data/raw"


def test_every_difference_is_named() -> None:
    """A row of a source, the seed, a package that is gone, threads, the lock file, and uncommitted changes."""
    then = made(code={**LINEAGE["code"], "git_dirty": "true"})
    now = made(
        sources={"data/raw/pos.txt": "2" * 64}, packages={"torch": "2.13.0"},
        machine={"threads": 2, "instructions": "AVX2"},
        code={**LINEAGE["code"], "environment_lock_sha256": "f" * 64},
    )  # fmt: skip
    now.declared["mood"]["training"]["seed"] = 7
    assert differences(then, now) == [
        "files had changed since the commit when the version was made",
        "requirements.lock eeeeeeeeeeee -> ffffffffffff",
        "data/raw/pos.txt 111111111111 -> 222222222222",
        "mood.training.seed 0 -> 7",
        "polars 2.1.0 -> -",
        "threads 1 -> 2",
    ]


def test_the_way_goes_from_the_source_to_the_model(tmp_path: Path) -> None:
    """Stages in their order, what is made within one too; no code, no reports, no other product."""
    wiring = {
        "mood-fine_tuning": ("data/train src/code.py", "data/model data/08_reporting/times.json"),
        "mood-data_cleaning": ("data/raw", "data/clean data/train"),
        "mood-evaluation": ("data/model", "data/predictions"),
        "other-data_cleaning": ("data/raw", "data/other"),
    }
    stages = {
        name: {
            kind: [{"path": path, "md5": "h"} for path in paths.split()]
            for kind, paths in zip(("deps", "outs"), pair, strict=True)
        }
        for name, pair in wiring.items()
    }
    (tmp_path / "dvc.lock").write_text(yaml.safe_dump({"stages": stages}))
    assert way_to_the_model(tmp_path, "mood") == ["data/raw", "data/clean", "data/train", "data/model"]
    assert way_to_the_model(tmp_path / "elsewhere", "mood") == []
