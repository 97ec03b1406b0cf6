"""What counts as the same text. Cleaning, the ids of records and prediction all use these functions."""

import re
import unicodedata
from collections.abc import Iterable

import polars as pl

PART = 10
"""Characters of the shortest text that is looked for inside longer ones; shorter ones stand in many by chance."""

_SPACE = re.compile(r"\s+")
# Zero-width characters, byte-order marks, direction marks and control characters other than white space.
_INVISIBLE = re.compile("[\u0000-\u0008\u000e-\u001b\u007f\u200b-\u200f\u202a-\u202e\u2060\ufeff]")


def normalise(text: str) -> str:
    """Unicode NFKC (full-width to half-width too), invisible characters out, white space to single blanks."""
    return _SPACE.sub(" ", unicodedata.normalize("NFKC", _INVISIBLE.sub("", text))).strip()


def duplicate_key(text: str) -> str:
    """Normalised texts with the same key count as the same text: case and blanks make no difference.

    Punctuation does: ':)' and ':(' may be all that tells two labels apart.
    """
    return text.casefold().replace(" ", "")


def texts_within(wanted: Iterable[str], texts: Iterable[str]) -> list[set[str]]:
    """For each of `texts`, the keys of the wanted ones that it is, or holds somewhere (from `PART` characters on).

    Aho-Corasick by polars: time grows with the length of the texts, not with the number of wanted ones.
    """
    keys = pl.Series([duplicate_key(text) for text in texts], dtype=pl.String)
    wanted_keys = {duplicate_key(text) for text in wanted}
    parts = sorted(key for key in wanted_keys if len(key) >= PART)
    held = (
        keys.str.extract_many(parts, overlapping=True)
        if parts
        else pl.Series([[]] * len(keys), dtype=pl.List(pl.String))
    )
    return [{*found, *({key} & wanted_keys)} for key, found in zip(keys, held, strict=True)]
