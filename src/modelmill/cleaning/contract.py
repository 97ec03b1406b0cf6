"""What a record must be to be used at all, checked by pandera."""

from typing import TYPE_CHECKING

import polars as pl

from modelmill.cleaning.rejects import Sorted, sort_out
from modelmill.errors import DataError
from modelmill.specs.source import ContractSpec

if TYPE_CHECKING:
    from pandera.api.polars.container import DataFrameSchema


def apply_contract(records: pl.DataFrame, contract: ContractSpec, *, labelled: bool) -> Sorted:
    """Take out the records that break the contract.

    Args:
        records: columns id, text, label, origin.
        contract: what is allowed.
        labelled: whether a record needs a label.

    Raises:
        DataError: when there are no records, none has a label, or more are rejected than `max_reject` allows.
    """
    if records.is_empty():
        raise DataError("the source holds no records; check `source.files` and `source.format`.")
    if labelled and records["label"].null_count() == records.height:
        raise DataError(
            "no record has a label. Name the column that holds it (`source: {columns: {label: NAME}}`), or put "
            "`{label}` in `source.files` where the path says it."
        )
    reasons = _reasons(records, contract, labelled)
    result = sort_out(records, "contract", reasons)
    share = result.rejects.height / records.height
    if share > contract.max_reject:
        examples = result.rejects.unique("reason", keep="first", maintain_order=True).head(5)
        lines = "\n".join(f"  {origin}: {reason}" for origin, reason in examples.select("origin", "reason").iter_rows())
        raise DataError(
            f"{result.rejects.height} of {records.height} records ({share:.1%}) break the contract, more than "
            f"`contract.max_reject` {contract.max_reject:.1%} allows. One of each kind:\n{lines}\n"
            "Mend the source, or widen the contract in the product's declaration."
        )
    return result


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
        "id": [("id occurs before", pl.col("id").is_first_distinct())],
    }
    if labelled:
        checks["label"] = [("label is missing", pl.col("label").str.strip_chars() != "")]
        if contract.labels is not None:
            message = f"label is none of {', '.join(contract.labels)}"
            checks["label"].append((message, pl.col("label").is_in(contract.labels)))
    if kept:
        checks["text"].append(("text is empty", pl.col("text").str.strip_chars() != ""))

    def check(expression: pl.Expr, message: str) -> pa.Check:
        return pa.Check(lambda data: data.lazyframe.select(expression.fill_null(False)), error=message)

    return pa.DataFrameSchema(
        {
            name: pa.Column(pl.String, [check(rule, message) for message, rule in rules], nullable=True)
            for name, rules in checks.items()
        }
    )


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
