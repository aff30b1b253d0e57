"""The walk over rows and records, in memory: whatever is altered, the first bad place is named (R20)."""

from __future__ import annotations

import dataclasses
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, TypeVar

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlc_common.audit import AuditRow, chained, genesis, row_of
from mlc_common.audit.walk import Span, Walked, What, walk
from mlc_common.log import Record

from .records import TENANT, TOPIC, record, webhook

START = genesis(TENANT, TOPIC, 0)
COUNT = 8

Rows = list[AuditRow]
Records = list[Record]
ItemT = TypeVar("ItemT")


def log(count: int = COUNT) -> Records:
    return [record(webhook(f"w{i}", b'{"id":%d}' % i), i) for i in range(count)]


def indexed(records: Sequence[Record], start: bytes = START) -> Rows:
    rows: Rows = []
    for each in records:
        rows.append(row_of(each, rows[-1].chain if rows else start))
    return rows


def rechained(rows: Sequence[AuditRow], start: bytes = START) -> Rows:
    """The rows with every chain computed anew, as a forger would who knows the rule."""
    made: Rows = []
    for row in rows:
        previous = made[-1].chain if made else start
        made.append(dataclasses.replace(row, previous=previous, chain=chained(previous, row)))
    return made


async def stream(items: Iterable[ItemT]) -> AsyncIterator[ItemT]:
    for item in items:
        yield item


async def walked(rows: Rows, records: Records, *, position: int = COUNT, end: int = COUNT) -> Walked:
    span = Span(TOPIC, 0, 0, 2**62, end, position)
    return await walk(stream(rows), stream(records), start=START, span=span)


def changed(rows: Rows, offset: int, columns: Mapping[str, Any]) -> Rows:
    return [dataclasses.replace(row, **columns) if row.offset == offset else row for row in rows]


def swapped(rows: Rows, one: int, other: int) -> Rows:
    """Everything but the place changes places, chains included."""
    made = list(rows)
    made[one] = dataclasses.replace(rows[other], offset=one)
    made[other] = dataclasses.replace(rows[one], offset=other)
    return made


def without(rows: Rows, at: int) -> Rows:
    return [row for row in rows if row.offset != at]


def inserted(rows: Rows, at: int) -> Rows:
    """A forged row with the right chain, its followers left as they were."""
    forged = row_of(record(webhook("forged"), at), rows[-1].chain)
    return [*rows, forged]


async def test_an_index_that_is_as_the_log_says_agrees_in_every_row() -> None:
    records = log()
    rows = indexed(records)
    assert await walked(rows, records) == Walked(COUNT, None, COUNT - 1, rows[-1].chain)


async def test_an_index_that_is_behind_the_log_is_no_finding() -> None:
    records = log()
    rows = indexed(records)[:5]
    assert await walked(rows, records, position=5) == Walked(5, None, 4, rows[-1].chain)


FORGED = [
    {"facts": '{"by":"somebody else"}'},
    {"stage": "verified"},
    {"subject": "shop:order:29"},
    {"at": datetime(2020, 1, 1, tzinfo=UTC)},
    {"event_id": "another"},
    {"event_type": "mlc.another.v1"},
]
BROKEN = [{"record_digest": bytes(32)}, {"previous": bytes(32)}, {"chain": bytes(32)}, {"format": 2}]


@pytest.mark.parametrize("columns", FORGED + BROKEN, ids=lambda columns: next(iter(columns)))
async def test_r20_a_changed_row_is_named_with_the_column(columns: dict[str, object]) -> None:
    """R20: flip."""
    records = log()
    found = (await walked(changed(indexed(records), 3, columns), records)).finding
    assert found is not None
    assert (found.what, found.offset, found.event_id) == (What.CHANGED_ROW, 3, webhook("w3").id)
    assert next(iter(columns)) in found.detail


@pytest.mark.parametrize("columns", FORGED, ids=lambda columns: next(iter(columns)))
async def test_r20_who_computes_every_later_chain_anew_is_found_by_the_log(columns: dict[str, object]) -> None:
    """R20: flip, by somebody who knows how the chain is made."""
    records = log()
    found = (await walked(rechained(changed(indexed(records), 3, columns)), records)).finding
    assert found is not None
    assert (found.what, found.offset) == (What.CHANGED_ROW, 3)
    assert next(iter(columns)) in found.detail


async def test_r20_a_digest_that_was_changed_with_every_later_chain_is_a_record_that_differs() -> None:
    """R20: row and record no longer agree; which of them was changed, the signed checkpoints tell."""
    records = log()
    rows = rechained(changed(indexed(records), 3, {"record_digest": bytes(32)}))
    found = (await walked(rows, records)).finding
    assert found is not None
    assert (found.what, found.offset) == (What.CHANGED_RECORD, 3)


async def test_a_row_of_a_format_that_is_not_known_here_is_proved_by_digest_and_chain() -> None:
    records = log()
    later = rechained(changed(indexed(records), 3, {"format": 2, "facts": '{"more":"said"}'}))
    whole = await walked(later, records)
    assert (whole.rows, whole.finding) == (COUNT, None)
    found = (await walked(changed(later, 3, {"facts": '{"less":"said"}'}), records)).finding
    assert found is not None
    assert found.offset == 3


async def test_r20_a_changed_record_is_named_as_such_and_not_the_row() -> None:
    """R20: flip, in the log."""
    records = log()
    rows = indexed(records)
    records[4] = dataclasses.replace(records[4], value=b'{"id":4,"total":"0.01"}')
    found = (await walked(rows, records)).finding
    assert found is not None
    assert (found.what, found.offset) == (What.CHANGED_RECORD, 4)


@pytest.mark.parametrize("at", [0, 3, COUNT - 1])
async def test_r20_a_dropped_row_is_named(at: int) -> None:
    """R20: drop, at the beginning, within, and at the end."""
    records = log()
    found = (await walked(without(indexed(records), at), records)).finding
    assert found is not None
    assert (found.what, found.offset, found.event_id) == (What.MISSING_ROW, at, webhook(f"w{at}").id)


async def test_r20_a_dropped_record_is_named() -> None:
    """R20: drop, in the log."""
    records = log()
    rows = indexed(records)
    del records[2]
    found = (await walked(rows, records)).finding
    assert found is not None
    assert (found.what, found.offset) == (What.MISSING_RECORD, 2)


async def test_r20_a_log_that_was_cut_at_its_end_is_named() -> None:
    """R20: drop, the end of the log."""
    records = log()
    found = (await walked(indexed(records), records[:6])).finding
    assert found is not None
    assert (found.what, found.offset) == (What.MISSING_RECORD, 6)


@pytest.mark.parametrize("position", [0, 2, COUNT])
@pytest.mark.parametrize("at", [0, 3, COUNT - 1])
async def test_r20_a_record_that_was_taken_out_of_log_and_index_is_named_by_its_offset(at: int, position: int) -> None:
    """R20: drop, by somebody who has both, computes every later chain anew, and sets the auditor's position back."""
    records = [each for each in log() if each.offset != at]
    rows = [row for row in indexed(records) if row.offset < position]
    found = (await walked(rows, records, position=position)).finding
    if at > position:
        assert found is None  # what the index has not reached yet is looked at when it has
    else:
        assert found is not None
        assert (found.topic, found.part, found.offset, found.what) == (TOPIC, 0, at, What.GONE)


async def test_r20_a_partition_that_was_emptied_in_log_and_index_is_named() -> None:
    """R20: drop, everything; the log remembers how far it had counted."""
    for position in (0, COUNT):
        found = (await walked([], [], position=position)).finding
        assert found is not None
        assert (found.topic, found.part, found.offset, found.what) == (TOPIC, 0, 0, What.GONE)


@pytest.mark.parametrize("at", [COUNT, COUNT + 100])
async def test_r20_a_row_that_was_put_in_is_named(at: int) -> None:
    """R20: insert."""
    records = log()
    found = (await walked(inserted(indexed(records), at), records)).finding
    assert found is not None
    assert (found.what, found.offset, found.event_id) == (What.INSERTED_ROW, at, webhook("forged").id)


async def test_r20_a_row_that_was_put_between_others_is_named() -> None:
    """R20: insert, where the log has a gap."""
    records = [each for each in log() if each.offset != 4]
    rows = indexed(records)
    forged = row_of(record(webhook("forged"), 4), rows[3].chain)
    found = (await walked([*rows[:4], forged, *rows[4:]], records)).finding
    assert found is not None
    assert (found.what, found.offset) == (What.INSERTED_ROW, 4)


@pytest.mark.parametrize(("one", "other"), [(2, 3), (0, 7), (1, 6)])
async def test_r20_rows_that_changed_places_are_named_both(one: int, other: int) -> None:
    """R20: swap."""
    records = log()
    found = (await walked(swapped(indexed(records), one, other), records)).finding
    assert found is not None
    assert (found.what, found.offset) == (What.SWAPPED_ROWS, one)
    assert str(other) in found.detail


Tampering = Callable[[Rows, Records, int], tuple[Rows, Records, int]]


def _dropped(rows: Rows, records: Records, at: int) -> tuple[Rows, Records, int]:
    return without(rows, at), records, at


def _dropped_record(rows: Rows, records: Records, at: int) -> tuple[Rows, Records, int]:
    return rows, [each for each in records if each.offset != at], at


def _flipped(rows: Rows, records: Records, at: int) -> tuple[Rows, Records, int]:
    return changed(rows, at, {"facts": rows[at].facts.replace("verified", "none")}), records, at


def _flipped_and_rechained(rows: Rows, records: Records, at: int) -> tuple[Rows, Records, int]:
    return rechained(_flipped(rows, records, at)[0]), records, at


def _flipped_record(rows: Rows, records: Records, at: int) -> tuple[Rows, Records, int]:
    return rows, [dataclasses.replace(each, value=b"x") if each.offset == at else each for each in records], at


def _swapped(rows: Rows, records: Records, at: int) -> tuple[Rows, Records, int]:
    other = (at + 1) % len(rows)
    return swapped(rows, at, other), records, min(at, other)


@given(
    st.integers(2, 30).flatmap(lambda count: st.tuples(st.just(count), st.integers(0, count - 1))),
    st.sampled_from([_dropped, _dropped_record, _flipped, _flipped_and_rechained, _flipped_record, _swapped]),
)
async def test_r20_one_tampering_anywhere_is_found_at_its_very_place(
    place: tuple[int, int], tampering: Tampering
) -> None:
    """R20: the rows before are counted as good, the first bad one is named."""
    count, at = place
    records = log(count)
    rows, records, first = tampering(indexed(records), records, at)
    found = await walked(rows, records, position=count, end=count)
    assert found.finding is not None
    assert (found.rows, found.finding.offset) == (first, first)
