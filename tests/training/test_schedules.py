"""Rates by hand."""

import math
from typing import Any

import pytest
import torch

from modelmill.specs.training import Schedule
from modelmill.training.schedules_module import new_schedule


def rates(kind: Schedule, total: int, warmup: float, steps: int) -> tuple[list[float], list[float]]:
    """Rate and AdamW's first beta of each step; the declared rate is 2."""
    optimizer = torch.optim.AdamW([torch.nn.Parameter(torch.zeros(1))], lr=2.0)
    schedule = new_schedule(optimizer, kind, total, warmup, 1 - warmup)
    found: Any = []
    for _ in range(steps):
        group = optimizer.param_groups[0]
        found.append((group["lr"], group["betas"][0]))
        optimizer.step()
        schedule.step()
    return tuple(map(list, zip(*found, strict=True)))


def test_linear() -> None:
    """Up in 10 of 50 steps, then down by a straight line; zero from the last step on."""
    found, betas = rates("linear", 50, 0.2, 52)
    assert [found[i] for i in (0, 5, 10, 30, 49, 50, 51)] == pytest.approx([0, 1, 2, 1, 2 / 40, 0, 0])
    assert set(betas) == {0.9}


def test_cosine() -> None:
    """Up by a straight line, down by half a wave: 1/2 at half the way, (1 + cos 45 deg) / 2 at a quarter."""
    found, _ = rates("cosine", 50, 0.2, 52)
    quarter = 1 + math.cos(math.pi / 4)
    assert [found[i] for i in (0, 5, 10, 20, 30, 50, 51)] == pytest.approx([0, 1, 2, quarter, 1, 0, 0])


def test_one_cycle() -> None:
    """From 1/25 of the rate up to it and down to 4e-6 of it, half of each way at half of its steps; the beta goes the
    other way; steps over the total stay at the end."""
    found, betas = rates("one_cycle", 51, 0.2, 53)
    assert [found[i] for i in (0, 5, 10, 30, 50, 51, 52)] == pytest.approx(
        [0.08, 1.04, 2, 1 + 4e-6, 8e-6, 8e-6, 8e-6], rel=1e-9
    )
    assert [betas[i] for i in (0, 5, 10, 30, 50, 52)] == pytest.approx([0.95, 0.9, 0.85, 0.9, 0.95, 0.95])


@pytest.mark.parametrize("total", [1, 2, 3, 10])
@pytest.mark.parametrize("warmup", [0.01, 0.1, 0.99])
def test_one_cycle_of_few_steps(total: int, warmup: float) -> None:
    """A run of a handful of steps is no division by zero: it starts at 1/25 and reaches the rate."""
    found, _ = rates("one_cycle", total, warmup, total + 2)
    assert found[0] == pytest.approx(0.08)
    assert max(found) == pytest.approx(2)


def test_every_group_keeps_its_own_rate() -> None:
    """Rates by layer are scaled alike."""
    for kind in ("linear", "cosine", "one_cycle"):
        parameters = [torch.nn.Parameter(torch.zeros(1)) for _ in range(2)]
        optimizer = torch.optim.AdamW(
            [{"params": [p], "lr": lr} for p, lr in zip(parameters, (1.0, 0.25), strict=True)]
        )
        schedule = new_schedule(optimizer, kind, 20, 0.1, 0.9)
        for _ in range(7):
            optimizer.step()
            schedule.step()
        high, low = (group["lr"] for group in optimizer.param_groups)
        assert 0 < low == pytest.approx(high / 4)
