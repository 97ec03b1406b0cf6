"""Answers of a real version, given in a process of its own."""

import shutil
from dataclasses import replace
from pathlib import Path

from polars.testing import assert_frame_equal

from modelmill.registry.gates.answers import Pair, both_answers
from modelmill.registry.gates.base import Case


def test_what_is_predicted_now_is_what_was_kept(case: Case, tmp_path: Path) -> None:
    """The incumbent has the same files and no predictions, so both answer: as the evaluation did, in the same form."""
    older = tmp_path / "older"
    shutil.copytree(case.subject.evidence, older)
    (older / "predictions.parquet").unlink()
    kept = both_answers(replace(case, incumbent=case.subject))
    made = both_answers(replace(case, incumbent=replace(case.subject, version=2, evidence=older)))
    assert isinstance(kept, Pair)
    assert isinstance(made, Pair)
    assert (kept.source, made.source) == ("kept with the versions", "predicted now, for both")
    assert made.version.height > 10
    assert_frame_equal(made.version, made.incumbent, abs_tol=1e-6)
    assert_frame_equal(made.version, kept.version, abs_tol=1e-3)
