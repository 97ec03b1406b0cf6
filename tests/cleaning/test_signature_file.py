"""Near duplicates from files: the same as in memory."""

import random
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from modelmill.cleaning.near_duplicates import near_duplicates, resolved, signatures
from modelmill.cleaning.signature_file import SignatureFile
from modelmill.specs.cleaning import NearDuplicatesSpec

SPEC = NearDuplicatesSpec(threshold=0.7)
RNG = random.Random(0)
LONG = [" ".join(f"w{RNG.randrange(5000)}" for _ in range(80)) for _ in range(40)]
TEXTS = pl.Series(
    [f"{RNG.choice(LONG)} {' '.join(f'x{RNG.randrange(99)}' for _ in range(RNG.randrange(9)))}" for _ in range(300)]
)


def found(
    folder: Path, texts: pl.Series, labels: list[str | None], *, memory: int = 1 << 20, without: tuple[int, ...] = ()
) -> list[tuple[int, int, float]]:
    """Row, row that stays, similarity; texts are added in three parts."""
    folder.mkdir()
    signed = SignatureFile(folder, SPEC)
    column = pl.Series(labels, dtype=pl.String)
    for start in range(0, len(texts), -(-len(texts) // 3)):
        stop = start + -(-len(texts) // 3)
        signed.append(texts[start:stop], column[start:stop])
    alive = ~np.isin(np.arange(len(texts)), without)
    pairs = np.unique(np.concatenate(list(signed.pairs(alive, memory))), axis=0).tolist()
    rows = list(resolved(pairs, np.full(len(texts), -1, np.int64), signed.similarity, SPEC.threshold))
    signed.close()
    return rows


@pytest.mark.parametrize("memory", [1 << 20, 64 * 40])
def test_as_in_memory(tmp_path: Path, memory: int) -> None:
    """Row for row, whether the hashes of a band are looked at all at once or in eight parts."""
    expected = near_duplicates(signatures(TEXTS, SPEC), SPEC.threshold).rows()
    assert len(expected) > 100
    assert found(tmp_path / "s", TEXTS, [None] * len(TEXTS), memory=memory) == expected


def test_labels_keep_apart(tmp_path: Path) -> None:
    """The same text under another label is no pair; under the same label it is, however many others lie between."""
    texts = pl.Series([LONG[0]] * 4)
    assert [row[:2] for row in found(tmp_path / "s", texts, ["x", "y", "x", "y"])] == [(2, 0), (3, 1)]


def test_what_went_before_is_not_looked_at(tmp_path: Path) -> None:
    """A record that an earlier step took out names none and is none."""
    texts = pl.Series([LONG[0]] * 4)
    assert [row[:2] for row in found(tmp_path / "s", texts, ["x"] * 4, without=(0, 2))] == [(3, 1)]
