"""Progress of long work: a bar with rate and time left where somebody watches, elsewhere lines in the log."""

import logging
import sys
import time
from collections.abc import Iterable, Iterator, Sized
from types import TracebackType
from typing import Any, Protocol, Self, TypeVar

Item = TypeVar("Item", bound=Sized)
PATIENCE = 30.0
"""Seconds between two lines in the log."""


class Bar(Protocol):
    """What counts; a context manager."""

    def update(self, n: float = 1) -> Any:
        """So many more are done."""

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None
    ) -> None: ...


class LogLines:
    """Says every half minute how far it is, and at the end how long it took, if that was longer."""

    def __init__(self, what: str, total: float | None, unit: str) -> None:
        self._what, self._total, self._unit = what, total, unit
        self._done, self._started = 0.0, time.monotonic()
        self._said = self._started

    def update(self, n: float = 1) -> None:
        """So many more are done."""
        self._done += n
        if time.monotonic() - self._said >= PATIENCE:
            self._say("")

    def _say(self, end: str) -> None:
        self._said = time.monotonic()
        taken = self._said - self._started
        rate = self._done / taken
        of = f" of {self._total:,.0f}" if self._total else ""
        left = f", {(self._total - self._done) / rate:,.0f} s left" if self._total and rate and not end else ""
        logging.getLogger(__name__).info(
            "%s: %s%s %s, %s a second%s%s", self._what, f"{self._done:,.0f}", of, self._unit, f"{rate:,.0f}", left, end
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        if self._said > self._started and error is None:
            self._say(f", {time.monotonic() - self._started:,.0f} s")


def bar(what: str, total: float | None, unit: str) -> Bar:
    """A bar of `tqdm` in a terminal, lines in the log elsewhere."""
    if not sys.stderr.isatty():
        return LogLines(what, total, unit)
    from tqdm import tqdm

    shown: Bar = tqdm(desc=what, total=total, unit=f" {unit}", unit_scale=True, delay=2, leave=False)
    return shown


def counted(items: Iterable[Item], what: str, total: float | None, unit: str) -> Iterator[Item]:
    """The items, while a bar counts their lengths."""
    with bar(what, total, unit) as shown:
        for item in items:
            yield item
            shown.update(len(item))
