"""`precision: auto`."""

import pytest
import torch

from modelmill.training import speed_module
from modelmill.training.precision import resolve_precision


@pytest.mark.parametrize(("gain", "chosen"), [(2.0, "bf16-mixed"), (1.1, "32-true"), (0.5, "32-true")])
def test_auto_is_what_the_processor_is_faster_in(gain: float, chosen: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """bf16 is taken where its products are clearly faster than those of fp32, whatever the processor says it has."""
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(speed_module, "peak_flops", lambda _, precision: gain if precision == "bf16-mixed" else 1.0)
    assert resolve_precision.__wrapped__("auto") == chosen


def test_timing_draws_no_random_numbers() -> None:
    """What is trained after the timing has the random numbers that it would have had without."""
    before = torch.get_rng_state()
    assert speed_module.peak_flops(torch.device("cpu"), "32-true") > 0
    assert torch.equal(torch.get_rng_state(), before)
