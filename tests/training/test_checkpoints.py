"""What a state says of the time."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from modelmill.training import checkpoints_module
from modelmill.training.fit import FitPlan
from modelmill.training.work import STATE


class Clock:
    """Stands for the module `time`; it goes on when it is told to."""

    now = 0.0

    def monotonic(self) -> float:
        return self.now


class Writes:
    """Stands for a trainer whose states take 4 s to gather and 8 s to write; it keeps what the last one said."""

    def __init__(self, clock: Clock, callback: checkpoints_module.Checkpoints) -> None:
        self.clock, self.callback = clock, callback
        self.num_training_batches, self.global_step = 100, 0
        self.fit_loop = SimpleNamespace(epoch_loop=SimpleNamespace(_should_accumulate=lambda: False))

    def save_checkpoint(self, path: Path) -> None:
        self.clock.now += 4
        self.state = self.callback.state_dict()
        self.clock.now += 8
        path.touch()


def test_time_of_training_alone_goes_on_from_a_state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A state says how much of its time was training, also within the pause that it is written in. The time from a
    state to a kill is not counted, nor that between the kill and the new start: it led to nothing."""
    clock, module = Clock(), Any
    monkeypatch.setattr(checkpoints_module, "time", clock)
    plan = FitPlan("32-true", checkpoint_seconds=30)
    first = checkpoints_module.Checkpoints(tmp_path, plan)
    trainer: Any = Writes(clock, first)
    clock.now += 1000  # other things
    first.on_train_start(trainer, module)
    clock.now += 100
    first.on_validation_start(trainer, module)
    clock.now += 20
    first.on_validation_end(trainer, module)
    assert trainer.state["time"] == [124, 24]
    clock.now += 29
    first.on_train_batch_end(trainer, module, None, None, 0)
    clock.now += 1
    first.on_train_batch_end(trainer, module, None, None, 1)
    assert trainer.state["time"] == [100 + 20 + 12 + 30 + 4, 20 + 12 + 4]
    assert (tmp_path / STATE).exists()
    clock.now += 5000  # killed
    second = checkpoints_module.Checkpoints(tmp_path, plan)
    second.load_state_dict(trainer.state)
    clock.now += 50
    second.on_train_start(trainer, module)
    clock.now += 7
    second.on_train_end(trainer, module)
    assert second.seconds - second.beside == 100 + 30 + 7
