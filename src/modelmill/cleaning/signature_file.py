"""Signatures of more texts than memory holds: near duplicates as `near_duplicates` finds them, from files."""

import hashlib
import os
from collections.abc import Iterator
from itertools import product
from pathlib import Path

import numpy as np
import polars as pl
from numpy.typing import NDArray

from modelmill.cleaning.near_duplicates import band_hashes, neighbours, signatures
from modelmill.progress import bar
from modelmill.specs.cleaning import NearDuplicatesSpec

ROW_COST = 64
"""Bytes of memory that looking for equal hashes takes for a text."""

CHUNK = 1 << 20
PAIRS_AT_ONCE = 20_000
"""Pairs that are compared at once: their signatures take 20 MB."""


class SignatureFile:
    """Whole signatures in one file, and one file of hashes per band; texts are counted from 0 as they come."""

    def __init__(self, folder: Path, spec: NearDuplicatesSpec) -> None:
        self._spec, self.threshold = spec, spec.threshold
        self._row_bytes = 4 * spec.permutations
        self._whole = (folder / "signatures").open("w+b")
        self._folder, self._bands = folder, 0
        self.height = 0

    def append(self, texts: pl.Series, labels: pl.Series) -> None:
        """Add texts; those of different labels are never compared: marks, which may tell them apart, are no words."""
        signed = signatures(texts, self._spec)
        salts = {label: _salt(label) for label in labels.unique()}
        salt = np.array([salts[label] for label in labels], np.uint64)
        hashes = band_hashes(signed, self.threshold) ^ salt
        self._whole.write(signed.tobytes())
        self._bands = len(hashes)
        for band, column in enumerate(hashes):
            with self._band(band).open("ab") as file:
                file.write(column.tobytes())
        self.height += len(texts)

    def candidates(self, alive: NDArray[np.bool_], memory: int) -> Iterator[NDArray[np.int64]]:
        """Pairs (later, earlier) of texts that share a band, again and again the same ones, in no order.

        Args:
            alive: by text, whether it is looked at.
            memory: bytes that may be taken.
        """
        self._whole.flush()
        parts = max(1, -(-self.height * ROW_COST // memory))
        with bar("near duplicates", self._bands * parts, "bands") as shown:
            for band, part in product(range(self._bands), range(parts)):
                rows, hashes = self._rows(band, (part, parts), alive)
                yield rows[neighbours(hashes)]
                shown.update()

    def similar(self, pairs: NDArray[np.int64]) -> Iterator[tuple[int, int, float]]:
        """Those of the pairs (row, row) that are similar, and how much."""
        for start in range(0, len(pairs), PAIRS_AT_ONCE):
            some = pairs[start : start + PAIRS_AT_ONCE]
            alike = self._similarity(some)
            near = alike >= self.threshold
            yield from zip(some[near, 0].tolist(), some[near, 1].tolist(), alike[near].tolist(), strict=True)

    def similarity(self, row: int, other: int) -> float:
        """Share of equal places in two signatures."""
        return float(self._similarity(np.array([[row, other]]))[0])

    def _similarity(self, pairs: NDArray[np.int64]) -> NDArray[np.float64]:
        rows, places = np.unique(pairs, return_inverse=True)
        signed = self._read(rows)
        left, right = places.reshape(pairs.shape).T
        found: NDArray[np.float64] = (signed[left] == signed[right]).mean(1)
        return found

    def _rows(
        self, band: int, part: tuple[int, int], alive: NDArray[np.bool_]
    ) -> tuple[NDArray[np.int64], NDArray[np.uint64]]:
        """Rows, and their hashes, of a band that fall to a part; equal hashes fall to the same one."""
        rows, found = [np.empty(0, np.int64)], [np.empty(0, np.uint64)]
        for start in range(0, self.height, CHUNK):
            hashes = np.fromfile(self._band(band), np.uint64, CHUNK, offset=8 * start)
            chosen = np.flatnonzero((hashes % np.uint64(part[1]) == part[0]) & alive[start : start + CHUNK])
            rows.append(chosen + start)
            found.append(hashes[chosen])
        return np.concatenate(rows), np.concatenate(found)

    def _read(self, rows: NDArray[np.int64]) -> NDArray[np.uint32]:
        """Signatures of rows. Mapping the file would count as memory of the process; this does not."""
        found = np.empty((len(rows), self._spec.permutations), np.uint32)
        for place, row in enumerate(rows.tolist()):
            os.preadv(self._whole.fileno(), [found[place]], row * self._row_bytes)
        return found

    def _band(self, band: int) -> Path:
        return self._folder / f"band_{band}"

    def close(self) -> None:
        """Close the file."""
        self._whole.close()


def _salt(label: str | None) -> int:
    return 0 if label is None else int.from_bytes(hashlib.blake2b(label.encode(), digest_size=8).digest())
