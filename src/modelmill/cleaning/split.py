"""Training, validation and test splits that never move a record, and share no text."""

import hashlib

import polars as pl

from modelmill.cleaning.rejects import REJECT, Sorted, sort_out
from modelmill.errors import DataError
from modelmill.specs.cleaning import NearDuplicatesSpec
from modelmill.specs.source import ContractSpec, SplitSpec


def split_records(
    clean: pl.DataFrame, split: SplitSpec, contract: ContractSpec
) -> tuple[pl.DataFrame, pl.DataFrame, pl.DataFrame, pl.DataFrame]:
    """Split by a hash of seed and id; training records that nearly repeat a held-out one are taken out.

    Returns:
        train, validation and test records, in their order, and the rejects (columns `REJECT`).

    Raises:
        DataError: when a label has too few records, or is missing from a split.
    """
    _check_labels(clean, contract)
    places = pl.Series([_place(identity, split.seed) for identity in clean["id"]], dtype=pl.Float64)
    tested = places < split.test
    validated = ~tested & (places < split.test + split.validation)
    train, *held_out = clean.filter(~tested & ~validated), clean.filter(validated), clean.filter(tested)
    if split.near_duplicates:
        train, rejects = reject_leaks(train, pl.concat(held_out), split.near_duplicates)
    else:
        rejects = pl.DataFrame(schema=REJECT)
    _check_parts({"train": train, "validation": held_out[0], "test": held_out[1]}, clean)
    return train, held_out[0], held_out[1], rejects


def reject_leaks(train: pl.DataFrame, held_out: pl.DataFrame, spec: NearDuplicatesSpec) -> Sorted:
    """Take the training records out that nearly repeat a held-out one (exact repetitions are gone by now)."""
    from modelmill.cleaning.near_duplicates import near_duplicates, signatures

    both = pl.concat([held_out, train])
    found = near_duplicates(signatures(both["text"], spec), spec.threshold, fixed=held_out.height)
    ids = held_out["id"]
    details = {
        row - held_out.height: f"of {ids[of]}, similarity {similarity:.2f}"
        for row, of, similarity in found.filter(pl.col("of") < held_out.height).iter_rows()
    }
    return sort_out(train, "split", dict.fromkeys(details, "near duplicate of a held-out record"), details)


def _check_parts(parts: dict[str, pl.DataFrame], clean: pl.DataFrame) -> None:
    labels = set(clean["label"])
    for name, part in parts.items():
        if missing := sorted(labels - set(part["label"])):
            raise DataError(
                f"the {name} split ({part.height} of {clean.height} records) has no record labelled "
                f"{', '.join(missing)}; add records of the label or enlarge `split.{name}`."
            )


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
