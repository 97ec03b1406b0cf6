"""The door to MLflow; what goes through it is tested by `tests/test_run.py`."""

from http import HTTPStatus

import pytest
import requests
from mlflow.exceptions import MlflowException
from mlflow.protos.databricks_pb2 import RESOURCE_DOES_NOT_EXIST

from modelmill.errors import NotFoundError, RegistryError
from modelmill.registry.store import connected, flatten
from modelmill.specs.mlflow import MlflowSpec


def answered(status: HTTPStatus) -> requests.HTTPError:
    """What a server answers to somebody who wants a file."""
    response = requests.Response()
    response.status_code = status
    return requests.HTTPError(str(status), response=response)


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (MlflowException("no such run", RESOURCE_DOES_NOT_EXIST), 6),
        (FileNotFoundError("no such file"), 6),
        (answered(HTTPStatus.NOT_FOUND), 6),
        (MlflowException("locked"), 8),
        (answered(HTTPStatus.BAD_GATEWAY), 8),
        (requests.ConnectionError("nobody listens"), 8),
    ],
)
def test_what_is_not_there_is_not_an_mlflow_that_is_out_of_reach(error: Exception, code: int) -> None:
    """Exit code 6 where it answered that it has none, 8 where it did not do what was asked."""
    with pytest.raises(RegistryError) as caught, connected(MlflowSpec()):
        raise error
    assert caught.value.exit_code == code
    assert isinstance(caught.value, NotFoundError) == (code == 6)


def test_flat_parameters() -> None:
    """Nested declarations become dotted parameters."""
    assert flatten({"a": {"b": [1, {"c": None}]}, "d": "x"}) == {"a.b.0": "1", "a.b.1.c": "None", "d": "x"}
