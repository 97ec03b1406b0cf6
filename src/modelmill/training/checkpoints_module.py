"""A training that goes on, bit for bit, where it was killed: the last good state, and the best weights, on disk."""

import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
from pytorch_lightning import LightningModule, Trainer
from pytorch_lightning.callbacks import Checkpoint

from modelmill.files import written_aside
from modelmill.training.curves_module import EVERY
from modelmill.training.fit import FitPlan
from modelmill.training.ranks import World
from modelmill.training.ranks_module import all_gather, broadcast, die_at_once
from modelmill.training.work import BEST, STATE


class Checkpoints(Checkpoint):
    """Keeps the last state and the best weights, and stops when validation has not become better for long enough.

    States are written aside and renamed, so a whole one is there at any moment. One is never written between the last
    batch before a validation and that validation: Lightning would skip it when it goes on from there.
    """

    def __init__(self, folder: Path, plan: FitPlan) -> None:
        self._folder, self._plan = folder, plan
        self._world = World.here()
        self._random: list[torch.Tensor] | None = None
        self._best, self._waited = float("-inf"), 0
        self.seconds, self.beside = 0.0, 0.0
        """Time of what led to the result, and what of it went into validation and the writing of states."""
        self._now = self._saved = time.monotonic()
        self._pausing = False

    @property
    def best(self) -> float | None:
        """The best score so far."""
        return self._best if self._best > float("-inf") else None

    def state_dict(self) -> dict[str, Any]:
        """What Lightning does not keep; it is read back without unpickling, so plain values and tensors only."""
        self._count(pausing=True)  # the state is being written
        return {
            "random": all_gather([torch.get_rng_state(), *torch.cuda.get_rng_state_all()]),
            "best": [self._best, self._waited],
            "time": [self.seconds, self.beside],
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from there."""
        self._random = state["random"][self._world.rank]
        self._best, self._waited = state["best"]
        self.seconds, self.beside = state["time"]

    def _count(self, *, pausing: bool) -> None:
        """Add the time since it was last counted, to where it belongs; from now on training pauses, or does not."""
        now = time.monotonic()
        passed, self._now = now - self._now, now
        self.seconds += passed
        self.beside += passed * self._pausing
        self._pausing = pausing

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """The time is over."""
        self._count(pausing=False)

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """The time begins."""
        self._now = time.monotonic()
        if self._world.size > 1:
            die_at_once()

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Stop here: an epoch that a state has behind it is ended once more, so what had stopped early does again."""
        trainer.should_stop = self._waited >= self._plan.patience

    def on_train_batch_start(self, trainer: Trainer, pl_module: LightningModule, batch: Any, batch_idx: int) -> None:
        """Dropout goes on with the numbers that it would have had; starting up has drawn others. Ranks drop different
        units: they are parts of one batch.
        """
        if self._random:
            torch.set_rng_state(self._random[0])
            torch.cuda.set_rng_state_all(self._random[1:])
            self._random = None
        elif self._world.rank and trainer.global_step == 0 and batch_idx == 0:
            seeds = np.random.SeedSequence((torch.initial_seed(), self._world.rank))
            torch.manual_seed(int(seeds.generate_state(1)[0]))

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Save when it is time, between two steps, and no validation follows."""
        loop = trainer.fit_loop.epoch_loop
        if loop._should_accumulate() or self._validates_next(trainer, batch_idx + 1):
            return
        if self._due(trainer.global_step):
            self._count(pausing=True)
            self._save(trainer)

    def _due(self, step: int) -> bool:
        """Ranks go by the clock of rank 0. They ask it every tenth step, for an answer is waited for."""
        if self._plan.checkpoint_seconds and self._world.size > 1 and step % EVERY:
            return False
        return broadcast(time.monotonic() - self._saved >= self._plan.checkpoint_seconds)

    def _validates_next(self, trainer: Trainer, batches: int) -> bool:
        every = self._plan.validate_every
        return batches >= trainer.num_training_batches or (every is not None and batches % every == 0)

    def on_validation_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Training pauses."""
        self._count(pausing=True)

    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Keep the weights if they are the best, and the state."""
        if self._plan.monitor:
            score = float(trainer.callback_metrics[self._plan.monitor])
            self._waited = 0 if score > self._best else self._waited + 1
            if score > self._best:
                self._best = score
                weights = trainer.strategy.lightning_module_state_dict()  # unsharded by all ranks
                if self._world.rank == 0:
                    with written_aside(self._folder / BEST) as part:
                        torch.save(weights, part)
        self._save(trainer)

    def _save(self, trainer: Trainer) -> None:
        """Save the state within a pause, which ends here."""
        if self._world.rank == 0:
            with written_aside(self._folder / STATE) as part:
                trainer.save_checkpoint(part)
        else:
            trainer.save_checkpoint(self._folder / STATE)  # gives its part of the weights, and writes no file
        self._count(pausing=False)
        self._saved = self._now

    def load_best(self, module: LightningModule) -> None:
        """Give a module the best weights."""
        module.load_state_dict(torch.load(self._folder / BEST, weights_only=True))
