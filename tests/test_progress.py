"""Progress where nobody watches."""

import logging

import pytest

from modelmill import progress


def test_a_log_gets_lines(caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch) -> None:
    """How far, how fast, how long still; at the end how long it took; nothing for short work."""
    caplog.set_level(logging.INFO)
    now = iter([0.0, 10.0, 40.0, 40.0, 60.0, 80.0, 80.0])
    monkeypatch.setattr(progress.time, "monotonic", lambda: next(now, 80.0))
    with progress.LogLines("reading", 100, "records") as shown:
        shown.update(10)
        shown.update(30)
        shown.update(60)
    assert [record.message for record in caplog.records] == [
        "reading: 40 of 100 records, 1 a second, 60 s left",
        "reading: 100 of 100 records, 1 a second, 80 s",
    ]
