"""One way to run Lightning's Trainer: seeded, deterministic, with curves as a table and the best weights kept."""

import platform
import tempfile
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import polars as pl

from modelmill.specs.training import DeclaredPrecision, Precision

if TYPE_CHECKING:
    from pytorch_lightning import LightningModule
    from torch.utils.data import DataLoader

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


def resolve_precision(precision: DeclaredPrecision) -> Precision:
    """`auto` is bf16 where the hardware computes in it: CUDA since Ampere, CPUs with avx512_bf16 or AMX."""
    if precision != "auto":
        return precision
    import torch

    if torch.cuda.is_available():
        return "bf16-mixed" if torch.cuda.is_bf16_supported() else "32-true"
    flags = Path("/proc/cpuinfo").read_text() if platform.system() == "Linux" else ""
    return "bf16-mixed" if "avx512_bf16" in flags or "amx_bf16" in flags else "32-true"


def fit(
    module: "LightningModule", train: "DataLoader[Any] | None", validation: "DataLoader[Any]", plan: FitPlan
) -> tuple[pl.DataFrame, dict[str, Any]]:
    """Train the module in place; it ends with the best weights.

    Args:
        module: what to train.
        train: its batches; None when the module has its own `train_dataloader`.
        validation: batches to judge by.
        plan: budget and precision.

    Returns:
        the curves (columns `CURVE`) and a report: steps, epochs, seconds, precision, best score.
    """
    import pytorch_lightning as lightning
    import torch
    from pytorch_lightning.callbacks import ModelCheckpoint

    from modelmill.training.curves_module import CurveLogger

    precision = resolve_precision(plan.precision)
    curves = CurveLogger()
    started = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder, _quiet():
        callbacks = _callbacks(plan, folder)
        keeper = next((one for one in callbacks if isinstance(one, ModelCheckpoint)), None)
        trainer = lightning.Trainer(
            **_trainer_options(plan),
            precision=precision,
            reload_dataloaders_every_n_epochs=1 if train is None else 0,
            logger=curves,
            callbacks=callbacks,
            enable_checkpointing=keeper is not None,
        )
        trainer.fit(module, train, validation)
        if keeper is not None:
            best = torch.load(keeper.best_model_path, weights_only=True)
            module.load_state_dict(best["state_dict"])
    report = {
        "steps": trainer.global_step,
        "epochs": trainer.current_epoch,
        "seconds": round(time.perf_counter() - started, 1),
        "precision": precision,
        "best": float(keeper.best_model_score) if keeper and keeper.best_model_score is not None else None,
    }
    return curves.table(), report


def _callbacks(plan: FitPlan, folder: str) -> list[Any]:
    """Progress, the best weights kept in the folder, early stopping."""
    from pytorch_lightning.callbacks import EarlyStopping, ModelCheckpoint, TQDMProgressBar

    callbacks: list[Any] = [TQDMProgressBar(refresh_rate=20)]
    if plan.monitor:
        callbacks.append(ModelCheckpoint(folder, monitor=plan.monitor, mode="max", save_weights_only=True))
        callbacks.append(EarlyStopping(plan.monitor, mode="max", patience=plan.patience))
    return callbacks


def _trainer_options(plan: FitPlan) -> dict[str, Any]:
    return {
        "max_epochs": plan.max_epochs,
        "max_steps": plan.max_steps,
        "accumulate_grad_batches": plan.accumulate,
        "deterministic": True,
        "devices": 1,  # more would start `kedro run` again in every process
        "check_val_every_n_epoch": 1 if plan.validate_every is None else None,
        "val_check_interval": plan.validate_every,
        "log_every_n_steps": 10,
        "enable_model_summary": False,
        "num_sanity_val_steps": 0,
    }


@contextmanager
def _quiet() -> Iterator[None]:
    """Silence hints of Lightning that do not apply: the data is in memory, worker processes only cost."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*does not have many workers.*")
        warnings.filterwarnings(
            "ignore", message=".*The number of training batches.*smaller than the logging interval.*"
        )
        warnings.filterwarnings("ignore", message=".*isinstance.treespec, LeafSpec.*")
        yield
