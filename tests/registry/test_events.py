"""The form of events, which is for ever."""

import hashlib

import pytest
from pydantic import ValidationError

from modelmill.registry.events import EVENT, START, Promoted, Registered
from tests.registry.stages import at

PROMOTED = Promoted(
    id="0" * 32, seq=3, prev=START, time=at(0), actor="安", reason="better", version=2, stage="production",
    origin="staging", replaces=1, retired="archived", digest="d", policy="p", report="r",
)  # fmt: skip
TEXT = (
    '{"actor":"安","digest":"d","id":"00000000000000000000000000000000","kind":"promoted","origin":"staging",'
    '"policy":"p","prev":"0000000000000000000000000000000000000000000000000000000000000000","reason":"better",'
    '"replaces":1,"report":"r","request":null,"retired":"archived","seq":3,"stage":"production","time":"2026-05-03T12:00:00Z","version":2}'
)


def test_the_text_that_is_hashed_never_changes() -> None:
    """One line of JSON with sorted keys; written by hand here, since ledgers that were written once hold it."""
    assert PROMOTED.text() == TEXT
    assert PROMOTED.hash == hashlib.sha256(TEXT.encode()).hexdigest()
    assert EVENT.validate_json(TEXT) == PROMOTED


def test_an_event_with_a_field_that_nobody_knows_is_refused() -> None:
    """Otherwise its text would not be the one that was hashed."""
    with pytest.raises(ValidationError, match="extra"):
        EVENT.validate_json(TEXT.replace('"version":2', '"version":2,"x":1'))


REGISTERED = (
    '{"actor":"run","digest":"d","evidence":"e","files":"f","id":"00000000000000000000000000000000",'
    '"kind":"registered","prev":"0000000000000000000000000000000000000000000000000000000000000000","reason":"",'
    '"run_id":"r","seq":1,"stage":"candidate","time":"2026-05-03T12:00:00Z","version":1}'
)


def test_an_event_of_a_time_before_data_was_named_keeps_its_hash() -> None:
    """What is not there is not written; what is, follows the same form."""
    event = EVENT.validate_json(REGISTERED)
    assert isinstance(event, Registered)
    assert (event.given, event.made) == ({}, {})
    assert event.text() == REGISTERED
    named = event.model_copy(update={"given": {"data/01_raw/a": "1.dir"}})
    assert named.text() == REGISTERED.replace('"id"', '"given":{"data/01_raw/a":"1.dir"},"id"')
    assert EVENT.validate_json(named.text()) == named
