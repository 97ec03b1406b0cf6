"""What products give to a backbone's corpus, and what they keep out of it."""

from collections.abc import Iterator
from typing import Any

import polars as pl

from modelmill.cleaning.clean import clean_product
from modelmill.cleaning.split import split_records
from modelmill.errors import UserError
from modelmill.records import concat_records
from modelmill.sources.read import read_sources
from modelmill.specs.cleaning import CleaningSpec
from modelmill.specs.source import ContractSpec, Sources
from modelmill.specs.split import SplitSpec

PRODUCT_SECTIONS = ("source", "contract", "cleaning", "split")
"""The sections of a product's declaration that decide which text lies in which of its splits."""


def training_texts(root: str, *sections: Any) -> pl.DataFrame:
    """Training records of products.

    Args:
        root: the project's folder.
        sections: `PRODUCT_SECTIONS` of the first product, then of the next, and so on.
    """
    return concat_records(*(train for train, _, _ in _splits(root, sections, masked=True)))


def held_out_texts(root: str, *sections: Any) -> pl.DataFrame:
    """Validation and test records of products, personal data as it stands, for the corpus may have it so too.

    Arguments as `training_texts`.
    """
    return concat_records(*(part for _, *parts in _splits(root, sections, masked=False) for part in parts))


def _splits(
    root: str, sections: tuple[Any, ...], *, masked: bool
) -> Iterator[tuple[pl.DataFrame, pl.DataFrame, pl.DataFrame]]:
    """The splits of each product, made anew: a backbone must not wait for its products' pipelines, they wait for it."""
    step = len(PRODUCT_SECTIONS)
    for i in range(0, len(sections), step):
        source, contract, cleaning, split = sections[i : i + step]
        sources = Sources.model_validate(source)
        allowed = ContractSpec.model_validate(contract)
        try:
            if allowed.target == "next" and not masked:
                continue  # a history is no secret, and what follows on it is in no training record
            spec = CleaningSpec.model_validate(cleaning)
            raw, _ = read_sources(sources, spec, root)  # with the key of its privacy, or ids and splits were others
            clean, rejects, _ = clean_product(
                raw, allowed, spec if masked else spec.model_copy(update={"privacy": None}), root
            )
            yield split_records(clean, SplitSpec.model_validate(split), allowed, sources)[:3]
            for table in (raw, clean, rejects):
                table.path.unlink()
        except UserError as error:
            error.whose = f"the product that reads {sources.root[0].files}"
            raise
