"""The door to MLflow; what goes through it is tested by `tests/test_run.py`."""

from modelmill.registry.store import flatten


def test_flat_parameters() -> None:
    """Nested declarations become dotted parameters."""
    assert flatten({"a": {"b": [1, {"c": None}]}, "d": "x"}) == {"a.b.0": "1", "a.b.1.c": "None", "d": "x"}
