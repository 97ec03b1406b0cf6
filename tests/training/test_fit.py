"""What a training does to its process."""

from pathlib import Path
from typing import Any

import pytest
import torch

from modelmill.specs.training import FineTuningSpec
from modelmill.tasks.text_module import TextModule
from tests.training.test_resume import train


def settings() -> tuple[bool, bool]:
    """Whether torch is deterministic, and whether it fills new tensors."""
    return torch.are_deterministic_algorithms_enabled(), torch.utils.deterministic.fill_uninitialized_memory


def test_torch_is_afterwards_as_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """While it trains it is deterministic and does not fill new tensors."""
    step, within = TextModule.training_step, set()

    def noting(*arguments: Any) -> torch.Tensor:
        within.add(settings())
        return step(*arguments)

    monkeypatch.setattr(TextModule, "training_step", noting)
    before = settings()
    train(tmp_path / "work", FineTuningSpec(max_epochs=1, batch_tokens=200, precision="32-true"))
    assert settings() == before == (False, True)
    assert within == {(True, False)}
