"""The poller's tables folded from the log: the furthest cursor, and fetches without an answer, also of what a walk put
off."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest

from mlc_common.accounting import event_id
from mlc_common.clock import SystemClock
from mlc_common.events import (
    Envelope,
    Event,
    FetchRequested,
    OrderSnapshot,
    PollCompleted,
    Topics,
    encode,
    order_subject,
)
from mlc_common.log import LogProducer, ends_of, ensure_topics
from mlc_common.store import positions
from mlc_common.store.pool import connect
from mlc_common.store.rebuild.folding import Folding
from mlc_poller import store
from mlc_poller.folding import fold

pytestmark = [pytest.mark.kafka, pytest.mark.postgres]

NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)


def polled(until: datetime, **put_off: int) -> PollCompleted:
    fetches = {order_id.removeprefix("order_"): UUID(int=number) for order_id, number in put_off.items()}
    return PollCompleted(
        connection="shop", what="orders", since=NOON, until=until, seen=1, published=1, put_off=fetches
    )


def asked(number: int, order_id: str) -> FetchRequested:
    return FetchRequested(fetch_id=UUID(int=number), connection="shop", order_id=order_id, because="test")


def read(order_id: str, fetch_id: int | None) -> OrderSnapshot:
    known = UUID(int=fetch_id) if fetch_id is not None else None
    return OrderSnapshot(connection="shop", order_id=order_id, order=None, fetch_id=known, fetched_at=NOON)


async def test_cursors_and_open_fetches_come_back_however_often_the_log_says_it(
    kafka_bootstrap: str, database: str, tenant: str
) -> None:
    """R13: folded, and nothing asked for that was answered."""
    topics = Topics(tenant)
    await ensure_topics(kafka_bootstrap, topics.all())
    control: list[tuple[Event, str]] = [
        (polled(NOON + timedelta(hours=1), order_20=5, order_21=6), "shop:poll:orders"),
        (polled(NOON), "shop:poll:orders"),  # a copy that comes late never steps back
        *[(asked(number, order), order_subject("shop", order)) for number, order in ((1, "17"), (2, "17"), (3, "18"))],
    ]
    raw = [read("17", 1), read("17", None), read("18", 9), read("20", 5), read("21", None)]
    async with LogProducer(kafka_bootstrap, client_id="test") as log:
        for event, subject in [*control, *control]:
            await log.publish(topics.control, _sent(event, subject))
        for snapshot in [*raw, *raw]:
            await log.publish(topics.raw_orders, _sent(snapshot, order_subject("shop", snapshot.order_id)))
    pool = await connect(database, application="test", most=3)
    try:
        await fold(Folding(pool, topics, kafka_bootstrap, SystemClock()))

        assert await store.cursor(pool, "shop", "orders") == NOON + timedelta(hours=1)
        open_now = await store.due(pool, "shop", 10)
        assert sorted((fetch.fetch_id.int, fetch.order_id) for fetch in open_now) == [(2, "17"), (3, "18"), (6, "21")]
        ends = await ends_of(kafka_bootstrap, topics.control)
        read_to = {part: await positions.load(pool, store.PRODUCER, topics.control, part) for part in ends}
        assert read_to == ends
    finally:
        await pool.close()


def _sent(event: Event, subject: str) -> Envelope:
    made = event_id("test", event.model_dump_json())
    return encode(event, event_id=made, subject=subject, source="/test", time=NOON)
