"""One way to run Lightning's Trainer: seeded, deterministic, with curves as a table and the best weights kept."""

import logging
import os
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import polars as pl

from modelmill.errors import UserError
from modelmill.specs.training import DeclaredPrecision, FineTuningSpec, MicroBatches, Precision
from modelmill.training.precision import resolve_precision
from modelmill.training.ranks import World
from modelmill.training.work import Work

if TYPE_CHECKING:
    from pytorch_lightning import Trainer

    from modelmill.training.checkpoints_module import Checkpoints
    from modelmill.training.curves_module import Curves
    from modelmill.training.module import Batches, TrainedModule

log = logging.getLogger(__name__)

TALK = ("utilities.rank_zero", "trainer.connectors.checkpoint_connector")
"""Loggers of Lightning that tell what our own report does, and what to buy."""

CURVE = {"name": pl.String, "step": pl.Int64, "value": pl.Float64}


@dataclass(frozen=True)
class FitPlan:
    """How long to train, in what precision, and which weights to keep.

    `monitor` is a logged figure whose highest value marks the best weights; None keeps the last ones. `accumulate`
    batches make a step, and the gradient is their mean. `micro_batches` are the pieces of each.
    """

    precision: DeclaredPrecision
    max_epochs: int = -1
    max_steps: int = -1
    validate_every: int | None = None
    monitor: str | None = None
    patience: int = 1
    accumulate: int = 1
    checkpoint_seconds: float = 300
    micro_batches: MicroBatches = "auto"

    @classmethod
    def of(cls, spec: FineTuningSpec, score: str) -> "FitPlan":
        """That of a fine-tuning, whose best epoch has the highest `score` on the validation split."""
        return cls(
            precision=spec.precision,
            checkpoint_seconds=60 * spec.checkpoint_minutes,
            max_epochs=spec.max_epochs,
            monitor=f"validation_{score}",
            patience=spec.patience,
            accumulate=spec.accumulate,
            micro_batches=spec.micro_batches,
        )

    def in_pieces(self, micro: int) -> "FitPlan":
        """The same, counted in pieces, as Lightning does."""
        every = None if self.validate_every is None else self.validate_every * micro
        return replace(self, accumulate=self.accumulate * micro, validate_every=every)


def fit(
    module: "TrainedModule", validation: "Batches", plan: FitPlan, work: Work
) -> tuple[pl.DataFrame, dict[str, Any]]:
    """Train the module in place; it ends with the best weights. One that was killed goes on, bit for bit.

    In several processes each calls this one, and the module of rank 0 ends with the weights.

    Args:
        module: what to train.
        validation: batches to judge by.
        plan: budget and precision.
        work: where to keep the state; the caller removes it once the result is safe.

    Returns:
        the curves (columns `CURVE`) and a report: processes, steps, epochs, seconds in all and of
        training alone, precision, pieces of a batch, best score, largest memory of a process in MiB where it can be
        told, what `speed` tells, and on which machine it was.

    Raises:
        UserError: when it ended before its budget was used, or the memory does not suffice.
    """
    from modelmill.training.processor_module import fast_on_processors
    from modelmill.training.ranks_module import broadcast
    from modelmill.training.recovery_module import first_pieces, read_begun, within_memory

    module.world = World.here()
    state = broadcast(work.begin() if module.world.rank == 0 else None)
    begun = read_begun(state) if state else None
    precision = begun.precision if begun else resolve_precision(plan.precision)
    if begun:
        log.info("going on from step %d, where this training was cut off", begun.step)

    def attempt(state: Path | None) -> _Attempt:
        return _attempt(module, validation, replace(plan, precision=precision), work.folder, state)

    with _torch_put_back(), _quiet(), fast_on_processors(module.model), module.rows.only():
        module.micro_batches = begun.micro if begun else first_pieces(module, plan.micro_batches, precision)
        ended = within_memory(attempt, module, plan.micro_batches, work.folder, state)
        report = _report(ended, module, precision)
    curves = ended.curves.table()
    _check_ended(ended.trainer, plan, curves)
    module.unshard()
    if plan.monitor and module.world.rank == 0:
        ended.checkpoints.load_best(module)
    told = (f"{key} {value}" for key, value in report.items() if key != "machine")
    log.info("trained: %s", ", ".join(told))
    return curves, report


@dataclass(frozen=True)
class _Attempt:
    """A training that has not run out of memory; `memory` is the most that it took, in MiB."""

    trainer: "Trainer"
    curves: "Curves"
    checkpoints: "Checkpoints"
    memory: int | None


def _attempt(
    module: "TrainedModule", validation: "Batches", plan: FitPlan, folder: Path, state: Path | None
) -> _Attempt:
    """Train from a state, or from the start, in pieces as the module says."""
    from pytorch_lightning import Trainer
    from pytorch_lightning.callbacks import TQDMProgressBar

    from modelmill.training.checkpoints_module import Checkpoints
    from modelmill.training.curves_module import Curves
    from modelmill.training.ranks_module import all_gather, trainer_options
    from modelmill.training.speed_module import PeakMemory

    pieces = plan.in_pieces(module.micro_batches)
    curves, checkpoints = Curves(), Checkpoints(folder, pieces)
    callbacks = [TQDMProgressBar(refresh_rate=20), curves, checkpoints]
    trainer = Trainer(**_trainer_options(pieces), **trainer_options(module.optimizer_spec), callbacks=callbacks)
    memory = PeakMemory(trainer.strategy.root_device)
    held_out = validation.shard(module.world.rank, module.world.size)
    trainer.fit(module, val_dataloaders=held_out, ckpt_path=state, weights_only=True)
    return _Attempt(trainer, curves, checkpoints, max(all_gather(memory.mb()), key=lambda mb: mb or 0))


def _report(ended: _Attempt, module: "TrainedModule", precision: Precision) -> dict[str, Any]:
    from modelmill.training.machine_module import describe_machine
    from modelmill.training.speed_module import speed

    checkpoints = ended.checkpoints
    seconds = checkpoints.seconds - checkpoints.beside
    return {
        "processes": module.world.size,
        **({"strategy": module.optimizer_spec.strategy} if module.world.size > 1 else {}),
        "steps": ended.trainer.global_step,
        "epochs": ended.trainer.current_epoch,
        "seconds": round(checkpoints.seconds, 1),
        "precision": precision,
        "micro_batches": module.micro_batches,
        "best": checkpoints.best,
        "training_seconds": round(seconds, 1),
        "peak_memory_mb": ended.memory,
        **speed(module, ended.trainer.strategy.root_device, seconds, precision),
        "machine": describe_machine(ended.trainer.strategy.root_device),
    }


def _check_ended(trainer: Any, plan: FitPlan, curves: pl.DataFrame) -> None:
    """A training that stops short of what was declared is no result."""
    whole = trainer.global_step == plan.max_steps or trainer.current_epoch == plan.max_epochs
    if not (whole or trainer.should_stop):
        raise UserError(
            f"the training ended at step {trainer.global_step}, epoch {trainer.current_epoch}, before what was "
            "declared was done. Run the same command again: it goes on from the last checkpoint."
        )
    # Not what Lightning says: one that had ended before it was killed has no validation of its own.
    loss = curves.filter(pl.col("name") == "validation_loss")["value"].tail(1)
    if not loss.is_finite().all():
        raise UserError(f"the validation loss is {loss.item()}: the training has diverged. Lower `learning_rate`.")


def _trainer_options(plan: FitPlan) -> dict[str, Any]:
    return {
        "precision": plan.precision,
        "max_epochs": plan.max_epochs,
        "max_steps": plan.max_steps,
        "accumulate_grad_batches": plan.accumulate,
        "deterministic": True,
        "logger": False,
        "reload_dataloaders_every_n_epochs": 1,
        "check_val_every_n_epoch": 1 if plan.validate_every is None else None,
        "val_check_interval": plan.validate_every,
        "enable_model_summary": False,
        "num_sanity_val_steps": 0,
    }


@contextmanager
def _torch_put_back() -> Iterator[None]:
    """Lightning makes torch deterministic for good; afterwards it is as it was. Within, torch does not fill new tensors
    against readers of what nobody wrote: that is a pass over each.
    """
    import torch

    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # read when memory is tried, before Lightning sets it
    deterministic: Any = torch.utils.deterministic
    mode, fill = torch.get_deterministic_debug_mode(), deterministic.fill_uninitialized_memory
    deterministic.fill_uninitialized_memory = False
    torch.use_deterministic_algorithms(True)
    try:
        yield
    finally:
        torch.set_deterministic_debug_mode(mode)
        deterministic.fill_uninitialized_memory = fill


@contextmanager
def _quiet() -> Iterator[None]:
    """Silence hints of Lightning that do not apply, and its advertisements."""
    talk = [logging.getLogger(f"pytorch_lightning.{name}") for name in TALK]
    levels = [logger.level for logger in talk]
    for logger in talk:
        logger.setLevel(logging.WARNING)
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message=".*isinstance.treespec, LeafSpec.*")
            yield
    finally:
        for logger, level in zip(talk, levels, strict=True):
            logger.setLevel(level)
