"""Near duplicates: found, named after a record that stays, and never among those that are fixed."""

import itertools
import random

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numba import threading_layer

from modelmill.cleaning.near_duplicates import Known, banding, found_share, signatures
from modelmill.cleaning.shingles import shingles
from modelmill.specs.cleaning import NearDuplicatesSpec

SPEC = NearDuplicatesSpec()
RNG = random.Random(0)
LONG = [" ".join(f"w{RNG.randrange(5000)}" for _ in range(200)) for _ in range(30)]


def sets(*texts: str, size: int = 2) -> list[set[int]]:
    """The shingle sets of texts."""
    hashes, bounds = shingles(pl.Series(texts), size)
    return [set(hashes[a:b].tolist()) for a, b in itertools.pairwise(bounds)]


def test_shingles_by_hand() -> None:
    """n - size + 1 of them; case and marks make no difference, words and their order do."""
    first, same, other, turned = sets("the cat sat on", "The cat, sat: on!", "the dog sat on", "on sat cat the")
    assert len(first) == 3
    assert first == same
    assert len(first & other) == 1
    assert not first & turned


def test_short_texts_have_one_shingle() -> None:
    """A text shorter than an n-gram is one of its own kind, no part of longer ones; marks alone are still something."""
    short, longer, marks, empty = sets("cat sat", "cat sat on", "?!", "", size=3)
    assert len(short) == len(longer) == len(marks) == 1
    assert not short & longer
    assert not empty


@settings(max_examples=60, deadline=None)
@given(st.lists(st.text(max_size=40), min_size=1, max_size=8), st.integers(1, 6))
def test_texts_do_not_touch_each_other(texts: list[str], size: int) -> None:
    """Shingles of a column are those of its texts one by one, whatever they hold."""
    assert sets(*texts, size=size) == [one for text in texts for one in sets(text, size=size)]


def test_signatures_estimate_the_share_of_common_shingles() -> None:
    """Within four standard errors of the true share."""
    words = LONG[0].split()
    for cut in (20, 60, 120):
        pair = [LONG[0], " ".join([*words[:-cut], *(f"x{i}" for i in range(cut))])]
        one, other = sets(*pair, size=SPEC.words)
        true = len(one & other) / len(one | other)
        signed = signatures(pl.Series(pair), SPEC)
        error = np.sqrt(true * (1 - true) / SPEC.permutations)
        assert abs((signed[0] == signed[1]).mean() - true) < 4 * error


def test_known_texts_are_found_by_the_one_most_like_them() -> None:
    """Of two known texts the nearer one is named; what is like none of them is not found."""
    edited, more = (f"{LONG[0]} {' '.join(['new'] * count)}" for count in (1, 6))
    found = Known(pl.Series([LONG[1], more, edited]), SPEC).near(pl.Series([LONG[2], edited, LONG[1]]))
    assert found.select("row", "of", "similarity").rows() == [(1, 2, 1.0), (2, 0, 1.0)]


def test_nothing_known_and_nothing_asked() -> None:
    """Empty columns on either side find nothing."""
    empty, some = pl.Series([], dtype=pl.String), pl.Series(LONG[:2])
    assert Known(empty, SPEC).near(some).is_empty()
    assert Known(some, SPEC).near(empty).is_empty()


def test_leaks_are_found_among_texts_of_one_template() -> None:
    """Held-out texts that share most of their words fill the buckets; an edited copy of one is still found."""
    frame = " ".join(f"w{i}" for i in range(150))
    held = [f"{frame} {' '.join(f'own{i}x{k}' for k in range(25))}" for i in range(400)]
    train = [f"{text} more" for text in held]
    found = Known(pl.Series(held), NearDuplicatesSpec(threshold=0.9)).near(pl.Series(train))
    assert found.height > 380


def test_compiled_loops_leave_torch_its_threads() -> None:
    """numba's own workers, not OpenMP's, which torch would have to share: pretraining at a tenth of its speed."""
    signatures(pl.Series(LONG[:2]), SPEC)
    assert threading_layer() == "workqueue"


def test_batches_do_not_show(monkeypatch: pytest.MonkeyPatch) -> None:
    """Signatures are the same however the column is cut; a text larger than a batch is a batch of its own."""
    texts = pl.Series([*LONG[:5], "", LONG[6] * 3])
    whole = signatures(texts, SPEC)
    monkeypatch.setattr("modelmill.tables.BATCH_BYTES", 1500)
    assert (signatures(texts, SPEC) == whole).all()
    assert signatures(texts[:0], SPEC).shape == whole[:0].shape


@pytest.mark.parametrize("threshold", [0.5, 0.8, 0.95, 1.0])
def test_bands_find_pairs_at_the_threshold(threshold: float) -> None:
    """With 95% probability by the S-curve, and longer bands would not."""
    bands, rows = banding(threshold, 128)
    assert bands * rows <= 128
    assert found_share(threshold, bands, rows) >= 0.95
    assert rows == 128 or found_share(threshold, 128 // (rows + 1), rows + 1) < 0.95
