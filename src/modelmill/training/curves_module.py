"""What a module logs, kept as a table."""

from typing import Any

import polars as pl
from pytorch_lightning import Callback, LightningModule, Trainer

from modelmill.training.fit import CURVE

EVERY = 10
"""Steps between two points of the curves of the training losses."""


class Curves(Callback):
    """Collects (name, step, value), steps being counted from 1. Lightning's loggers run after a state is saved, so what
    they keep would not be in it.
    """

    def __init__(self) -> None:
        self._rows: list[tuple[str, int, float]] = []

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Losses of every tenth step."""
        if trainer.global_step % EVERY == 0 and not trainer.fit_loop.epoch_loop._should_accumulate():
            self._add(trainer, "train_loss", "adversarial_loss", average=True)

    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """All figures of the validation."""
        self._add(trainer, *(name for name in trainer.callback_metrics if name.startswith("validation_")))

    def _add(self, trainer: Trainer, *names: str, average: bool = False) -> None:
        """Each rank logs the loss of its part of a batch; figures of a validation are of all ranks already."""
        found = {name: trainer.callback_metrics[name] for name in names if name in trainer.callback_metrics}
        if average:
            found = {name: trainer.strategy.reduce(value.clone(), reduce_op="mean") for name, value in found.items()}
        self._rows += [(name, trainer.global_step, float(value)) for name, value in found.items()]

    def state_dict(self) -> dict[str, Any]:
        """The rows, as plain values."""
        return {"rows": [list(row) for row in self._rows]}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from there."""
        self._rows = [(name, step, value) for name, step, value in state["rows"]]

    def table(self) -> pl.DataFrame:
        """The curves, in the order of logging."""
        return pl.DataFrame(self._rows, schema=CURVE, orient="row")
