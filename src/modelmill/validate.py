"""Contracts checked without a run: what `kedro product validate` does."""

from pathlib import Path
from typing import Any

from kedro.framework.session import KedroSession
from kedro.validation import validate_dataset

from modelmill.config import VALIDATORS, ProductConfigLoader
from modelmill.errors import DeclarationError
from modelmill.specs.files import hint


def validate_tables(names: tuple[str, ...], env: str | None) -> list[dict[str, Any]]:
    """The tables of products against their contracts.

    Args:
        names: products; none means all.
        env: environment of the configuration.

    Returns:
        for each table its name, its status (passed, failed, or not there yet) and a message.

    Raises:
        DeclarationError: for a product that is not declared.
    """
    session = KedroSession.create(project_path=Path.cwd(), env=env)
    with session:
        catalog = session.load_context().catalog
        assert ProductConfigLoader.latest is not None
        known = sorted(ProductConfigLoader.latest.declarations.products)
        for name in names:
            if name not in known:
                raise DeclarationError(f"no product is called '{name}'; {hint(name, known)}")
        tables = [f"{name}.{table}" for name in names or known for table in VALIDATORS]
        return [_validated(catalog, table) for table in tables]


def _validated(catalog: Any, table: str) -> dict[str, Any]:
    if not catalog.exists(table):
        return {"table": table, "status": "not there yet", "message": None}
    result = validate_dataset(catalog, table)
    status = "passed" if result.status == "passed" else "failed"
    return {"table": table, "status": status, "message": None if status == "passed" else result.message}
