"""What a training says of itself."""

from pathlib import Path

import numpy as np
import pytest
import torch

from modelmill.training import speed_module
from modelmill.training.speed_module import PeakMemory, flops_of

CPU = torch.device("cpu")


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("masked", [False, True])
def test_attention_is_counted_on_a_cpu(dtype: torch.dtype, masked: bool) -> None:
    """Two products forward, five backward (the scores are computed again), each of 2 x 3 heads, 4 x 6 scores and a
    multiplication and an addition for each of 8 places of a head."""
    query, key, value = (torch.randn(2, 3, tokens, 8, dtype=dtype, requires_grad=True) for tokens in (4, 6, 6))
    mask = torch.ones(1, 1, 4, 6, dtype=torch.bool) if masked else None
    attended = torch.nn.functional.scaled_dot_product_attention
    product = 2 * 3 * 4 * 6 * 8 * 2
    assert flops_of(lambda: attended(query, key, value, attn_mask=mask).sum()) == 7 * product


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
