"""Writing to a real MLflow; races and crashes are tested beside."""

from pathlib import Path

import pytest
from mlflow.store.model_registry.sqlalchemy_store import SqlAlchemyStore

from modelmill.errors import RegistryError
from tests.registry.backends import sqlite_desk


def test_mlflow_gives_up_after_numbers_that_others_took(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Then there is no number; what else goes wrong is an error."""
    writer = sqlite_desk(tmp_path).writer
    writer.create_model("mood.ledger")
    with monkeypatch.context() as patched:
        patched.setattr(SqlAlchemyStore, "CREATE_MODEL_VERSION_RETRIES", 0)
        assert writer.add_version("mood.ledger", "ledger://mood/1", {}, "") is None
    assert writer.add_version("mood.ledger", "ledger://mood/1", {}, "") == 1
    with pytest.raises(RegistryError, match=r"Registered Model with name=mood2\.ledger not found"):
        writer.add_version("mood2.ledger", "ledger://mood2/1", {}, "")
