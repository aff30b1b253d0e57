"""Walks one partition's rows and records side by side and names the first place where they do not agree. Pure.

What was changed is told as exactly as it can be: a row that is whole and rightly chained while its record differs means
the record, anything else means the row. Whoever recomputes every later chain is found by comparing with the log, and
whoever changes the log as well by the signed checkpoints (``checkpoints``). Holds a few digests, however long the walk.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, fields
from enum import StrEnum

from mlc_common.audit.rows import FORMAT, AuditRow, chained, record_digest, row_of
from mlc_common.log.records import Record

_LOOK_AHEAD = 5000
"""How far apart two swapped rows may lie to be recognised as such; further apart, the first is a changed row."""


class What(StrEnum):
    """What is wrong at a place."""

    CHANGED_ROW = "changed_row"
    CHANGED_RECORD = "changed_record"
    MISSING_ROW = "missing_row"
    MISSING_RECORD = "missing_record"
    INSERTED_ROW = "inserted_row"
    SWAPPED_ROWS = "swapped_rows"
    CHECKPOINT_SIGNATURE = "checkpoint_signature"
    CHECKPOINT_KEY = "checkpoint_key"
    CHECKPOINT_CHAIN = "checkpoint_chain"
    RETIRED_KEY = "retired_key"
    KEY_CHANGE = "key_change"
    GONE = "gone"
    KEPT_REPORT = "kept_report"


@dataclass(frozen=True)
class Finding:
    """The first bad place of a partition."""

    topic: str
    part: int
    offset: int
    event_id: str
    what: What
    detail: str


@dataclass(frozen=True)
class Walked:
    """How a walk ended: rows that agree with the log, and what did not; ``offset`` and ``chain`` of the last row."""

    rows: int
    finding: Finding | None = None
    offset: int = -1
    chain: bytes = b""


@dataclass(frozen=True)
class Span:
    """A partition's part of the work: rows and records from ``start``, rows to ``stop``, records to ``end``.

    Kafka counts without a gap, and keeps everything: each offset from ``start`` to ``end`` has a record, or had one.
    ``position`` is how far the index says it is; records from there on need no row yet.
    """

    topic: str
    part: int
    start: int
    stop: int
    end: int
    position: int

    @property
    def place(self) -> tuple[str, int]:
        """Topic and partition."""
        return self.topic, self.part


async def walk(
    rows: AsyncIterator[AuditRow],
    records: AsyncIterator[Record],
    *,
    start: bytes,
    span: Span,
    passed: Callable[[], None] = lambda: None,
) -> Walked:
    """Compare rows with records, both of one partition and in order, until something is wrong or both end.

    Args:
        rows: What the index holds.
        records: What the log holds.
        start: The chain that the first row must follow.
        span: Where both begin and end.
        passed: Called after each row that agrees.
    """
    row, record, chain, count, due = await anext(rows, None), await anext(records, None), start, 0, span.start
    while row is not None or record is not None:
        if due < min(each.offset for each in (row, record) if each is not None) and due < span.end:
            return Walked(count, _gone(span, due), due - 1, chain)
        if row is None or (record is not None and record.offset < row.offset):
            assert record is not None
            behind = row is None and record.offset >= span.position
            return Walked(count, None if behind else _missing_row(record), due - 1, chain)
        if record is None or row.offset < record.offset:
            return Walked(count, await _surplus(row, rows, chain, span.position), due - 1, chain)
        if row != _expected(row, record, chain):
            return Walked(count, await _difference(row, record, chain, rows, records), due - 1, chain)
        passed()
        chain, count, due = row.chain, count + 1, row.offset + 1
        row, record = await anext(rows, None), await anext(records, None)
    return Walked(count, _gone(span, due) if due < span.end else None, due - 1, chain)


def _gone(span: Span, offset: int) -> Finding:
    """An offset that Kafka gave to a record, and neither the record nor its row is there."""
    detail = f"the log ends at {span.end}, and neither log nor index has what lay here"
    return Finding(span.topic, span.part, offset, "", What.GONE, detail)


def _expected(row: AuditRow, record: Record, chain: bytes) -> AuditRow:
    """The row as it must be; of a format that this version does not know, only place, digest and chain are compared."""
    if row.format == FORMAT:
        return row_of(record, chain)
    whole = _is_whole(row, chain) and row.record_digest == record_digest(record)
    return row if whole and row.topic == record.topic else row_of(record, chain)


def _is_whole(row: AuditRow, chain: bytes) -> bool:
    return row.previous == chain and row.chain == chained(chain, row)


def _missing_row(record: Record) -> Finding:
    return _at_record(record, What.MISSING_ROW, "the log has this record, the index has no row of it")


async def _surplus(row: AuditRow, rows: AsyncIterator[AuditRow], chain: bytes, position: int) -> Finding:
    """A row without a record: it was put in, or the record was taken out of the log."""
    following = await anext(rows, None)
    follows = following.previous == row.chain if following is not None else row.offset < position
    if _is_whole(row, chain) and follows:
        return _at_row(row, What.MISSING_RECORD, "the index has this row, the log has no record of it")
    return _at_row(row, What.INSERTED_ROW, "the log has no such record, and the chain does not hold with this row")


async def _difference(
    row: AuditRow,
    record: Record,
    chain: bytes,
    rows: AsyncIterator[AuditRow],
    records: AsyncIterator[Record],
) -> Finding:
    digest = record_digest(record)
    if row.record_digest != digest:
        if _is_whole(row, chain):
            detail = f"the log holds a record of SHA-256 {digest.hex()}, indexed was {row.record_digest.hex()}"
            return _at_row(row, What.CHANGED_RECORD, detail)
        other = await _other_end(row.record_digest, digest, rows, records)
        if other is not None:
            return _at_record(record, What.SWAPPED_ROWS, f"the rows of offsets {row.offset} and {other} changed places")
    expected = row_of(record, chain)
    # Of the chain itself only where nothing else differs: it differs whenever anything does.
    named = [one.name for one in fields(AuditRow) if getattr(row, one.name) != getattr(expected, one.name)]
    told = [name for name in named if name != "chain"] or named
    return _at_record(record, What.CHANGED_ROW, f"the log says otherwise in {', '.join(told)}")


async def _other_end(
    held: bytes, wanted: bytes, rows: AsyncIterator[AuditRow], records: AsyncIterator[Record]
) -> int | None:
    """The offset of the row that holds what ours should, where its record is what ours holds."""
    for _ in range(_LOOK_AHEAD):
        row, record = await anext(rows, None), await anext(records, None)
        if row is None or record is None or row.offset != record.offset:
            return None
        if row.record_digest == wanted and record_digest(record) == held:
            return row.offset
    return None


def _at_row(row: AuditRow, what: What, detail: str) -> Finding:
    return Finding(row.topic, row.part, row.offset, row.event_id, what, detail)


def _at_record(record: Record, what: What, detail: str) -> Finding:
    """The event's id from the record: the row's own may be what was changed."""
    return Finding(record.topic, record.partition, record.offset, row_of(record, b"").event_id, what, detail)
