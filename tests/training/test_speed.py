"""What a training says of itself."""

from pathlib import Path

import numpy as np
import pytest
import torch

from modelmill.training import speed_module
from modelmill.training.speed_module import PeakMemory

CPU = torch.device("cpu")


def hold(mb: int) -> None:
    """Have so much memory, for a moment."""
    np.ones(mb << 17)


@pytest.mark.skipif(not speed_module.RESET.exists(), reason="Linux alone can forget a peak")
def test_a_peak_is_that_of_one_training() -> None:
    """The second of two in one process does not show the first one's."""
    first = PeakMemory(CPU)
    before = first.mb()
    assert before
    hold(400)
    assert 390 < (first.mb() or 0) - before < 450
    second = PeakMemory(CPU)
    hold(100)
    assert 90 < (second.mb() or 0) - before < 150


def test_a_peak_that_cannot_be_told_is_not(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the system does not forget the former one."""
    monkeypatch.setattr(speed_module, "RESET", tmp_path / "not/there")
    assert PeakMemory(CPU).mb() is None
