"""Telling others what happened. The ledger is the outbox: a tag of it, `notified`, says how far it was delivered.

Requests are signed as Standard Webhooks are (https://www.standardwebhooks.com, "Webhook Headers" and "Signature
scheme"). Every event arrives at least once, and never before an earlier one; who receives it twice knows it by its id.
The first event that is sent is the newest one: what happened before somebody wanted to hear of it is not told.
"""

import base64
import binascii
import hashlib
import hmac
import json
import logging
import os
import time
from collections.abc import Callable
from dataclasses import dataclass

from modelmill.errors import IntegrityError, UserError
from modelmill.registry.desk import Desk
from modelmill.registry.events import Event
from modelmill.registry.ledger import SUFFIX
from modelmill.specs.registry import NotifySpec

CURSOR = "notified"
TIMEOUT = 10
"""Seconds that a receiver has to answer."""

PREFIX = "whsec_"


@dataclass(frozen=True)
class Delivery:
    """What came of it: the events that were sent, by `seq`, those that still wait, and why the first of them does."""

    sent: list[int]
    waiting: list[int]
    why: str | None = None


def deliver(desk: Desk, name: str, sleep: Callable[[float], None] = time.sleep) -> Delivery:
    """Send the events that were not sent yet to `notify.url`, in order, up to the first that cannot be delivered.

    That one is a warning in the log, since what it is about has happened; the next call tries again.

    Args:
        desk: of the registry; without `notify` in its declaration nothing is sent.
        name: of the model.
        sleep: waits so many seconds between two attempts.

    Raises:
        IntegrityError: when the ledger, or the tag that says how far it was delivered, is not whole.
        RegistryError: when MLflow cannot be reached.
    """
    spec = desk.spec.notify
    if spec is None:
        return Delivery([], [])
    done = delivered(desk, name)  # before the ledger, which is at least as long afterwards
    events = desk.ledger(name).read().events
    if done is None and events:
        done = events[-1].seq - 1
        desk.writer.set_tag(
            name + SUFFIX, CURSOR, str(done)
        )  # if this one cannot be delivered now, it is the next time
    waiting = events[done or 0 :]
    sent: list[int] = []
    try:
        key = secret(spec) if waiting else b""
        for event in waiting:
            _post_again(spec, key, event, body(name, event), sleep)
            desk.writer.set_tag(name + SUFFIX, CURSOR, str(event.seq))
            sent.append(event.seq)
    except NotDeliveredError as error:
        left = [event.seq for event in waiting[len(sent) :]]
        logging.getLogger(__name__).warning(
            "%s: %d event(s) from %d on wait to be sent: %s", name, len(left), left[0], error.message
        )
        return Delivery(sent, left, error.message)
    return Delivery(sent, [])


def deliver_or_warn(desk: Desk, name: str) -> None:
    """The same after something was done, which stays done when nobody can be told: then there is a warning."""
    try:
        deliver(desk, name)
    except UserError as error:
        logging.getLogger(__name__).warning(
            "%s\nIt is in the ledger; `kedro model reconcile %s` delivers it again.", error.message, name
        )


class NotDeliveredError(UserError):
    """A notification could not be delivered."""


def delivered(desk: Desk, name: str) -> int | None:
    """The `seq` of the last event that was delivered; None where nothing ever was to be delivered.

    Raises:
        IntegrityError: when the tag is no number.
    """
    tag = desk.reader.tags(name + SUFFIX).get(CURSOR)
    if tag is None:
        return None
    if not tag.isdecimal():
        raise IntegrityError(
            f"the tag `{CURSOR}` of '{name}{SUFFIX}' is '{tag}'; expected the number of the last event that was sent. "
            "Set it in MLflow; later events are sent again."
        )
    return int(tag)


def secret(spec: NotifySpec) -> bytes:
    """The key that signs, from the environment.

    Raises:
        NotDeliveredError: when it is not there, or not of the form whsec_ and base64.
    """
    text = os.environ.get(spec.secret_env, "")
    try:
        if text.startswith(PREFIX) and (key := base64.b64decode(text.removeprefix(PREFIX), validate=True)):
            return key
    except binascii.Error:
        pass
    raise NotDeliveredError(f"the variable {spec.secret_env} holds no secret; expected {PREFIX} and base64")


def body(name: str, event: Event) -> bytes:
    """What is posted: JSON with type ('model.promoted'), timestamp and the event as data."""
    data = {"name": name, **json.loads(event.text())}
    posted = {"type": f"model.{event.kind}", "timestamp": data["time"], "data": data}
    return json.dumps(posted, ensure_ascii=False).encode()


def signature(key: bytes, id_: str, timestamp: int, content: bytes) -> str:
    """The header `webhook-signature`: v1, and the HMAC-SHA256 of id, time and body."""
    signed = f"{id_}.{timestamp}.".encode() + content
    return "v1," + base64.b64encode(hmac.digest(key, signed, hashlib.sha256)).decode()


def _post_again(spec: NotifySpec, key: bytes, event: Event, content: bytes, sleep: Callable[[float], None]) -> None:
    for attempt in range(spec.attempts):
        if attempt:
            sleep(2.0 ** (attempt - 1))
        why = _post(spec.url, key, event, content)
        if why is None:
            return
    raise NotDeliveredError(f"{spec.url} {why} ({spec.attempts} attempt(s))")


def _post(url: str, key: bytes, event: Event, content: bytes) -> str | None:
    """None when the receiver took it, else what went wrong."""
    import requests

    id_, now = f"evt_{event.id}", int(time.time())
    headers = {
        "content-type": "application/json",
        "webhook-id": id_,
        "webhook-timestamp": str(now),
        "webhook-signature": signature(key, id_, now, content),
    }
    try:
        answer = requests.post(url, data=content, headers=headers, timeout=TIMEOUT, allow_redirects=False)
    except requests.RequestException as error:
        return f"did not answer: {type(error).__name__}"
    return None if 200 <= answer.status_code < 300 else f"answered {answer.status_code}"
