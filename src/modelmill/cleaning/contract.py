"""What a record must be to be used at all, checked by pandera."""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from modelmill.cleaning.rejects import Sorted, sort_out
from modelmill.errors import DataError
from modelmill.images import why_unreadable
from modelmill.records import IMAGE, labels_of
from modelmill.specs.source import ContractSpec

if TYPE_CHECKING:
    from pandera.api.polars.container import DataFrameSchema

REPEATED = "id occurs before"
UNREADABLE = "image cannot be read"


class ContractStep:
    """Takes out the records that break the contract.

    Args:
        contract: what is allowed.
        labelled: whether a record needs a label.
        repeated: places of records, over all batches, whose id occurs before.
    """

    name = "contract"

    def __init__(
        self, contract: ContractSpec, *, labelled: bool, repeated: Sequence[int] | NDArray[np.int64] = ()
    ) -> None:
        self._contract, self._labelled = contract, labelled and contract.target != "nothing"
        self._repeated = np.asarray(repeated, np.int64)
        self._total, self._rejected, self._with_label = 0, 0, 0
        self._examples: dict[str, str] = {}

    def __call__(self, records: pl.DataFrame) -> Sorted:
        """Records (columns id, text, label, origin) that keep the contract, and those that break it."""
        first, last = np.searchsorted(self._repeated, [self._total, self._total + records.height])
        reasons = dict.fromkeys((self._repeated[first:last] - self._total).tolist(), REPEATED)
        reasons |= _reasons(records, self._contract, self._labelled)
        broken = _broken_images(records)
        result = sort_out(records, self.name, reasons | dict.fromkeys(broken, UNREADABLE), broken)
        self._total += records.height
        self._rejected += result.rejects.height
        self._with_label += records.height - records["label"].null_count()
        for reason, origin in result.rejects.select("reason", "origin").iter_rows():
            self._examples.setdefault(reason, origin)
        return result

    def close(self) -> dict[str, Any]:
        """Nothing to report.

        Raises:
            DataError: when there were no records, none had a label, or more were rejected than `max_reject` allows.
        """
        if not self._total:
            raise DataError("the source holds no records; check `source.files` and `source.format`.")
        if self._labelled and not self._with_label:
            raise DataError(
                "no record has a label. Name the column that holds it (`source: {columns: {label: NAME}}`), or put "
                "`{label}` in `source.files` where the path says it."
            )
        share = self._rejected / self._total
        if share > self._contract.max_reject:
            lines = "\n".join(f"  {origin}: {reason}" for reason, origin in list(self._examples.items())[:5])
            raise DataError(
                f"{self._rejected} of {self._total} records ({share:.1%}) break the contract, more than "
                f"`contract.max_reject` {self._contract.max_reject:.1%} allows. One of each kind:\n{lines}\n"
                "Mend the source, or widen the contract in the product's declaration."
            )
        return {}


def records_schema(contract: ContractSpec, *, labelled: bool, kept: bool = False) -> "DataFrameSchema":
    """The contract as a pandera schema; a check's message is the reason of the rejects that it makes.

    Args:
        contract: what is allowed.
        labelled: whether a record needs a label.
        kept: whether the records have been through cleaning, after which none has an empty text.
    """
    import pandera.polars as pa

    checks = {
        "text": [("text is missing", pl.col("text").is_not_null())],
    }
    if labelled and contract.target != "nothing":
        checks["label"] = [("label is missing", pl.col("label").str.strip_chars() != "")]
        if contract.target == "number":
            checks["label"].append(
                ("label is not a number", pl.col("label").cast(pl.Float64, strict=False).is_finite())
            )
        checks["label"] += _of_classes(contract)
    if kept:
        checks["id"] = [(REPEATED, pl.col("id").is_first_distinct())]
        checks["text"].append(("text is empty", pl.col("text").str.strip_chars() != ""))

    def check(expression: pl.Expr, message: str) -> pa.Check:
        return pa.Check(lambda data: data.lazyframe.select(expression.fill_null(False)), error=message)

    return pa.DataFrameSchema(
        {
            name: pa.Column(pl.String, [check(rule, message) for message, rule in rules], nullable=True)
            for name, rules in checks.items()
        }
    )


def _of_classes(contract: ContractSpec) -> list[tuple[str, pl.Expr]]:
    """Whether labels are those that are allowed."""
    allowed = contract.labels
    message = f"label is none of {', '.join(allowed or ())}"
    if contract.target != "classes":
        return [] if allowed is None else [(message, pl.col("label").is_in(allowed))]

    def each(test: Callable[[list[str]], bool]) -> pl.Expr:
        def judged(text: str) -> bool:
            labels = labels_of(text, contract.separator)
            return labels is not None and test(labels)

        return pl.col("label").map_elements(judged, return_dtype=pl.Boolean)

    rules = [("label is no list of labels", each(lambda labels: True))]
    return rules if allowed is None else [*rules, (message, each(lambda labels: {*labels} <= {*allowed}))]


def _broken_images(records: pl.DataFrame) -> dict[int, str]:
    """Row number of each image that gave no pixels, and why."""
    if IMAGE not in records.columns:
        return {}
    rows = (records["text"].is_null() & records[IMAGE].is_not_null()).arg_true()
    return {row: why_unreadable(data) or "" for row, data in zip(rows, records[IMAGE][rows], strict=True)}


def _reasons(records: pl.DataFrame, contract: ContractSpec, labelled: bool) -> dict[int, str]:
    """Row number to the first check that it fails."""
    from pandera.errors import SchemaErrors

    try:
        records_schema(contract, labelled=labelled).validate(records, lazy=True)
    except SchemaErrors as error:
        failures = error.failure_cases.select("index", "check").sort("index", maintain_order=True)
        reasons: dict[int, str] = {}
        for row, message in failures.iter_rows():
            reasons.setdefault(row, message)
        return reasons
    return {}
