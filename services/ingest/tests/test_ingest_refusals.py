"""Audit events of refused requests: aggregated, capped, kept while the log is away, without a word of the body."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime

import pytest

from mlc_common.clock import FixedClock
from mlc_common.events import Topics, WebhookRefused, decode
from mlc_ingest import refusals as module
from mlc_ingest.admission import Reason, Refused
from mlc_ingest.refusals import Refusals

from .stand_ins import MemoryLog

START = datetime(2026, 11, 21, 12, tzinfo=UTC)


@pytest.fixture
def log() -> MemoryLog:
    return MemoryLog()


@pytest.fixture
def clock() -> FixedClock:
    return FixedClock(START)


@pytest.fixture
def refusals(log: MemoryLog, clock: FixedClock) -> Refusals:
    return Refusals(Topics("acme"), log, clock, worker="w1")


def told(log: MemoryLog) -> list[WebhookRefused]:
    return [decode(envelope, WebhookRefused) for _, envelope in log.appended]


async def test_one_event_per_connection_and_reason_and_interval(
    refusals: Refusals, log: MemoryLog, clock: FixedClock
) -> None:
    for number in range(1000):
        refusals.note("shop", Refused(Reason.BAD_SIGNATURE), size=number, body=b"%d" % number)
        clock.advance(0.001)
    refusals.note("shop", Refused(Reason.OVERSIZE), size=5_000_000)
    refusals.note(None, Refused(Reason.UNKNOWN_CONNECTION), size=1)
    await refusals.flush()
    assert {topic for topic, _ in log.appended} == {"acme.audit"}
    bad, oversize, unknown = told(log)
    assert bad == WebhookRefused(
        connection="shop",
        reason="bad_signature",
        status=401,
        size=0,
        sha256=hashlib.sha256(b"0").hexdigest(),
        at=START,
        count=1000,
    )
    assert (oversize.reason, oversize.status, oversize.size, oversize.sha256) == ("oversize", 413, 5_000_000, "")
    assert (unknown.connection, unknown.status) == ("unknown", 404)


async def test_the_next_interval_is_a_new_event(refusals: Refusals, log: MemoryLog, clock: FixedClock) -> None:
    for _ in range(2):
        refusals.note("shop", Refused(Reason.BAD_SIGNATURE), size=3)
        await refusals.flush()
        clock.advance(10)
    await refusals.flush()
    assert [event.count for event in told(log)] == [1, 1]
    assert len({envelope.id for _, envelope in log.appended}) == 2


async def test_two_workers_never_make_the_same_event(log: MemoryLog, clock: FixedClock) -> None:
    for worker in ("w1", "w2"):
        refusals = Refusals(Topics("acme"), log, clock, worker=worker)
        refusals.note("shop", Refused(Reason.BAD_SIGNATURE), size=3)
        await refusals.flush()
    assert len({envelope.id for _, envelope in log.appended}) == 2


async def test_what_the_log_did_not_take_is_told_later_once(refusals: Refusals, log: MemoryLog) -> None:
    log.failing = True
    refusals.note("shop", Refused(Reason.BAD_SIGNATURE), size=3)
    await refusals.flush()
    refusals.note("shop", Refused(Reason.BAD_SIGNATURE), size=4)
    await refusals.flush()
    assert log.appended == []
    log.failing = False
    await refusals.flush()
    await refusals.flush()
    assert [event.size for event in told(log)] == [3, 4]


async def test_what_waits_is_capped(refusals: Refusals, log: MemoryLog, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_MOST_WAITING", 3)
    log.failing = True
    for number in range(10):
        refusals.note("shop", Refused(Reason.BAD_SIGNATURE), size=number)
        await refusals.flush()
    log.failing = False
    await refusals.flush()
    assert [event.size for event in told(log)] == [7, 8, 9]
