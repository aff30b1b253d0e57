"""Events as values: envelopes, the catalogue of types, the topics, the codec. Pure: no broker, no clock."""

from mlc_common.events.catalogue import (
    CHUNK,
    DEAD_LETTER,
    EVENTS,
    RAW_WEBHOOK,
    Command,
    DocumentWish,
    Event,
    FetchRequested,
    HeldWish,
    MapperCheckpoint,
    MappingApplied,
    OrderSnapshot,
    Outcome,
    PartyOutcome,
    PollCompleted,
    WebhookRefused,
    Wish,
    Withdrawn,
)
from mlc_common.events.codec import decode, encode
from mlc_common.events.envelope import Envelope, from_record
from mlc_common.events.topics import MESSAGE_LIMIT, PARTITIONS, Topics, order_subject

__all__ = [
    "CHUNK",
    "DEAD_LETTER",
    "EVENTS",
    "MESSAGE_LIMIT",
    "PARTITIONS",
    "RAW_WEBHOOK",
    "Command",
    "DocumentWish",
    "Envelope",
    "Event",
    "FetchRequested",
    "HeldWish",
    "MapperCheckpoint",
    "MappingApplied",
    "OrderSnapshot",
    "Outcome",
    "PartyOutcome",
    "PollCompleted",
    "Topics",
    "WebhookRefused",
    "Wish",
    "Withdrawn",
    "decode",
    "encode",
    "from_record",
    "order_subject",
]
