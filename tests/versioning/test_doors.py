"""`kedro run` and `dvc repro` are two doors to the same results."""

from tests.versioning.conftest import Versioned, ran

STAGES = {
    "mood-data_cleaning", "mood-augmentation", "mood-tokenization", "mood-fine_tuning", "mood-evaluation",
    "mood-registration", "tiny-data_cleaning", "tiny-tokenization", "tiny-pretraining",
}  # fmt: skip


def test_what_ran_is_skipped_by_both(committed: Versioned) -> None:
    """Nothing has changed: `kedro run` skips every stage, and `dvc repro` is up to date; both leave git clean."""
    assert ran(committed.kedro("run")) == (set(), STAGES)
    assert "Data and pipelines are up to date" in committed.dvc("repro").stdout
    assert committed.git("status", "--porcelain") == ""
