"""Near duplicates that were planted: how many are found (recall), and how many finds are right (precision).

The yardstick is theory: a pair of similarity s shares a band with probability 1 - (1 - s^rows)^bands, and the estimate
from n places is above the threshold t with the binomial probability P(Bin(n, s) >= t n). Pairs are word-edited copies
of real texts; what counts as right is the true share of common n-grams (Jaccard), counted on the sets themselves.
"""

import argparse
import random
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
import itertools

import numpy as np
import polars as pl
from _common import spread, write_result
from cleaning import edited, repeated, texts
from scipy.stats import binom

from modelmill.cleaning.near_duplicates import Known, banding, found_share
from modelmill.cleaning.shingles import shingles
from modelmill.specs.cleaning import NearDuplicatesSpec

EDITS = (0.005, 0.01, 0.02, 0.03, 0.05, 0.1, 0.2, 0.3)
BINS = (0.5, 0.6, 0.7, 0.75, 0.8, 0.85, 0.9, 0.95, 1.0)


def true_similarity(pair: tuple[str, str], words: int) -> float:
    """Jaccard of the shingle sets."""
    hashes, bounds = shingles(pl.Series(pair), words)
    one, other = (set(hashes[a:b].tolist()) for a, b in itertools.pairwise(bounds))
    return len(one & other) / len(one | other)


def expected(similarity: float, spec: NearDuplicatesSpec) -> float:
    """Probability that theory gives a pair of being found and passing."""
    passes = binom.sf(np.ceil(spec.threshold * spec.permutations) - 1, spec.permutations, similarity)
    return found_share(similarity, *banding(spec.threshold, spec.permutations)) * float(passes)


def planted(originals: list[str], spec: NearDuplicatesSpec, seed: int) -> list[tuple[float, bool]]:
    """For an edited copy of each text: its true similarity, and whether it was found."""
    rng = random.Random(seed)
    copies = [edited(text, rng.choice(EDITS), rng) for text in originals]
    found = Known(pl.Series(originals), spec).near(pl.Series(copies))
    of = dict(found.select("row", "of").iter_rows())
    pairs = zip(originals, copies, strict=True)
    return [(true_similarity(pair, spec.words), of.get(i) == i) for i, pair in enumerate(pairs)]


def distinct(originals: list[str], spec: NearDuplicatesSpec) -> list[str]:
    """The texts without those that are like another one: licences are, and a copy could then be found as theirs."""
    alike = repeated(originals, spec.model_copy(update={"threshold": 0.3}))
    return [text for row, text in enumerate(originals) if row not in alike]


def main() -> None:
    """Plant, find, compare."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="fewer texts, 2 rounds instead of 5")
    quick = parser.parse_args().quick
    spec = NearDuplicatesSpec()
    originals = distinct(texts(800 if quick else 4000), spec)
    rounds = [planted(originals, spec, seed) for seed in range(2 if quick else 5)]
    results = [one for found in rounds for one in found]
    print(f"{'true similarity':<18} {'pairs':>7} {'found':>8} {'theory':>8}")
    curve = []
    for low, high in itertools.pairwise(BINS):
        inside = [(s, hit) for s, hit in results if low <= s < high or s == high == 1.0]
        if inside:
            hits, theory = (
                float(np.mean(one)) for one in ([h for _, h in inside], [expected(s, spec) for s, _ in inside])
            )
            curve.append({"from": low, "to": high, "pairs": len(inside), "found": hits, "theory": theory})
            print(f"{low:.2f} to {high:.2f} {len(inside):>14} {hits:>8.3f} {theory:>8.3f}")
    recall = [
        sum(h for s, h in one if s >= spec.threshold) / sum(s >= spec.threshold for s, _ in one) for one in rounds
    ]
    precision = [sum(s >= spec.threshold for s, h in one if h) / sum(h for _, h in one) for one in rounds]
    sizes = {"texts": len(originals), "rounds": len(rounds), **spec.model_dump(), "curve": curve}
    found = {"recall_at_threshold": spread(recall), "precision_at_threshold": spread(precision)}
    write_result("dedup_quality", sizes, found, ["numba", "rensa", "polars"])


if __name__ == "__main__":
    main()
