"""How often the gates against the incumbent are right, beside a gate that looks at the figures alone.

By accuracy the rates are counted out over all that can happen, by macro-F1 they are drawn over seeds. The peer passes a
version whose figure is not below the incumbent's by more than the margin, as a floor does.
"""

import argparse
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent))
import numpy as np
from _common import spread, write_result

from modelmill.evaluation.non_inferiority import Comparison, accuracy_bounds, compare
from modelmill.evaluation.paired import chance
from modelmill.evaluation.slices import chance_to_find
from modelmill.specs.registry import NonInferiorityGate
from modelmill.tasks.classes import ClassOutcome

SIZES = (100, 250, 500, 1000, 1771, 2500, 5000, 10_000)
DISAGREEMENTS = (0.04, 0.08)
LABELS = {"two, alike": (0.5, 0.5), "three, 70/20/10": (0.7, 0.2, 0.1)}
RIGHT = 0.85
PARTS = (1, 5, 10)
PART_SIZES = (200, 400, 600, 900, 1200, 2000)
COLUMNS = ("could tell", "passes", "passes if told", "worse passes", "peer passes", "peer: worse")
Row = dict[str, Any]


def by_accuracy(items: int, disagreement: float, margin: float) -> Row:
    """Of an equally good version, and of one that is worse by the margin."""
    rule, half, lost = NonInferiorityGate(margin=margin), disagreement / 2, margin / 2

    def rate(off: float, test: Callable[[Any, Any], Any]) -> float:
        return chance(items, half - off, half + off, test)

    def passes(wins: Any, losses: Any) -> Any:
        return accuracy_bounds(wins, losses, items, rule).verdicts(rule) == "not worse"

    def told(wins: Any, losses: Any) -> Any:
        return accuracy_bounds(wins, losses, items, rule).power >= rule.power

    def peer(wins: Any, losses: Any) -> Any:
        return (wins - losses) / items >= -margin - 1e-12

    could, equal = rate(0, told), rate(0, passes)
    found = (could, equal, equal / could if could > 0.01 else None, rate(lost, passes), rate(0, peer), rate(lost, peer))
    return {"items": items, "disagreement": disagreement, "margin": margin, **dict(zip(COLUMNS, found, strict=True))}


def drawn(
    items: int, shares: Sequence[float], wins: float, losses: float, seed: int
) -> tuple[ClassOutcome, ClassOutcome]:
    """A version and an incumbent, each alone right with these probabilities; what is wrong falls on any other label."""
    rng, k = np.random.default_rng(seed), len(shares)
    true, luck, both = rng.choice(k, items, p=shares), rng.random(items), RIGHT - losses
    wrong = (true + rng.integers(1, k, items)) % k
    ours, theirs = luck < both + wins, (luck < both) | ((luck >= both + wins) & (luck < both + wins + losses))
    sure, labels = np.full(items, RIGHT), [str(label) for label in range(k)]
    first, second = (ClassOutcome(true, np.where(right, true, wrong), sure, labels) for right in (ours, theirs))
    return first, second


def true_f1(shares: Sequence[float], right: float) -> float:
    """Macro-F1 of a model that is right with this probability whatever the label."""
    counts = np.full((len(shares), len(shares)), (1 - right) / (len(shares) - 1))
    np.fill_diagonal(counts, right)
    counts = counts * np.array(shares)[:, None]
    return float((2 * np.diag(counts) / (counts.sum(0) + counts.sum(1))).mean())


def by_macro_f1(items: int, labels: str, disagreement: float, seeds: int) -> Row:
    """The same; the margin is what 2 points of accuracy are in macro-F1."""
    shares, half = LABELS[labels], disagreement / 2
    rule = NonInferiorityGate(margin=true_f1(shares, RIGHT) - true_f1(shares, RIGHT - 0.02), resamples=500)

    def compared(off: float) -> list[Comparison]:
        return [compare(*drawn(items, shares, half - off, half + off, seed), "macro_f1", rule) for seed in range(seeds)]

    def rate(some: list[Comparison], test: Callable[[Comparison], bool]) -> float | None:
        return float(np.mean([test(one) for one in some])) if len(some) > 0.05 * seeds else None

    def passes(one: Comparison) -> bool:
        return one.verdict == "not worse"

    def peer(one: Comparison) -> bool:
        return one.bounds["gain"] >= -rule.margin

    equal, worse = compared(0.0), compared(0.01)
    told = [one for one in equal if one.bounds["power"] >= rule.power]
    could, others = len(told) / seeds, (rate(equal, peer), rate(worse, peer))
    found = (could, rate(equal, passes), rate(told, passes), rate(worse, passes), *others)
    named = {"items": items, "disagreement": disagreement, "margin": rule.margin, "labels": labels}
    return {**named, **dict(zip(COLUMNS, found, strict=True))}


def smallest(holds: Callable[[int], bool], step: int = 10) -> int:
    """From which size on it holds, in steps; rates of small counts saw up and down, so a stretch above is looked at."""
    low, high = 0, step
    while not holds(high):
        low, high = high, 2 * high
    while high - low > step:
        middle = (low + high) // (2 * step) * step
        low, high = (low, middle) if holds(middle) else (middle, high)
    while not all(holds(high + more * step) for more in range(6)):
        high += step
    return high


def enough(disagreement: float, margin: float) -> int:
    """Records with which versions that disagree so often, as often one way as the other, can be told to be equal."""
    rule = NonInferiorityGate(margin=margin)
    return smallest(lambda n: bool(accuracy_bounds(n * disagreement / 2, n * disagreement / 2, n, rule).power >= 0.8))


def found_in_part(items: int, disagreement: float, parts: int) -> float:
    """Chance that a loss of three points, beside that disagreement, is found in one of so many parts."""
    return chance_to_find(items, 0.03, disagreement + 0.03, 0.0, 0.05 / parts)


def show(title: str, rows: Sequence[Row]) -> None:
    """A table."""
    print(f"\n{title}\n" + "  ".join(f"{name:>14}" for name in rows[0]))
    for row in rows:
        cells = (f"{one:.3f}" if isinstance(one, float) else "-" if one is None else str(one) for one in row.values())
        print("  ".join(f"{cell:>14}" for cell in cells))


def main() -> None:
    """Count, draw, write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="20 seeds instead of 200, and fewer sizes")
    quick = parser.parse_args().quick
    sizes, seeds = (SIZES[:5], 20) if quick else (SIZES, 200)
    margins = (0.005, 0.01, 0.02, 0.03)
    accuracy = [by_accuracy(n, rate, margin) for margin in (0.01, 0.02) for rate in DISAGREEMENTS for n in sizes]
    macro = [by_macro_f1(n, labels, rate, seeds) for labels in LABELS for rate in DISAGREEMENTS for n in (500, 1771)]
    needed = [
        {"disagreement": rate, **{f"margin {margin}": enough(rate, margin) for margin in margins}}
        for rate in (0.0, 0.02, *DISAGREEMENTS, 0.15)
    ]
    parts = [
        {"disagreement": rate, "parts": count}
        | {f"{n} records": found_in_part(n, rate, count) for n in PART_SIZES}
        | {"95% from": smallest(lambda n, rate=rate, count=count: found_in_part(n, rate, count) >= 0.95)}
        for rate in (0.0, *DISAGREEMENTS)
        for count in PARTS
    ]
    show("accuracy, counted out", accuracy)
    show(f"macro-F1, {seeds} seeds", macro)
    show("records that can tell", needed)
    show("a loss of three points in one part is found", parts)
    told = [row for row in accuracy if row["passes if told"] is not None]
    found = {
        "equal_passes_if_told": spread([row["passes if told"] for row in told]),
        "worse_passes": spread([row["worse passes"] for row in accuracy]),
        "worse_passes_peer": spread([row["peer: worse"] for row in accuracy]),
        "worse_passes_macro_f1": spread([row["worse passes"] for row in macro]),
    }
    print()
    rates = {"accuracy": accuracy, "macro_f1": macro, "needed": needed, "parts": parts}
    rounded = {
        name: [{key: round(one, 4) if isinstance(one, float) else one for key, one in row.items()} for row in rows]
        for name, rows in rates.items()
    }
    write_result("gate_rates", {"right": RIGHT, "seeds": seeds, **rounded}, found, ["numpy", "scipy"])


if __name__ == "__main__":
    main()
