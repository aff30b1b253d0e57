"""Deterministic ids and numbers: the same thing seen twice has the same id. Pure.

Every id is a UUIDv5 below one fixed namespace. Keys rest on the store's immutable ids, never on display numbers or
dates (architecture §4). Numbers obey the ERP's lengths; what does not fit is hashed, never truncated silently.
"""

from __future__ import annotations

import base64
import hashlib
from dataclasses import dataclass
from uuid import UUID, uuid5

NAMESPACE = UUID("6d1a0a52-5b0c-5e6e-9d0e-6d6c2d636f6e")

# What RFC 9562 §5.5 puts into the hash: version 5 and the variant.
_NAMESPACE_BYTES = NAMESPACE.bytes
_UUID5_BITS = 5 << 76 | 2 << 62
_VARIABLE_BITS = (1 << 128) - 1 & ~(0xF << 76 | 3 << 62)


def _id(*parts: str | int) -> UUID:
    return uuid5(NAMESPACE, "\x1f".join(str(part) for part in parts))


def document_key(flow: str, kind: str, source_id: str, ordinal: int = 0) -> UUID:
    """The key of one document for all time: flow, kind, the store's own id, 0 for the first of its kind."""
    return _id("document", flow, kind, source_id, ordinal)


def command_id(key: UUID, seq: int) -> UUID:
    """The id of the wish number ``seq`` for a document: 100 → 120 → 100 is three commands."""
    return uuid5(key, str(seq))


def party_key(flow: str, customer: str) -> UUID:
    """The key of a buyer within a flow: the customer id, or the normalised e-mail of a guest."""
    return _id("party", flow, customer)


def event_id(*parts: str | int) -> UUID:
    """The id of an event, made from what makes it that event (connection, kind, id, content digest …)."""
    return _id("event", *parts)


def event_id_text(*parts: str) -> str:
    """``str(event_id(*parts))`` in a third of the time, for the webhook gateway (every request makes one)."""
    hashed = hashlib.sha1(_NAMESPACE_BYTES + "\x1f".join(("event", *parts)).encode(), usedforsecurity=False).digest()
    text = f"{int.from_bytes(hashed[:16], 'big') & _VARIABLE_BITS | _UUID5_BITS:032x}"
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"


def digest(data: bytes) -> str:
    """SHA-256 in hex."""
    return hashlib.sha256(data).hexdigest()


@dataclass(frozen=True)
class NumberLimits:
    """How long an ERP's keys may be (characters)."""

    number: int
    number_min: int
    reference: int


def document_number(prefix: str, source_id: str, limits: NumberLimits) -> str:
    """The number a person sees in the ERP: prefix and id, zero-padded to the ERP's least length.

    An id that does not fit (Amazon) becomes prefix + the start of its base32 SHA-256, Deltek facts §13.
    """
    room = limits.number - len(prefix)
    if len(source_id) <= room:
        return prefix + source_id.rjust(limits.number_min - len(prefix), "0")
    return prefix + _base32(source_id)[: min(room, 10)]


def external_reference(kind: str, store_code: str, *ids: str, limits: NumberLimits) -> str:
    """The ERP-side key that makes a second document impossible: ``IN-WC01-1001``, ``CM-WC01-1001-R77``.

    Longer than allowed: the first part, ``~``, and 11 characters of its base32 SHA-256 (Deltek facts sheet §13).
    """
    full = "-".join((kind, store_code, *ids))
    if len(full) <= limits.reference:
        return full
    return f"{full[: limits.reference - 12]}~{_base32(full)[:11]}"


def derived(base: str, suffix: str, limit: int) -> str:
    """The number or reference of a document that follows from another: a cancellation, an adjustment."""
    full = f"{base}{suffix}"
    if len(full) <= limit:
        return full
    return f"{base[:2]}{_base32(full)[: min(limit - 2, 10)]}"


def _base32(text: str) -> str:
    return base64.b32encode(hashlib.sha256(text.encode()).digest()).decode("ascii")
