"""What every benchmark shares: pairs timed in turn, a table, a dated result with the hardware it came from."""

import json
import os
import platform
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from datetime import date
from importlib.metadata import version
from pathlib import Path
from typing import Any

RESULTS = Path(__file__).parent / "results"
Ratio = dict[str, float]


def alternating(sides: Mapping[str, Callable[[], object]], rounds: int) -> dict[str, list[float]]:
    """Seconds of each side, `rounds` times, in turn: what slows the machine down for a while slows down both."""
    seconds: dict[str, list[float]] = {name: [] for name in sides}
    for _ in range(rounds):
        for name, side in sides.items():
            started = time.perf_counter()
            side()
            seconds[name].append(time.perf_counter() - started)
    return seconds


def spread(values: Sequence[float]) -> Ratio:
    """Median, least and greatest."""
    return {"median": statistics.median(values), "min": min(values), "max": max(values)}


def ratios(peer: Sequence[float], ours: Sequence[float]) -> Ratio:
    """Peer's seconds by ours, pair by pair: above 1 we are faster."""
    return spread([theirs / mine for theirs, mine in zip(peer, ours, strict=True)])


def write_result(name: str, sizes: Mapping[str, Any], found: Mapping[str, Ratio], packages: Sequence[str]) -> None:
    """Print the ratios, and write them to `benchmarks/results/NAME.json`."""
    result = {
        "date": date.today().isoformat(),
        "hardware": {"processor": processor(), "cores": os.cpu_count()},
        "versions": {"python": platform.python_version(), **{package: version(package) for package in packages}},
        "sizes": dict(sizes),
        "ratios": dict(found),
    }
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / f"{name}.json").write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")
    for what, ratio in found.items():
        print(f"{what:<32} {ratio['median']:8.2f}   [{ratio['min']:.2f}, {ratio['max']:.2f}]")


def processor() -> str:
    """The processor's name."""
    lines = Path("/proc/cpuinfo").read_text().splitlines() if platform.system() == "Linux" else []
    named = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return named[0] if named else platform.processor()
