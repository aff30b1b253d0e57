"""One order's way is one trace, across Kafka and across the time that a command waits in the queue."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
from opentelemetry.sdk.trace import TracerProvider

from mlc_common.clock import SystemClock
from mlc_common.events import Topics, encode
from mlc_common.log.records import Record
from mlc_common.posting.intake import CommandIntake
from mlc_common.posting.ledger import State, Step
from mlc_common.posting.store import PostgresLedger
from mlc_common.store.outbox import _envelope
from mlc_common.store.pool import Pool, connect
from mlc_common.telemetry import tracing

from .wishes import Order

pytestmark = pytest.mark.postgres

PARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
TRACE = PARENT.split("-")[1]


@pytest.fixture
async def pool(database: str) -> AsyncIterator[Pool]:
    pool = await connect(database, application="test")
    yield pool
    await pool.close()


async def test_a_posting_joins_the_trace_that_its_command_came_with(
    pool: Pool, monkeypatch: pytest.MonkeyPatch
) -> None:
    provider = TracerProvider()  # recording on, for this test alone
    monkeypatch.setattr("opentelemetry.trace.get_tracer", provider.get_tracer)
    topics, clock = Topics("t1"), SystemClock()
    command = Order("1").invoice("10.00")
    envelope = encode(
        command,
        event_id=command.command_id,
        subject=command.order_key,
        source="/t1/mapper",
        time=clock.now(),
        extensions={"traceparent": PARENT},
    )
    record = Record("t1.commands.erp", 0, 0, tuple(envelope.headers()), envelope.key, envelope.data, 0)
    await CommandIntake(pool, topics, "erp", wake=lambda: None).handle("t1.commands.erp", 0, [record])

    ledger = PostgresLedger(pool, topics, clock, producer="poster-erp")
    (lease,) = await ledger.lease_orders("erp", "worker", 1, 60)
    (row,) = await ledger.documents(lease)
    assert row.trace == PARENT

    with tracing.span("post", parent=tracing.extract([("traceparent", row.trace.encode())])):
        await ledger.record(lease, row, [Step(State.LOOKING)], extend_s=60)
    (stored,) = await pool.fetch("select headers, value from outbox where producer = 'poster-erp'")
    outcome = _envelope(stored["headers"], stored["value"])
    assert outcome.extensions["traceparent"].split("-")[1] == TRACE
