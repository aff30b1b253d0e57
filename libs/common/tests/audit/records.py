"""Records as the log holds them, made by hand: a webhook, commands, outcomes, and what no reader understands."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from mlc_common.accounting import event_id
from mlc_common.events import RAW_WEBHOOK, Command, Envelope, Event, HeldWish, Outcome, encode
from mlc_common.log import Record

TENANT = "acme"
TOPIC = "acme.raw.orders"
AT = datetime(2026, 11, 21, 14, 17, 18, 123456, tzinfo=UTC)
TAKEN_MS = int(AT.timestamp() * 1000) + 60_000
ORDER = "shop:order:28"
DOCUMENT = UUID(int=7)


def record(envelope: Envelope, offset: int = 0, *, topic: str = TOPIC, part: int = 0) -> Record:
    """The record of an event."""
    return Record(topic, part, offset, tuple(envelope.headers()), envelope.key, envelope.data, TAKEN_MS)


def webhook(name: str = "a", body: bytes = b'{"id":28}', subject: str = ORDER) -> Envelope:
    """A webhook as the gateway lets it in."""
    return Envelope(
        id=str(event_id("webhook", name)),
        type=RAW_WEBHOOK,
        source="/acme/shop",
        subject=subject,
        time=AT,
        data=body,
        extensions={
            "whtopic": "order.updated",
            "whsignature": "c2lnbmF0dXJl",
            "whdelivery": f"delivery-{name}",
            "sha256": "ab" * 32,
            "size": str(len(body)),
        },
    )


def event(data: Event, subject: str = ORDER, *, extensions: dict[str, str] | None = None) -> Envelope:
    """An event of ours."""
    name = type(data).__name__
    return encode(
        data, event_id=event_id(name), subject=subject, source="/acme/test", time=AT, extensions=extensions or {}
    )


def held_command(**changes: Any) -> Command:
    """A command that says why the order cannot be mapped, with words about a customer."""
    wish = HeldWish(reason="account_unknown", detail="Jane Roe <jane@example.com> has no account")
    said: dict[str, Any] = {
        "command_id": UUID(int=1), "document_key": DOCUMENT, "flow": "web", "order_key": ORDER, "seq": 1,
        "kind": "invoice", "wish": wish, "cause": "the-webhook", "content_digest": "cd" * 32,
        "mapping_version": "53933aa348f6",
    }  # fmt: skip
    return Command.model_validate(said | changes)


def outcome(state: str, **changes: Any) -> Outcome:
    """One transition of the document."""
    said: dict[str, Any] = {
        "document_key": DOCUMENT, "command_id": UUID(int=1), "flow": "web", "order_key": ORDER, "kind": "invoice",
        "seq": 1, "place": 1, "version": 3, "state": state, "number": "WA00028", "total": "33.75", "currency": "USD",
        "fencing": 5, "at": AT,
    }  # fmt: skip
    return Outcome.model_validate(said | changes)
