"""What no reader understands: kept as it was, with the reason, on the dead-letter topic. Pure."""

from __future__ import annotations

from datetime import UTC, datetime

from mlc_common.accounting.identity import event_id
from mlc_common.events import DEAD_LETTER, Envelope, Topics
from mlc_common.log.records import Record
from mlc_common.store.outbox import Outgoing

_REASON_LENGTH = 500


def dead_letter(topics: Topics, record: Record, reason: str, *, lane: int | None = None) -> Outgoing:
    """The dead letter for a record: its value untouched, its place and the reason in the attributes.

    ``time`` is the record's own, so that the same record always gives the same letter.
    """
    key = (record.key or b"unknown").decode("utf-8", "replace")
    envelope = Envelope(
        id=str(event_id("dead", record.topic, record.partition, record.offset)),
        type=DEAD_LETTER,
        source=f"/{topics.tenant}/dead-letter",
        subject=key,
        time=datetime.fromtimestamp(record.timestamp_ms / 1000, UTC),
        data=record.value or b"",
        content_type="application/octet-stream",
        extensions={
            "deadtopic": record.topic,
            "deadpartition": str(record.partition),
            "deadoffset": str(record.offset),
            "reason": reason[:_REASON_LENGTH].encode("ascii", "backslashreplace").decode(),
        },
    )
    return Outgoing(topics.dead_letter, envelope, lane=record.partition if lane is None else lane)
