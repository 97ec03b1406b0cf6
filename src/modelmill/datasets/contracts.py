"""Contracts as validators of the catalog: the config loader puts them on each product's tables."""

from typing import Any

import polars as pl
from kedro.validation import PanderaValidator

from modelmill.cleaning.contract import apply_contract, records_schema
from modelmill.specs.source import ContractSpec


class RawRecords:
    """Records as they were read: no more of them may break the contract than it allows."""

    def __init__(self, **contract: Any) -> None:
        self._contract = ContractSpec.model_validate(contract)

    def validate(self, data: pl.DataFrame) -> pl.DataFrame:
        """The records, or `DataError`."""
        apply_contract(data, self._contract, labelled=True)
        return data


class CleanRecords(PanderaValidator):
    """Records after cleaning: not one may break the contract."""

    def __init__(self, **contract: Any) -> None:
        super().__init__(records_schema(ContractSpec.model_validate(contract), labelled=True, kept=True))
