"""Decides what becomes of a request at a webhook address. Pure: values in, a decision out.

A webhook is let in if one of the connection's active secrets made its signature over the raw bytes, whatever those
bytes are: what is signed but odd is kept for those downstream. Nothing of the body is read but the object's id, which
is the Kafka key. Headers are not signed and believed in nothing but routing. Facts: WooCommerce facts sheet §14, §15.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from functools import lru_cache
from typing import NamedTuple

from mlc_common import exactjson
from mlc_common.accounting.identity import digest, event_id_text
from mlc_common.errors import Undecodable
from mlc_common.events import RAW_WEBHOOK, Envelope, Topics, from_record
from mlc_common.events.envelope import Headers, header_of, own_headers, shared_headers
from mlc_ingest.secrets import ActiveSecrets
from mlc_vendors.woocommerce.signature import verify

PING_LIMIT = 64
"""Bytes of a ping's body: ``webhook_id=`` and a number."""

_SIGNATURE = b"x-wc-webhook-signature"
_TOPIC = b"x-wc-webhook-topic"
_RESOURCE = b"x-wc-webhook-resource"
_DELIVERY = b"x-wc-webhook-delivery-id"
_REPEATED = {
    _TOPIC: "whtopic",
    _RESOURCE: "whresource",
    b"x-wc-webhook-event": "whevent",
    b"x-wc-webhook-id": "whid",
    b"x-wc-webhook-source": "whsource",
    b"user-agent": "useragent",
}
"""Headers that are the same on every delivery of a webhook, and the extensions that keep them."""

_WHSIGNATURE, _WHDELIVERY, _SHA256, _SIZE = map(header_of, ("whsignature", "whdelivery", "sha256", "size"))

_LONGEST_HEADER = 300
_SIGNATURE_SHAPE = re.compile(r"[A-Za-z0-9+/]{43}=")
_PING = re.compile(rb"webhook_id=[0-9]{1,20}")
_RESOURCE_NAME = re.compile(r"[a-z][a-z_]{0,39}")
_OBJECT_FIRST = re.compile(rb'\{"id":([1-9][0-9]{0,18})[,}]')
_ACTION_FIRST = re.compile(rb'\{"action":"[^"\\]{1,200}","arg":("?)([1-9][0-9]{0,18})\1[,}]')
_LARGEST_ID = 2**63 - 1
_LONGEST_ID = 20

_ORDERS = frozenset({"order", "action"})
_REFERENCE = frozenset({"product", "customer", "coupon"})
_EVENTS = frozenset(
    f"{resource}.{event}"
    for resource in ("order", *_REFERENCE)
    for event in ("created", "updated", "deleted", "restored", "published")
)


class Reason(StrEnum):
    """Why a request was not let in; the reason of metrics and audit events."""

    WRONG_METHOD = "wrong_method"
    UNKNOWN_CONNECTION = "unknown_connection"
    COMPRESSED = "compressed"
    OVERSIZE = "oversize"
    TOO_SLOW = "too_slow"
    NO_SIGNATURE = "no_signature"
    SEVERAL_SIGNATURES = "several_signatures"
    MALFORMED_SIGNATURE = "malformed_signature"
    BAD_SIGNATURE = "bad_signature"


STATUS = {
    Reason.WRONG_METHOD: 405,
    Reason.UNKNOWN_CONNECTION: 404,
    Reason.COMPRESSED: 415,
    Reason.OVERSIZE: 413,
    Reason.TOO_SLOW: 408,
    Reason.NO_SIGNATURE: 401,
    Reason.SEVERAL_SIGNATURES: 401,
    Reason.MALFORMED_SIGNATURE: 401,
    Reason.BAD_SIGNATURE: 401,
}


@dataclass(frozen=True)
class Refused:
    """Not let in."""

    reason: Reason

    @property
    def status(self) -> int:
        """The HTTP status that says so."""
        return STATUS[self.reason]


@dataclass(frozen=True)
class Ping:
    """A store asks whether somebody listens. To be answered with exactly 200; nothing else happens."""


class Admitted(NamedTuple):
    """A genuine webhook, as it goes on the log: its headers are made here, an ``Envelope`` only for who asks.

    Attributes:
        topic: Where it goes.
        key: The Kafka key.
        data: The raw body.
        made: The Kafka headers.
        event: What the store says it is, out of a closed list: ``order.updated``, ``action``, ``other``.
    """

    topic: str
    key: bytes
    data: bytes
    made: Headers
    event: str

    def headers(self) -> Headers:
        """The Kafka headers."""
        return self.made

    def envelope(self) -> Envelope:
        """The event as its readers see it."""
        return from_record(self.made, self.data)


class Claim(NamedTuple):
    """The head of a request that is worth reading: a signature, or what may be a ping (``signature`` is None)."""

    connection: str
    signature: str | None
    headers: dict[bytes, bytes]


def look_at_head(method: str, connection: str, headers: Sequence[tuple[bytes, bytes]]) -> Claim | Refused:
    """Whether the body is worth reading, from what comes before it.

    Args:
        method: HTTP method.
        connection: The connection named by the path; a known one.
        headers: Raw, names in lower case.
    """
    if method != "POST":
        return Refused(Reason.WRONG_METHOD)
    found = dict(headers)
    if b"content-encoding" in found and found[b"content-encoding"].strip().lower() not in (b"identity", b""):
        return Refused(Reason.COMPRESSED)
    signature = found.get(_SIGNATURE)
    if signature is None:
        looks_like_ping = _media_type(found) == b"application/x-www-form-urlencoded"
        unmarked = not any(name.startswith(b"x-wc-") for name in found)
        return Claim(connection, None, found) if looks_like_ping and unmarked else Refused(Reason.NO_SIGNATURE)
    if len(found) != len(headers) and sum(name == _SIGNATURE for name, _ in headers) > 1:
        return Refused(Reason.SEVERAL_SIGNATURES)
    return Claim(connection, signature.decode("latin-1"), found)


def admit(
    claim: Claim, body: bytes, secrets: ActiveSecrets, *, topics: Topics, now: datetime
) -> Admitted | Ping | Refused:
    """Whether a request is let in, and as what.

    Args:
        claim: Its head.
        body: The raw bytes of its body.
        secrets: The connection's active secrets.
        topics: The tenant's topics.
        now: When it was received (UTC).
    """
    if claim.signature is None:
        return Ping() if _PING.fullmatch(body) else Refused(Reason.NO_SIGNATURE)
    if not verify(secrets.values, body, claim.signature):
        well_formed = _SIGNATURE_SHAPE.fullmatch(claim.signature)
        return Refused(Reason.BAD_SIGNATURE if well_formed else Reason.MALFORMED_SIGNATURE)
    webhook = _webhook(
        topics.tenant, claim.connection, claim.headers.get(b"content-type"), *map(claim.headers.get, _REPEATED)
    )
    sha256 = digest(body)
    about = subject(claim.connection, webhook.kind, body)
    made = [
        *own_headers(event_id_text(claim.connection, "webhook", webhook.kind, sha256), about, now),
        *webhook.shared,
        (_WHSIGNATURE, claim.signature.encode()),
        (_SHA256, sha256.encode()),
        (_SIZE, b"%d" % len(body)),
    ]
    if delivery := claim.headers.get(_DELIVERY):
        made.append((_WHDELIVERY, _printable(delivery).encode()))
    return Admitted(webhook.topic, about.encode(), body, made, webhook.event)


def subject(connection: str, kind: str, body: bytes) -> str:
    """The Kafka key: what the webhook is about, by the object's id alone.

    ``action`` webhooks name an order, as all that we subscribe to do. A resource that a plugin brings (a subscription,
    a shipment) has its own name in the key: it is no order, although it goes the orders' way, to become a dead letter
    with its reason. Without an id, the last part is ``unknown``.
    """
    what = "order" if kind in _ORDERS else kind
    return f"{connection}:{what}:{object_id(body, action=kind == 'action') or 'unknown'}"


def object_id(body: bytes, *, action: bool = False) -> int | None:
    """The id of the object in a webhook's body; None where there is none that an object can have.

    WooCommerce always writes it first, so a look at the first bytes is enough; other orders of keys are parsed.
    """
    first = (_ACTION_FIRST if action else _OBJECT_FIRST).match(body)
    if first is not None:
        found = int(first[first.lastindex or 1])
        return found if found <= _LARGEST_ID else None
    try:
        value = exactjson.loads(body)
    except Undecodable:
        return None
    named = value.get("arg" if action else "id") if isinstance(value, dict) else None
    if action and isinstance(named, str) and named.isascii() and named.isdigit() and len(named) < _LONGEST_ID:
        named = int(named)  # whoever calls a hook of WordPress may have its id as text
    return named if type(named) is int and 0 < named <= _LARGEST_ID else None


def _kind_and_event(topic: bytes, resource: bytes) -> tuple[str, str]:
    """What a webhook is about, and the store's name for what happened, by the two headers that say so.

    The resource is the topic's, else that of its own header; an order where neither can be read.
    """
    event = topic.decode("latin-1").strip().lower()
    names = (event.partition(".")[0], resource.decode("latin-1").strip().lower())
    kind = next((name for name in names if _RESOURCE_NAME.fullmatch(name)), "order")
    if event not in _EVENTS:
        event = kind if kind == "action" else "other"
    return kind, event


class _Webhook(NamedTuple):
    """What is the same on every delivery of a webhook."""

    kind: str
    event: str
    topic: str
    shared: Headers


@lru_cache(maxsize=512)
def _webhook(tenant: str, connection: str, content_type: bytes | None, *repeated: bytes | None) -> _Webhook:
    topics = Topics(tenant)
    said = dict(zip(_REPEATED, repeated, strict=True))
    kind, event = _kind_and_event(said[_TOPIC] or b"", said[_RESOURCE] or b"")
    extensions = {name: _printable(value) for name, value in zip(_REPEATED.values(), repeated, strict=True) if value}
    shared = shared_headers(
        RAW_WEBHOOK,
        f"/{tenant}/{connection}",
        _printable(content_type or b"") or "application/octet-stream",
        extensions | {"connection": connection},
    )
    return _Webhook(kind, event, topics.raw_reference if kind in _REFERENCE else topics.raw_orders, shared)


def _printable(value: bytes) -> str:
    """A header as printable ASCII, everything else escaped (a store's URL may be anything), cut at a sane length."""
    text = value[:_LONGEST_HEADER].decode("latin-1")
    if text.isascii() and text.isprintable():
        return text
    return "".join(char if " " <= char <= "~" else f"\\x{ord(char):02x}" for char in text)


def _media_type(headers: dict[bytes, bytes]) -> bytes:
    return headers.get(b"content-type", b"").partition(b";")[0].strip().lower()
