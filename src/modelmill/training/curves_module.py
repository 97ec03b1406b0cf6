"""A Lightning logger that keeps what is logged as a table."""

from typing import Any

import polars as pl
from pytorch_lightning.loggers import Logger

from modelmill.training.fit import CURVE


class CurveLogger(Logger):
    """Collects (name, step, value) of everything a module logs."""

    def __init__(self) -> None:
        super().__init__()
        self._rows: list[tuple[str, int, float]] = []

    @property
    def name(self) -> str:
        return "curves"

    @property
    def version(self) -> str:
        return ""

    def log_metrics(self, metrics: dict[str, float], step: int | None = None) -> None:
        rows = [(name, step or 0, float(value)) for name, value in metrics.items() if name != "epoch"]
        self._rows += rows

    def log_hyperparams(self, *args: Any, **kwargs: Any) -> None:
        """Parameters are logged by the run's hook, not here."""

    def table(self) -> pl.DataFrame:
        """The curves, in the order of logging."""
        return pl.DataFrame(self._rows, schema=CURVE, orient="row")
