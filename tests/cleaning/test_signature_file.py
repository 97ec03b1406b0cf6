"""Near duplicates from files: the same as in memory."""

import random
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import polars as pl
from hypothesis import given, settings
from hypothesis import strategies as st

from modelmill.cleaning.near_duplicates import resolved, signatures
from modelmill.cleaning.signature_file import SignatureFile
from modelmill.specs.cleaning import NearDuplicatesSpec

SPEC = NearDuplicatesSpec(threshold=0.7)
RNG = random.Random(0)
LONG = [" ".join(f"w{RNG.randrange(5000)}" for _ in range(80)) for _ in range(40)]
TEXTS = pl.Series(
    [f"{RNG.choice(LONG)} {' '.join(f'x{RNG.randrange(99)}' for _ in range(RNG.randrange(9)))}" for _ in range(300)]
)


def found(
    texts: pl.Series, labels: list[str | None] | None = None, *, memory: int = 1 << 20, without: tuple[int, ...] = ()
) -> list[tuple[int, int, float]]:
    """Row, row that stays, similarity; texts are added in three parts."""
    column = pl.Series(labels or [None] * len(texts), dtype=pl.String)
    with TemporaryDirectory() as folder:
        signed = SignatureFile(Path(folder), SPEC)
        size = max(1, -(-len(texts) // 3))
        for start in range(0, max(1, len(texts)), size):
            signed.append(texts[start : start + size], column[start : start + size])
        alive = ~np.isin(np.arange(len(texts)), without)
        pairs = np.unique(np.concatenate(list(signed.candidates(alive, memory))), axis=0)
        rows = list(resolved(signed.similar(pairs), np.full(len(texts), -1, np.int64), signed))
        signed.close()
    return rows


def test_parts_do_not_show() -> None:
    """Row for row the same, whether the hashes of a band are looked at all at once or in eight parts; and what is found
    is similar, by the signatures in memory."""
    expected, signed = found(TEXTS), signatures(TEXTS, SPEC)
    assert len(expected) > 100
    assert found(TEXTS, memory=64 * 40) == expected
    assert all((signed[row] == signed[of]).mean() == alike >= SPEC.threshold for row, of, alike in expected)


def test_near_duplicates_name_the_one_that_stays() -> None:
    """A chain of edits is named after its first text while it is near to that; a far one stays."""
    text = LONG[0].split()
    edited = [" ".join([*text[:-n], *(f"x{i}" for i in range(n))]) for n in (2, 4)]
    assert [row[:2] for row in found(pl.Series([LONG[1], LONG[0], *edited, LONG[2]]))] == [(2, 1), (3, 1)]


@settings(max_examples=40, deadline=None)
@given(st.lists(st.integers(0, 5), max_size=30))
def test_what_is_named_stays(picks: list[int]) -> None:
    """Of equal texts the first one stays and names all the others; no named record is itself taken out."""
    pairs = found(pl.Series([LONG[pick] for pick in picks], dtype=pl.String))
    assert not {row for row, _, _ in pairs} & {of for _, of, _ in pairs}
    assert [row for row, _, _ in pairs] == [i for i, pick in enumerate(picks) if pick in picks[:i]]


def test_labels_keep_apart() -> None:
    """The same text under another label is no pair; under the same label it is, however many others lie between."""
    texts = pl.Series([LONG[0]] * 4)
    assert [row[:2] for row in found(texts, ["x", "y", "x", "y"])] == [(2, 0), (3, 1)]


def test_what_went_before_is_not_looked_at() -> None:
    """A record that an earlier step took out names none and is none."""
    assert [row[:2] for row in found(pl.Series([LONG[0]] * 4), without=(0, 2))] == [(3, 1)]
