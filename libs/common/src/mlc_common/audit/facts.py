"""What one record is in the life of an order, and the facts that an auditor asks for. Pure.

Facts are taken from the headers and from named fields of our own events, as text. Never a body, a customer's data or
what somebody wrote about one (``detail``): the index is kept for ever and is exported. What is read here is read from
the plain JSON, not through the models: a default that a later version adds must not change an old row's chain. For the
same reason a change of what is said here needs a new ``FORMAT`` in ``rows``.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from mlc_common import exactjson
from mlc_common.errors import Undecodable
from mlc_common.events import (
    CHUNK,
    DEAD_LETTER,
    RAW_WEBHOOK,
    ChainCheckpoint,
    Command,
    ConnectionChanged,
    Envelope,
    FetchRequested,
    HoldResolved,
    MapperCheckpoint,
    MappingApplied,
    OrderSnapshot,
    Outcome,
    PartyOutcome,
    PollCompleted,
    RebuildCompleted,
    ReconcileCompleted,
    ReleaseRequested,
    ReplayCompleted,
    ReplayRequested,
    SigningKeyRotated,
    VaultKeysRotated,
    WebhookRefused,
)

LONGEST = 200
"""Characters of one text; what strangers send may be of any length, and an index holds no more."""

_UNSTORABLE = re.compile("[\0\ud800-\udfff]")


class Stage(StrEnum):
    """Where in its life a record stands."""

    RECEIVED = "received"
    READ = "read"
    ASKED = "asked"
    MAPPED = "mapped"
    ATTEMPT = "attempt"
    POSTED = "posted"
    VERIFIED = "verified"
    HELD = "held"
    SETTLED = "settled"
    PARTY = "party"
    RELEASED = "released"
    RESOLVED = "resolved"
    REPLAYED = "replayed"
    RECONCILED = "reconciled"
    MAPPING = "mapping"
    POLLED = "polled"
    REFUSED = "refused"
    VAULT = "vault"
    CONNECTION = "connection"
    REBUILT = "rebuilt"
    CHECKPOINT = "checkpoint"
    SIGNING_KEY = "signing_key"
    DEAD_LETTER = "dead_letter"
    CHUNK = "chunk"
    OTHER = "other"
    UNREADABLE = "unreadable"


@dataclass(frozen=True)
class Said:
    """What a record tells: ``subject`` is the order where the event names one, else what the event is about."""

    stage: Stage
    facts: Mapping[str, str] = field(default_factory=dict)
    subject: str = ""


_OUTCOME_STAGES = {
    "posted": Stage.POSTED,
    "verified": Stage.VERIFIED,
    "held": Stage.HELD,
    "withdrawn": Stage.SETTLED,
    "superseded": Stage.SETTLED,
    "unchanged": Stage.SETTLED,
    "resolved": Stage.RESOLVED,
}

_FROM_HEADERS: dict[str, tuple[Stage, dict[str, str]]] = {
    RAW_WEBHOOK: (
        Stage.RECEIVED,
        {"webhook": "whtopic", "delivery": "whdelivery", "size": "size", "sha256": "sha256"},
    ),
    OrderSnapshot.event_type: (Stage.READ, {"sha256": "sha256"}),
    CHUNK: (Stage.CHUNK, {"of": "chunkof", "chunk": "chunk"}),
    DEAD_LETTER: (
        Stage.DEAD_LETTER,
        {"of_topic": "deadtopic", "of_partition": "deadpartition", "of_offset": "deadoffset", "reason": "reason"},
    ),
}
"""Events whose values are not ours to read: fact to the attribute that holds it."""

_DOCUMENT = {"flow": "flow", "kind": "kind", "document": "document_key", "seq": "seq"}
_BY_WHOM = {"flow": "flow", "by": "by", "why": "why"}

_FROM_DATA: dict[str, tuple[Stage, dict[str, str]]] = {
    Command.event_type: (
        Stage.MAPPED,
        _DOCUMENT
        | {
            "mapping": "mapping_version",
            "wish": "wish.wish",
            "number": "wish.document.number",
            "total": "wish.document.total",
            "currency": "wish.document.currency",
            "reason": "wish.reason",
            "rule": "wish.rule",
            "found": "wish.found",
            "by": "wish.by",
            "why": "wish.why",
            "released": "released",
            "adjusting": "adjusting",
            "content_digest": "content_digest",
        },
    ),
    Outcome.event_type: (
        Stage.ATTEMPT,
        _DOCUMENT
        | {name: name for name in ("version", "state", "reference", "number", "total", "currency", "reason")}
        | {"request_digest": "request_digest", "response": "response_class", "fencing": "fencing", "erp": "erp_ids"},
    ),
    PartyOutcome.event_type: (
        Stage.PARTY,
        {"flow": "flow", "party": "party_key", "state": "state", "erp_id": "erp_id", "fencing": "fencing"},
    ),
    FetchRequested.event_type: (Stage.ASKED, {"because": "because"}),
    MappingApplied.event_type: (
        Stage.MAPPING,
        {"flow": "flow", "mapping": "version", "store": "store", "erp": "erp", "since": "since", "by": "by"},
    ),
    ReleaseRequested.event_type: (Stage.RELEASED, _BY_WHOM | {"request": "request_id", "rebook": "rebook"}),
    HoldResolved.event_type: (
        Stage.RESOLVED,
        _BY_WHOM | {"request": "request_id", "document": "document_key", "found": "found"},
    ),
    ReplayRequested.event_type: (
        Stage.REPLAYED,
        _BY_WHOM
        | {"request": "request_id", "since": "since", "until": "until", "reason": "reason"}
        | {"rebook": "rebook", "mapping": "mapping_version"},
    ),
    ReplayCompleted.event_type: (
        Stage.REPLAYED,
        {"request": "request_id", "orders": "orders", "commands": "commands"},
    ),
    ReconcileCompleted.event_type: (
        Stage.RECONCILED,
        {"flow": "flow", "since": "since", "until": "until", "by": "by", "unexplained": "unexplained", "n": "counts"},
    ),
    ChainCheckpoint.event_type: (Stage.CHECKPOINT, {"of_topic": "topic", "key": "key_id", "offset": "offsets"}),
    MapperCheckpoint.event_type: (Stage.CHECKPOINT, {"of_topic": "topic", "offset": "offsets"}),
    PollCompleted.event_type: (
        Stage.POLLED,
        {name: name for name in ("connection", "what", "since", "until", "seen", "published")},
    ),
    RebuildCompleted.event_type: (
        Stage.REBUILT,
        {name: name for name in ("compared", "differing", "unfinished", "by")},
    ),
    VaultKeysRotated.event_type: (
        Stage.VAULT,
        {name: name for name in ("current", "added", "rewrapped", "by")},
    ),
    SigningKeyRotated.event_type: (
        Stage.SIGNING_KEY,
        {name: name for name in ("previous", "previous_public", "current", "public", "by")} | {"until": "offsets"},
    ),
    ConnectionChanged.event_type: (
        Stage.CONNECTION,
        {name: name for name in ("connection", "change", "before", "after", "by")} | {"valid": "secrets"},
    ),
    WebhookRefused.event_type: (
        Stage.REFUSED,
        {name: name for name in ("connection", "reason", "status", "size", "sha256", "count")},
    ),
}
"""Our own events: fact to the path of the field. A field that holds names and values becomes ``fact.name``."""

_ANY = {"cause": "cause", "replay_of": "replayof"}
_COMMAND_HEADERS = {"flow": "flow", "kind": "kind", "document": "documentkey", "seq": "seq"}


def said_by(envelope: Envelope) -> Said:
    """What an event tells an auditor; what cannot be read is said to be so, never raised."""
    attributes = envelope.extensions
    stage, names = _FROM_HEADERS.get(envelope.type, (Stage.OTHER, {}))
    facts = dict(_picked(attributes, names | _ANY))
    if envelope.type == RAW_WEBHOOK:
        # The gateway lets nothing in whose signature it has not proved over these very bytes.
        facts["signature"] = "verified" if attributes.get("whsignature") else "none"
    if "chunks" in attributes:
        facts["chunks"] = str(attributes["chunks"].count(",") + 1)
    if envelope.type not in _FROM_DATA:
        return Said(stage, facts)
    stage, names = _FROM_DATA[envelope.type]
    if "chunks" in attributes:  # the value lies in the chunks: a row rests on one record alone
        return Said(stage, facts | dict(_picked(attributes, _COMMAND_HEADERS)))
    data = _data(envelope)
    if data is None:
        return Said(Stage.UNREADABLE, facts | {"defect": "the value is no JSON object"})
    facts |= dict(_picked(data, names))
    return Said(_stage(stage, facts), facts, _text(data.get("order_key")))


def _stage(stage: Stage, facts: Mapping[str, str]) -> Stage:
    if stage is Stage.ATTEMPT:
        return _OUTCOME_STAGES.get(facts.get("state", ""), stage)
    return Stage.RESOLVED if stage is Stage.MAPPED and facts.get("wish") == "resolved" else stage


def _data(envelope: Envelope) -> dict[str, Any] | None:
    try:
        found = exactjson.loads(envelope.data)
    except Undecodable:
        return None
    return found if isinstance(found, dict) else None


def _picked(source: Mapping[str, Any], names: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """Fact and text of every field that holds something."""
    for name, path in names.items():
        value: Any = source
        for step in path.split("."):
            value = value.get(step) if isinstance(value, Mapping) else None
        if isinstance(value, dict):
            yield from ((storable(f"{name}.{inner}"), text) for inner, one in value.items() if (text := _text(one)))
        elif text := _text(value):
            yield name, text


def _text(value: object) -> str:
    """The value as PostgreSQL can hold it; empty for what says nothing and for what is no single value."""
    if value is None or value is False or isinstance(value, list | dict):
        return ""
    return storable("yes" if value is True else str(value))


def storable(text: str) -> str:
    """Text without what PostgreSQL cannot hold, cut visibly where it is longer than an index may carry."""
    text = _UNSTORABLE.sub("\ufffd", text)
    return text if len(text) <= LONGEST else text[: LONGEST - 1] + "…"
