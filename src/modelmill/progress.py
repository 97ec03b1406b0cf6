"""Progress bars of long work: rate and time left."""

import sys
from collections.abc import Iterable, Iterator
from typing import Any, TypeVar

Item = TypeVar("Item")


def bar(what: str, total: int | None, unit: str) -> Any:
    """A bar of `tqdm`; where nobody watches (a log file) it says something every half minute only."""
    from tqdm import tqdm

    patience = 0.2 if sys.stderr.isatty() else 30.0
    return tqdm(desc=what, total=total, unit=f" {unit}", unit_scale=True, mininterval=patience, delay=2, leave=False)


def counted(items: Iterable[Item], what: str, total: int | None, unit: str) -> Iterator[Item]:
    """The items, while a bar counts their lengths."""
    with bar(what, total, unit) as shown:
        for item in items:
            yield item
            shown.update(len(item))  # type: ignore[arg-type]
