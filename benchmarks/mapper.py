"""The mapper beside a bare aiokafka consumer of the same topic: events per second until every command is on the log."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import asyncpg
from aiokafka import AIOKafkaConsumer, TopicPartition

from benchmarks.orders import bodies
from mlc_cli.rehearsal import ERP, STORE, Rehearsal
from mlc_common.accounting import digest, event_id
from mlc_common.clock import SystemClock
from mlc_common.events import PARTITIONS, RAW_WEBHOOK, Envelope, Topics, order_subject
from mlc_common.log import LogProducer

_PATIENCE_S = 180.0

_ALL_READ_AND_SENT = """
    select coalesce(sum(next_offset), 0) >= $2 and not exists (select 1 from outbox where producer = 'mapper')
    from consumer_positions where consumer = 'mapper' and topic = $1
"""


class NotMeasured(Exception):  # noqa: N818 - names what happened
    """What ran is not what was to be measured; there is no figure."""


async def measure(rig: Rehearsal, events: int, *, first: int) -> dict[str, Any]:
    """Fill the raw topic with webhooks of different orders, then time the mapper and a bare consumer over them.

    Raises:
        NotMeasured: the mapper did not decide about each of them.
    """
    topics = Topics(rig.environment["MLC_TENANT"])
    brokers = rig.environment["KAFKA_BOOTSTRAP_SERVERS"]
    await _fill(brokers, topics, events, first)
    bare = await _bare(brokers, topics.raw_orders, events)
    ours = await _mapper(rig, topics, events)
    return {
        "events": events,
        "mapper_events_per_s": round(events / ours),
        "bare_consumer_events_per_s": round(events / bare),
        "ratio": round(bare / ours, 3),
    }


async def _fill(brokers: str, topics: Topics, events: int, first: int) -> None:
    now = SystemClock().now()
    async with LogProducer(brokers, client_id="bench") as log:
        for start in range(0, events, 500):
            batch = [
                (
                    topics.raw_orders,
                    Envelope(
                        id=str(event_id(STORE, "webhook", "order", digest(body))),
                        type=RAW_WEBHOOK,
                        source=f"/{topics.tenant}/{STORE}",
                        subject=order_subject(STORE, first + start + i),
                        time=now,
                        data=body,
                        extensions={"connection": STORE, "whtopic": "order.updated"},
                    ),
                )
                for i, body in enumerate(bodies(first + start, min(500, events - start)))
            ]
            await log.publish_all(batch)


async def _bare(brokers: str, topic: str, events: int) -> float:
    consumer = AIOKafkaConsumer(topic, bootstrap_servers=brokers, auto_offset_reset="earliest")
    await consumer.start()
    try:
        seen, started = 0, 0.0
        async with asyncio.timeout(_PATIENCE_S):
            while seen < events:
                batch = await consumer.getmany(timeout_ms=200, max_records=500)
                started = started or (time.perf_counter() if batch else 0.0)
                seen += sum(len(records) for records in batch.values())
        return time.perf_counter() - started
    finally:
        await consumer.stop()


async def _mapper(rig: Rehearsal, topics: Topics, events: int) -> float:
    """Seconds that the mapper takes for these events, from its first command on the log to its last.

    Raises:
        NotMeasured: it read the events and commanded something else than one document each.
    """
    part = rig.part("mapper")
    database = await asyncpg.connect(rig.environment["DATABASE_URL"])
    log = AIOKafkaConsumer(bootstrap_servers=rig.environment["KAFKA_BOOTSTRAP_SERVERS"])
    await log.start()
    try:
        lanes = [TopicPartition(topics.commands(ERP), number) for number in range(PARTITIONS)]
        await part.start()
        first_at, first, issued = 0.0, 0, 0
        async with asyncio.timeout(_PATIENCE_S):
            while issued < events:
                done = await database.fetchval(_ALL_READ_AND_SENT, topics.raw_orders, events)
                issued = sum((await log.end_offsets(lanes)).values())
                if issued and not first:
                    first_at, first = time.perf_counter(), issued
                if done:
                    break
                await asyncio.sleep(0.02)
        took = time.perf_counter() - first_at
        if issued != events:
            raise NotMeasured(
                f"the mapper read {events} events and issued {issued} commands; it must issue one for each, or "
                "something else than deciding was timed: see whether the mapping was in force, and what it leaves out"
            )
        return took * events / max(events - first, 1)
    finally:
        await log.stop()
        await database.close()
        await part.stop()
