"""One way to run Lightning's Trainer: seeded, deterministic, with curves as a table and the best weights kept."""

import hashlib
import json
import logging
import shutil
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import polars as pl
from pydantic import BaseModel

from modelmill.errors import UserError
from modelmill.files import hold, release
from modelmill.specs.training import DeclaredPrecision, MicroBatches, Precision
from modelmill.training.ranks import Place

if TYPE_CHECKING:
    from pytorch_lightning import Trainer

    from modelmill.training.checkpoints_module import Checkpoints
    from modelmill.training.curves_module import Curves
    from modelmill.training.module import Batches, TrainedModule

STATE, BEST, START, IDENTITY = "last.ckpt", "best.ckpt", "start.ckpt", "identity"
"""Files of a training that is under way: last state, best weights, those it began with, which training it is."""

LAYOUT = 2
"""Of what is in a state, and of what makes a batch: raise it when either changes."""

WORTH_CASTING = 1.2
"""Faster than fp32 by this, and bf16 pays for the casts to and fro."""

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

    def in_pieces(self, micro: int) -> "FitPlan":
        """The same, counted in pieces, as Lightning does."""
        every = None if self.validate_every is None else self.validate_every * micro
        return replace(self, accumulate=self.accumulate * micro, validate_every=every)


@dataclass(frozen=True)
class Work:
    """Where a training keeps its state, and which training it is: the state of another one is put away."""

    folder: Path
    identity: str

    @classmethod
    def of(cls, folder: Path, spec: BaseModel, parts: Sequence[object] = ()) -> "Work":
        """The training of a spec and other parts (digests of what it reads), with these versions of the libraries."""
        versions = [version(name) for name in ("torch", "transformers", "pytorch-lightning", "peft", "numpy")]
        declared = spec.model_dump(mode="json")
        training = declared.get("training", declared)
        training.pop("checkpoint_minutes")  # how often it is saved makes no other training
        training["precision"] = resolve_precision(training["precision"])
        text = json.dumps([LAYOUT, declared, *parts, *versions])
        return cls(folder, hashlib.sha256(text.encode()).hexdigest())

    def begin(self, rank: int = 0) -> Path | None:
        """The state to go on from, or None after rank 0 has removed everything else from the folder.

        Raises:
            UserError: when another process trains here. From now on until `clear`, or until it ends, this one does.
        """
        self.folder.parent.mkdir(parents=True, exist_ok=True)
        if rank == 0 and (other := hold(_lock(self.folder))):
            raise UserError(
                f"{other} trains in {self.folder}, where one training at a time may keep its state. Wait until it has "
                "ended, or end it; then run the same command again: it goes on from the last state."
            )
        mark = self.folder / IDENTITY
        if mark.is_file() and mark.read_text() == self.identity:
            return self.folder / STATE if (self.folder / STATE).is_file() else None
        if rank:
            return None
        _remove(self.folder)
        self.folder.mkdir()
        mark.write_text(self.identity)
        return None


def clear(folder: Path) -> None:
    """Remove the state of a training, and let others train there."""
    _remove(folder)
    release(_lock(folder))


def _lock(folder: Path) -> Path:
    """Beside the folder, so that it is still locked while the folder is removed."""
    return folder.with_name(f".{folder.name}.lock")


def _remove(folder: Path) -> None:
    """First what says which training it is, for a kill may fall in between."""
    (folder / IDENTITY).unlink(missing_ok=True)
    shutil.rmtree(folder, ignore_errors=True)


@cache
def resolve_precision(precision: DeclaredPrecision) -> Precision:
    """`auto` is bf16 where the hardware is faster in it. A processor multiplies matrices in both to tell: some that
    have instructions for bf16 take twice as long (docs/log.md).
    """
    if precision != "auto":
        return precision
    import torch

    from modelmill.training.ranks_module import agreed
    from modelmill.training.speed_module import peak_flops

    if torch.cuda.is_available():
        return "bf16-mixed" if torch.cuda.is_bf16_supported(including_emulation=False) else "32-true"
    gain = peak_flops(torch.device("cpu"), "bf16-mixed") / peak_flops(torch.device("cpu"), "32-true")
    return agreed("bf16-mixed" if gain > WORTH_CASTING else "32-true")


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
        the curves (columns `CURVE`) and a report: processes and their strategy, steps, epochs, seconds in all and of
        training alone, precision, pieces of a batch, best score, largest memory of a process in MiB where it can be
        told, and what `speed` tells.

    Raises:
        UserError: when it ended before its budget was used, or the memory does not suffice.
    """
    from modelmill.training.module import Split
    from modelmill.training.processor_module import fast_on_processors
    from modelmill.training.recovery_module import within_memory

    precision, place = resolve_precision(plan.precision), Place.here()
    module.split = Split(ranks=place.ranks, rank=place.rank)

    def attempt(state: Path | None) -> _Attempt:
        return _attempt(module, validation, replace(plan, precision=precision), work.folder, state)

    with _torch_put_back(), _quiet(), fast_on_processors(module.model), module.rows.only():
        ended = within_memory(attempt, module, plan.micro_batches, work, precision)
        report = _report(ended, module, precision)
    curves = ended.curves.table()
    _check_ended(ended.trainer, plan, curves)
    module.put_together()
    if plan.monitor and place.rank == 0:
        ended.checkpoints.load_best(module)
    logging.getLogger(__name__).info("trained: %s", ", ".join(f"{key} {value}" for key, value in report.items()))
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
    """Train from a state, or from the start, in pieces as the module's split says."""
    from pytorch_lightning import Trainer
    from pytorch_lightning.callbacks import TQDMProgressBar

    from modelmill.training.checkpoints_module import Checkpoints
    from modelmill.training.curves_module import Curves
    from modelmill.training.ranks_module import gathered, trainer_options
    from modelmill.training.speed_module import PeakMemory

    pieces = plan.in_pieces(module.split.micro)
    curves, checkpoints = Curves(), Checkpoints(folder, pieces)
    callbacks = [TQDMProgressBar(refresh_rate=20), curves, checkpoints]
    trainer = Trainer(**_trainer_options(pieces), **trainer_options(module.optimizer_spec), callbacks=callbacks)
    memory = PeakMemory(trainer.strategy.root_device)
    held_out = validation.shared(module.split.rank, module.split.ranks)
    trainer.fit(module, val_dataloaders=held_out, ckpt_path=state, weights_only=True)
    return _Attempt(trainer, curves, checkpoints, max(gathered(memory.mb()), key=lambda mb: mb or 0))


def _report(ended: _Attempt, module: "TrainedModule", precision: Precision) -> dict[str, Any]:
    from modelmill.training.speed_module import speed

    checkpoints, ranks = ended.checkpoints, module.split.ranks
    seconds = checkpoints.seconds - checkpoints.beside
    return {
        "processes": ranks,
        "strategy": module.optimizer_spec.strategy if ranks > 1 else None,
        "steps": ended.trainer.global_step,
        "epochs": ended.trainer.current_epoch,
        "seconds": round(checkpoints.seconds, 1),
        "precision": precision,
        "micro_batches": module.split.micro,
        "best": checkpoints.best,
        "training_seconds": round(seconds, 1),
        "peak_memory_mb": ended.memory,
        **speed(module, ended.trainer.strategy.root_device, seconds, precision),
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

    deterministic: Any = torch.utils.deterministic
    mode, fill = torch.get_deterministic_debug_mode(), deterministic.fill_uninitialized_memory
    deterministic.fill_uninitialized_memory = False
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
