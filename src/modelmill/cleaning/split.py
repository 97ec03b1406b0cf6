"""Training, validation and test splits that never move a record."""

import hashlib

import polars as pl

from modelmill.errors import DataError
from modelmill.specs.source import ContractSpec, SplitSpec


def split_records(
    clean: pl.DataFrame, split: SplitSpec, contract: ContractSpec
) -> tuple[pl.DataFrame, pl.DataFrame, pl.DataFrame]:
    """Split by a hash of seed and id.

    Returns:
        train, validation and test records, in their order.

    Raises:
        DataError: when a label has too few records, or is missing from a split.
    """
    _check_labels(clean, contract)
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
    digest = hashlib.sha256(f"{seed}:{identity}".encode()).digest()
    return int.from_bytes(digest[:8]) / 2**64


def _check_labels(clean: pl.DataFrame, contract: ContractSpec) -> None:
    counts = dict.fromkeys(contract.labels or [], 0) | dict(clean.group_by("label").len().sort("label").iter_rows())
    if len(counts) < 2:  # the rejects are on disk by now, with the reasons
        found = f"only '{next(iter(counts))}'" if counts else "no record at all"
        raise DataError(f"a classification needs two labels or more; after cleaning there is {found}. See the rejects.")
    few = {label: count for label, count in counts.items() if count < contract.min_per_label}
    if few:
        shown = ", ".join(f"'{label}' has {count}" for label, count in few.items())
        raise DataError(
            f"too few clean records of a label: {shown}; `contract.min_per_label` is {contract.min_per_label}.\n"
            "Add records, or leave the label out by listing the others in `contract.labels` (its records are then "
            "rejected, within `contract.max_reject`)."
        )
