"""Decides what becomes of a request at a webhook address. Pure: values in, a decision out.

A webhook is let in if one of the connection's active secrets made its signature over the raw bytes, whatever those
bytes are: what is signed but odd is kept for those downstream. Nothing of the body is read but the object's id, which
is the Kafka key. Headers are not signed and believed in nothing but routing. Facts: WooCommerce facts sheet §14, §15.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from functools import lru_cache

from mlc_common import exactjson
from mlc_common.accounting.identity import digest, event_id_text
from mlc_common.errors import Undecodable
from mlc_common.events import RAW_WEBHOOK, Envelope, Topics
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

_LONGEST_HEADER = 300
_SIGNATURE_SHAPE = re.compile(rb"[A-Za-z0-9+/]{43}=")
_PING = re.compile(rb"webhook_id=[0-9]{1,20}")
_RESOURCE_NAME = re.compile(r"[a-z][a-z_]{0,39}")
_OBJECT_FIRST = re.compile(rb'\{"id":([1-9][0-9]{0,18})[,}]')
_ACTION_FIRST = re.compile(rb'\{"action":"[^"\\]{1,200}","arg":([1-9][0-9]{0,18})[,}]')
_LARGEST_ID = 2**63 - 1

_ORDERS = frozenset({"order", "action"})
_REFERENCE = frozenset({"product", "customer", "coupon"})
_EVENTS = frozenset(
    f"{resource}.{event}"
    for resource in ("order", *_REFERENCE)
    for event in ("created", "updated", "deleted", "restored", "published")
)

Headers = Iterable[tuple[bytes, bytes]]


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


@dataclass(frozen=True)
class Admitted:
    """A genuine webhook, as it goes on the log.

    Attributes:
        topic: Where it goes.
        envelope: The event.
        event: What the store says it is, out of a closed list: ``order.updated``, ``action``, ``other``.
    """

    topic: str
    envelope: Envelope
    event: str


@dataclass(frozen=True)
class Claim:
    """The head of a request that is worth reading: a signature, or what may be a ping (``signature`` is None)."""

    connection: str
    signature: str | None = field(repr=False)
    headers: dict[bytes, bytes] = field(repr=False)


def look_at_head(method: str, connection: str, headers: Headers) -> Claim | Refused:
    """Whether the body is worth reading, from what comes before it.

    Args:
        method: HTTP method.
        connection: The connection named by the path; a known one.
        headers: Raw, names in lower case.
    """
    if method != "POST":
        return Refused(Reason.WRONG_METHOD)
    pairs = list(headers)
    found = dict(pairs)
    if found.get(b"content-encoding", b"identity").strip().lower() not in (b"identity", b""):
        return Refused(Reason.COMPRESSED)
    signature = found.get(_SIGNATURE)
    if signature is None:
        looks_like_ping = _media_type(found) == b"application/x-www-form-urlencoded"
        unmarked = not any(name.startswith(b"x-wc-") for name in found)
        return Claim(connection, None, found) if looks_like_ping and unmarked else Refused(Reason.NO_SIGNATURE)
    if len(found) != len(pairs) and sum(name == _SIGNATURE for name, _ in pairs) > 1:
        return Refused(Reason.SEVERAL_SIGNATURES)
    if not _SIGNATURE_SHAPE.fullmatch(signature):
        return Refused(Reason.MALFORMED_SIGNATURE)
    return Claim(connection, signature.decode("ascii"), found)


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
        return Refused(Reason.BAD_SIGNATURE)
    kind, event = _kind_and_event(claim.headers.get(_TOPIC, b""), claim.headers.get(_RESOURCE, b""))
    return Admitted(
        topic=topics.raw_reference if kind in _REFERENCE else topics.raw_orders,
        envelope=_envelope(claim, body, kind, topics.tenant, now),
        event=event,
    )


def subject(connection: str, kind: str, body: bytes) -> str:
    """The Kafka key: what the webhook is about, by the object's id alone.

    ``action`` webhooks name an order, as all that we subscribe to do. Without an id, or of a resource that we do not
    know, it is ``connection:order:unknown``.
    """
    if kind in _REFERENCE:
        return f"{connection}:{kind}:{object_id(body) or 'unknown'}"
    found = object_id(body, action=kind == "action") if kind in _ORDERS else None
    return f"{connection}:order:{found or 'unknown'}"


def object_id(body: bytes, *, action: bool = False) -> int | None:
    """The id of the object in a webhook's body; None where there is none that an object can have.

    WooCommerce always writes it first, so a look at the first bytes is enough; other orders of keys are parsed.
    """
    first = (_ACTION_FIRST if action else _OBJECT_FIRST).match(body)
    if first is not None:
        found = int(first[1])
        return found if found <= _LARGEST_ID else None
    try:
        value = exactjson.loads(body)
    except Undecodable:
        return None
    named = value.get("arg" if action else "id") if isinstance(value, dict) else None
    return named if type(named) is int and 0 < named <= _LARGEST_ID else None


@lru_cache(maxsize=256)
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


def _envelope(claim: Claim, body: bytes, kind: str, tenant: str, now: datetime) -> Envelope:
    sha256 = digest(body)
    headers = claim.headers
    extensions = {
        **_evidence(*map(headers.get, _REPEATED)),
        "whsignature": claim.signature or "",
        "sha256": sha256,
        "size": str(len(body)),
        "connection": claim.connection,
    }
    if delivery := headers.get(_DELIVERY):
        extensions["whdelivery"] = _printable(delivery)
    return Envelope(
        id=event_id_text(claim.connection, "webhook", kind, sha256),
        type=RAW_WEBHOOK,
        source=f"/{tenant}/{claim.connection}",
        subject=subject(claim.connection, kind, body),
        time=now,
        data=body,
        content_type=_printable(headers.get(b"content-type", b"")) or "application/octet-stream",
        extensions=extensions,
    )


@lru_cache(maxsize=512)
def _evidence(*values: bytes | None) -> dict[str, str]:
    """The extensions of the headers that are repeated; never changed by whoever gets it."""
    return {name: _printable(value) for name, value in zip(_REPEATED.values(), values, strict=True) if value}


def _printable(value: bytes) -> str:
    """A header as printable ASCII, everything else escaped (a store's URL may be anything), cut at a sane length."""
    text = value[:_LONGEST_HEADER].decode("latin-1")
    if text.isascii() and text.isprintable():
        return text
    return "".join(char if " " <= char <= "~" else f"\\x{ord(char):02x}" for char in text)


def _media_type(headers: dict[bytes, bytes]) -> bytes:
    return headers.get(b"content-type", b"").partition(b";")[0].strip().lower()
