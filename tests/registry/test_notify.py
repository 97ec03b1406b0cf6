"""Notifications, sent to a real server."""

import base64
import hashlib
import hmac
import json
import logging
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from modelmill.errors import IntegrityError
from modelmill.registry.desk import Desk
from modelmill.registry.notify import CURSOR, deliver, signature
from tests.registry.backends import free_port
from tests.registry.stages import Memory, add, desk_in, promotion, spec_of

KEY = bytes(range(24))


class Receiver(ThreadingHTTPServer):
    """Keeps what it is sent; answers with the next of `codes`, then with 204."""

    def __init__(self, port: int = 0, codes: tuple[int, ...] = ()) -> None:
        super().__init__(("127.0.0.1", port), Post)
        self.codes, self.got = list(codes), []

    @property
    def seqs(self) -> list[int]:
        """The events that it took or refused, in order."""
        return [json.loads(body)["data"]["seq"] for _, body in self.got]


class Post(BaseHTTPRequestHandler):
    """One request."""

    def do_POST(self) -> None:
        self.server.got.append((self.headers, self.rfile.read(int(self.headers["content-length"]))))
        self.send_response(self.server.codes.pop(0) if self.server.codes else 204)
        self.send_header("location", "/elsewhere")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Says nothing."""


@contextmanager
def receiving(receiver: Receiver) -> Iterator[Receiver]:
    """The server, which runs."""
    thread = threading.Thread(target=receiver.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield receiver
    finally:
        receiver.shutdown()
        receiver.server_close()
        thread.join()


@pytest.fixture(autouse=True)
def known_secret(monkeypatch: pytest.MonkeyPatch) -> None:
    """The key of these tests."""
    monkeypatch.setenv("MODELMILL_WEBHOOK_SECRET", "whsec_" + base64.b64encode(KEY).decode())


def desk_for(port: int, versions: int = 3) -> Desk:
    """A registry with so many events, that notifies a port."""
    desk = desk_in(Memory(), type(spec_of()).model_validate({
        **spec_of().model_dump(by_alias=True, mode="json"), "notify": {"url": f"http://127.0.0.1:{port}/hook"},
    }))  # fmt: skip
    add(desk, versions)
    desk.writer.set_tag("mood.ledger", CURSOR, "0")  # else only the last one would be told
    return desk


def told(desk: Desk) -> tuple[list[int], list[int]]:
    """What was sent, and what waits; without waiting between attempts."""
    done = deliver(desk, "mood", sleep=lambda seconds: None)
    return done.sent, done.waiting


def test_the_signature_is_that_of_the_standard() -> None:
    """The published test vector of Standard Webhooks."""
    key = base64.b64decode("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
    content = b'{"test": 2432232314}'
    signed = signature(key, "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, content)
    assert signed == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


def test_events_are_sent_once_and_in_order() -> None:
    """Signed, with what happened; a second time only what is new is sent."""
    with receiving(Receiver()) as receiver:
        desk = desk_for(receiver.server_port)
        assert told(desk) == ([1, 2, 3], [])
        assert told(desk) == ([], [])
        event = desk.act("mood", promotion(desk.spec, 2)).event
        assert told(desk) == ([4], [])
    assert receiver.seqs == [1, 2, 3, 4]
    headers, body = receiver.got[-1]
    signed = f"evt_{event.id}.{headers['webhook-timestamp']}.".encode() + body
    expected = base64.b64encode(hmac.new(KEY, signed, hashlib.sha256).digest()).decode()
    assert (headers["webhook-id"], headers["webhook-signature"]) == (f"evt_{event.id}", f"v1,{expected}")
    posted = json.loads(body)
    assert (posted["type"], posted["timestamp"]) == ("model.promoted", f"{event.time:%Y-%m-%dT%H:%M:%SZ}")
    assert posted["data"] == {"name": "mood", **json.loads(event.text())}


def test_a_server_that_fails_twice() -> None:
    """Is asked a third time, after one and two seconds; the id stays, so that it knows what it had."""
    waits = []
    with receiving(Receiver(codes=(500, 503))) as receiver:
        desk = desk_for(receiver.server_port)
        assert deliver(desk, "mood", waits.append).sent == [1, 2, 3]
    assert waits == [1, 2]
    assert receiver.seqs == [1, 1, 1, 2, 3]
    assert len({headers["webhook-id"] for headers, _ in receiver.got}) == 3


def test_nothing_overtakes_what_was_not_delivered(caplog: pytest.LogCaptureFixture) -> None:
    """The second event fails every time: a warning, and the third waits; next time both arrive."""
    with receiving(Receiver(codes=(200, 500, 500, 302))) as receiver:
        desk = desk_for(receiver.server_port)
        with caplog.at_level(logging.WARNING, "modelmill"):
            assert told(desk) == ([1], [2, 3])
        assert told(desk) == ([2, 3], [])
    assert receiver.seqs == [1, 2, 2, 2, 2, 3]
    (warning,) = caplog.messages
    assert warning.startswith("mood: 2 event(s) from 2 on wait to be sent: http://127.0.0.1:")
    assert warning.endswith("answered 302 (3 attempt(s))")


def test_a_server_that_is_down_and_comes_back() -> None:
    """What happened meanwhile arrives then, once."""
    port = free_port()
    desk = desk_for(port)
    assert told(desk) == ([], [1, 2, 3])
    desk.act("mood", promotion(desk.spec, 2))
    with receiving(Receiver(port)) as receiver:
        assert told(desk) == ([1, 2, 3, 4], [])
    assert receiver.seqs == [1, 2, 3, 4]


def test_a_process_that_is_cut_off_sends_again() -> None:
    """It was delivered, and could not be noted: at least once."""
    with receiving(Receiver()) as receiver:
        desk = desk_for(receiver.server_port, 1)
        desk.writer.fails = lambda write: "before"
        with pytest.raises(Exception, match="did not reach it"):
            told(desk)
        desk.writer.fails = lambda write: None
        assert told(desk) == ([1], [])
    assert receiver.seqs == [1, 1]


@pytest.mark.parametrize("secret", [None, "abc", "whsec_", "whsec_???"])
def test_without_a_secret_nothing_is_sent(monkeypatch: pytest.MonkeyPatch, secret: str | None) -> None:
    """What is not signed could be from anybody."""
    monkeypatch.delenv("MODELMILL_WEBHOOK_SECRET")
    if secret:
        monkeypatch.setenv("MODELMILL_WEBHOOK_SECRET", secret)
    with receiving(Receiver()) as receiver:
        done = deliver(desk_for(receiver.server_port, 1), "mood")
    assert (done.sent, done.waiting, receiver.got) == ([], [1], [])
    assert done.why == "the variable MODELMILL_WEBHOOK_SECRET holds no secret; expected whsec_ and base64"


def test_what_happened_before_is_not_told() -> None:
    """Of a ledger that nobody was told of the newest event is sent, also when that takes a second attempt."""
    with receiving(Receiver(codes=(500, 500, 500))) as receiver:
        desk = desk_for(receiver.server_port)
        del desk.reader.marks["mood.ledger"][CURSOR]
        assert told(desk) == ([], [3])
        add(desk)
        assert told(desk) == ([3, 4], [])
    assert receiver.seqs == [3, 3, 3, 3, 4]


def test_nobody_to_notify() -> None:
    """Without `notify` nothing is sent, and no secret is asked for."""
    desk = desk_in(Memory())
    add(desk)
    assert told(desk) == ([], [])


def test_an_edited_cursor() -> None:
    """Is no number any more: an error of integrity."""
    desk = desk_for(1)
    desk.writer.set_tag("mood.ledger", CURSOR, "x")
    with pytest.raises(IntegrityError, match="is 'x'; expected the number"):
        told(desk)
