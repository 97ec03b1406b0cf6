"""Training, validation and test splits that never move a record."""

import hashlib

import polars as pl

from modelmill.errors import DataError
from modelmill.specs.source import SplitSpec


def split_records(clean: pl.DataFrame, split: SplitSpec) -> tuple[pl.DataFrame, pl.DataFrame, pl.DataFrame]:
    """Split by a hash of seed and id.

    Returns:
        train, validation and test records, in their order.

    Raises:
        DataError: when a label is missing from a split.
    """
    places = pl.Series([_place(identity, split.seed) for identity in clean["id"]], dtype=pl.Float64)
    tested = places < split.test
    validated = ~tested & (places < split.test + split.validation)
    parts = clean.filter(~tested & ~validated), clean.filter(validated), clean.filter(tested)
    labels = set(clean["label"])
    for name, part in zip(("train", "validation", "test"), parts, strict=True):
        if missing := sorted(labels - set(part["label"])):
            raise DataError(
                f"the {name} split ({part.height} of {clean.height} records) has no record labelled "
                f"{', '.join(missing)}; add records of the label or enlarge `split.{name}`."
            )
    return parts


def _place(identity: str, seed: int) -> float:
    """A number in [0, 1) that follows from seed and id alone."""
    digest = hashlib.sha256(f"{seed}:{identity}".encode("utf-8", "surrogatepass")).digest()
    return int.from_bytes(digest[:8]) / 2**64
