"""One row of the audit index, made from one record of the log and the row before. Pure: a rebuild makes the same.

``chain`` is SHA-256 over the previous row's chain and this row; the first of a partition follows a fixed beginning made
from tenant, topic and partition. Nothing else goes in: no clock, no database, no later record. Rule: reliability R20;
docs/audit.md tells an auditor how to compute the same without our code.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

from mlc_common.audit.facts import Said, Stage, said_by, storable
from mlc_common.errors import Undecodable
from mlc_common.events import Command, Envelope
from mlc_common.log.records import Record

FORMAT = 1
"""How rows are made; stored in each. A format that says more gets the next number, ``facts`` goes on saying what this
one said, and which of them a record has must follow from the record (its time): a rebuild has nothing else to go by."""

_GENESIS = "mlc.audit.genesis"
_ROW = "mlc.audit.row"
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class AuditRow:
    """What the index holds of one record.

    Attributes:
        topic: Where the record lies, with ``part`` and ``offset``.
        event_id: Empty where the record is no event of ours.
        subject: The order's key where it is about an order.
        at: When it happened, as the event says; of commands, which carry the time of their cause, when the log took
            them.
        stage: A ``Stage``; ``facts`` JSON text of names and texts, sorted, without blanks.
        record_digest: SHA-256 over key, headers and value.
        previous: ``chain`` of the row before.
        chain: SHA-256 over ``previous`` and this row.
    """

    topic: str
    part: int
    offset: int
    event_id: str
    event_type: str
    subject: str
    at: datetime
    stage: str
    facts: str
    record_digest: bytes
    previous: bytes = b""
    chain: bytes = b""
    format: int = FORMAT

    def said(self) -> dict[str, str]:
        """The facts by name; none where somebody made something else of the text."""
        try:
            facts = json.loads(self.facts)
        except ValueError:
            return {}
        return facts if isinstance(facts, dict) else {}

    def canonical(self) -> bytes:
        """The bytes that are chained: every field but ``previous`` and ``chain``, each with its length before it."""
        at = self.at.astimezone(UTC).isoformat(timespec="microseconds")
        named = (self.topic, str(self.part), str(self.offset), self.event_id, self.event_type, self.subject, at)
        said = (_ROW, str(self.format), *named, self.stage, self.facts)
        return _framed([*(text.encode("utf-8", "surrogatepass") for text in said), self.record_digest])


def genesis(tenant: str, topic: str, part: int) -> bytes:
    """What the first row of a partition follows."""
    return hashlib.sha256(_framed(text.encode() for text in (_GENESIS, tenant, topic, str(part)))).digest()


def chained(previous: bytes, row: AuditRow) -> bytes:
    """The chain at this row, when it follows a row whose chain is ``previous``."""
    return hashlib.sha256(previous + row.canonical()).digest()


def record_digest(record: Record) -> bytes:
    """SHA-256 over key, headers (all, in order) and value; nothing there differs from something empty."""
    headers = (part for name, value in record.headers for part in (name.encode("utf-8", "surrogatepass"), value))
    count = str(len(record.headers)).encode()
    return hashlib.sha256(_framed([record.key, count, *headers, record.value])).digest()


def row_of(record: Record, previous: bytes) -> AuditRow:
    """The row of a record that follows a row whose chain is ``previous`` (``genesis`` for the first).

    Depends on nothing but these two, whatever the record holds: what cannot be read gets a row that says so.
    """
    try:
        envelope = record.envelope()
    except Undecodable:
        row = _unreadable(record)
    else:
        row = _row(record, envelope, said_by(envelope))
    return replace(row, previous=previous, chain=chained(previous, row))


def _row(record: Record, envelope: Envelope, said: Said) -> AuditRow:
    return AuditRow(
        topic=record.topic,
        part=record.partition,
        offset=record.offset,
        event_id=storable(envelope.id),
        event_type=storable(envelope.type),
        subject=said.subject or storable(envelope.subject),
        at=_at(record, envelope),
        stage=said.stage.value,
        facts=json.dumps(dict(said.facts), sort_keys=True, separators=(",", ":"), ensure_ascii=False),
        record_digest=record_digest(record),
    )


def _unreadable(record: Record) -> AuditRow:
    return AuditRow(
        topic=record.topic,
        part=record.partition,
        offset=record.offset,
        event_id="",
        event_type="",
        subject=storable((record.key or b"").decode("utf-8", "replace")),
        at=_taken(record),
        stage=Stage.UNREADABLE.value,
        facts='{"defect":"no event of ours"}',
        record_digest=record_digest(record),
    )


def _at(record: Record, envelope: Envelope) -> datetime:
    if envelope.type == Command.event_type:
        return _taken(record)
    try:
        return envelope.time.astimezone(UTC)
    except OverflowError:  # a zone that leads out of the calendar
        return _taken(record)


def _taken(record: Record) -> datetime:
    """When the log took the record, as its producer said."""
    try:
        return _EPOCH + timedelta(milliseconds=record.timestamp_ms)
    except OverflowError:
        return _EPOCH


def _framed(parts: Iterable[bytes | None]) -> bytes:
    """Parts with their lengths (8 bytes, big-endian; all ones for none), so that no two lists give the same bytes."""
    return b"".join(b"\xff" * 8 if part is None else len(part).to_bytes(8, "big") + part for part in parts)
