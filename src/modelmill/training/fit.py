"""One way to run Lightning's Trainer: seeded, deterministic, with curves as a table and the best weights kept."""

import hashlib
import json
import logging
import math
import shutil
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import polars as pl
from pydantic import BaseModel

from modelmill.errors import UserError
from modelmill.specs.training import DeclaredPrecision, Precision
from modelmill.training.ranks import Place

if TYPE_CHECKING:
    from modelmill.training.checkpoints_module import Checkpoints
    from modelmill.training.module import Batches, TrainedModule

STATE, BEST, IDENTITY = "last.ckpt", "best.ckpt", "identity"
"""Files of a training that is under way: its last state, its best weights, which training it is."""

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
    batches make a step, and the gradient is their mean.
    """

    precision: DeclaredPrecision
    max_epochs: int = -1
    max_steps: int = -1
    validate_every: int | None = None
    monitor: str | None = None
    patience: int = 1
    accumulate: int = 1
    checkpoint_seconds: float = 300


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
        """The state to go on from, or None after rank 0 has removed everything else from the folder."""
        mark = self.folder / IDENTITY
        if mark.is_file() and mark.read_text() == self.identity:
            return self.folder / STATE if (self.folder / STATE).is_file() else None
        if rank:
            return None
        clear(self.folder)
        self.folder.mkdir(parents=True)
        mark.write_text(self.identity)
        return None


def clear(folder: Path) -> None:
    """Remove the state of a training; first what says which one it is, for a kill may fall in between."""
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
        the curves (columns `CURVE`) and a report: steps, epochs, seconds in all and of training alone, precision, best
        score, processes and their strategy, and what `speed` tells.

    Raises:
        UserError: when it ended before its budget was used.
    """
    import pytorch_lightning as lightning
    import torch
    from pytorch_lightning.callbacks import TQDMProgressBar

    from modelmill.training.checkpoints_module import Checkpoints
    from modelmill.training.curves_module import Curves
    from modelmill.training.module import Split
    from modelmill.training.ranks_module import trainer_options

    precision, curves, place = resolve_precision(plan.precision), Curves(), Place.here()
    state, checkpoints = work.begin(place.rank), Checkpoints(work.folder, plan)
    module.split = Split(ranks=place.ranks, rank=place.rank)
    module.passed = _batches_passed(state) if state else 0
    with _quiet():
        # A guard for readers of memory that nobody wrote; it costs a pass over every new tensor.
        torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]
        trainer = lightning.Trainer(
            **_trainer_options(plan),
            **trainer_options(module.optimizer_spec),
            precision=precision,
            callbacks=[TQDMProgressBar(refresh_rate=20), curves, checkpoints],
        )
        held_out = validation.shared(place.rank, place.ranks)
        trainer.fit(module, val_dataloaders=held_out, ckpt_path=state, weights_only=True)
    _check_ended(trainer, plan)
    report = _report(trainer, checkpoints, module, precision)
    module.put_together()
    if plan.monitor and place.rank == 0:
        checkpoints.load_best(module)
    logging.getLogger(__name__).info("trained: %s", ", ".join(f"{key} {value}" for key, value in report.items()))
    return curves.table(), report


def _report(trainer: Any, checkpoints: "Checkpoints", module: "TrainedModule", precision: Precision) -> dict[str, Any]:
    from modelmill.training.speed_module import speed

    ranks, seconds = Place.here().ranks, checkpoints.seconds - checkpoints.beside
    return {
        "processes": ranks,
        "strategy": module.optimizer_spec.strategy if ranks > 1 else None,
        "steps": trainer.global_step,
        "epochs": trainer.current_epoch,
        "seconds": round(checkpoints.seconds, 1),
        "precision": precision,
        "best": checkpoints.best,
        "training_seconds": round(seconds, 1),
        **speed(module, trainer.strategy.root_device, seconds, precision),
    }


def _batches_passed(state: Path) -> int:
    """Batches of the epoch under way that a state has behind it."""
    import torch

    loops = torch.load(state, weights_only=True, mmap=True)["loops"]["fit_loop"]
    passed: int = loops["epoch_loop.batch_progress"]["current"]["processed"]
    return passed


def _check_ended(trainer: Any, plan: FitPlan) -> None:
    """A training that stops short of what was declared is no result."""
    whole = trainer.global_step == plan.max_steps or trainer.current_epoch == plan.max_epochs
    if not (whole or trainer.should_stop):
        raise UserError(
            f"the training ended at step {trainer.global_step}, epoch {trainer.current_epoch}, before what was "
            "declared was done. Run the same command again: it goes on from the last checkpoint."
        )
    loss = float(trainer.callback_metrics.get("validation_loss", 0))
    if not math.isfinite(loss):
        raise UserError(f"the validation loss is {loss}: the training has diverged. Lower `learning_rate`.")


def _trainer_options(plan: FitPlan) -> dict[str, Any]:
    return {
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
