"""Contracts as validators of the catalog: the config loader puts them on each product's tables."""

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import polars as pl
from kedro.validation import PanderaValidator
from numpy.typing import NDArray

from modelmill.cleaning.contract import REPEATED, ContractStep, records_schema
from modelmill.database import repeated_ids
from modelmill.errors import DataError
from modelmill.specs.cleaning import CleaningSpec
from modelmill.specs.source import ContractSpec
from modelmill.tables import AnyTable, TableFile


class RawRecords:
    """Records as they were read: no more of them may break the contract than it allows."""

    def __init__(self, **contract: Any) -> None:
        self._contract = ContractSpec.model_validate(contract)

    def validate(self, data: TableFile) -> TableFile:
        """The records, or `DataError`."""
        step = ContractStep(self._contract, labelled=True, repeated=_repeated_ids(data))
        for batch in data.batches():
            step(batch)
        step.close()
        return data


class KeptRecords(PanderaValidator):
    """Records after cleaning: not one may break the contract."""

    def __init__(self, **contract: Any) -> None:
        super().__init__(records_schema(ContractSpec.model_validate(contract), labelled=True, kept=True))

    def validate(self, data: AnyTable) -> AnyTable:
        """The records, or pandera's errors; `DataError` for an id that occurs twice far apart in a file."""
        if isinstance(data, pl.DataFrame):
            super().validate(data)
            return data
        for batch in data.batches():
            super().validate(batch)
        if len(again := _repeated_ids(data)):
            raise DataError(f"{REPEATED}: {len(again)} records, the first one in row {again[0] + 1}; clean again.")
        return data


def _repeated_ids(table: TableFile) -> NDArray[np.int64]:
    with TemporaryDirectory() as folder:
        return repeated_ids(table, Path(folder), CleaningSpec().memory_mb)["place"].to_numpy()
