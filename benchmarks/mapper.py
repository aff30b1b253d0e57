"""The mapper beside a bare aiokafka consumer of the same topic: events per second, and their ratio."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import asyncpg
from aiokafka import AIOKafkaConsumer

from benchmarks.orders import bodies
from mlc_cli.rehearsal import STORE, Rehearsal
from mlc_common.accounting import digest, event_id
from mlc_common.clock import SystemClock
from mlc_common.events import RAW_WEBHOOK, Envelope, Topics, order_subject
from mlc_common.log import LogProducer

_PATIENCE_S = 180.0


async def measure(rig: Rehearsal, events: int, *, first: int) -> dict[str, Any]:
    """Fill the raw topic with webhooks of different orders, then time the mapper and a bare consumer over them."""
    topics = Topics(rig.environment["MLC_TENANT"])
    brokers = rig.environment["KAFKA_BOOTSTRAP_SERVERS"]
    await _fill(brokers, topics, events, first)
    bare = await _bare(brokers, topics.raw_orders, events)
    ours = await _mapper(rig, topics.raw_orders, events)
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


async def _mapper(rig: Rehearsal, topic: str, events: int) -> float:
    """Seconds from the mapper's first stored batch to its last."""
    part = rig.part("mapper")
    database = await asyncpg.connect(rig.environment["DATABASE_URL"])
    query = """
        select coalesce(sum(next_offset), 0)::bigint from consumer_positions where consumer = 'mapper' and topic = $1
    """
    try:
        await part.start()
        first_at, first_seen = 0.0, 0
        async with asyncio.timeout(_PATIENCE_S):
            while (seen := await database.fetchval(query, topic)) < events:
                if seen and not first_at:
                    first_at, first_seen = time.perf_counter(), seen
                await asyncio.sleep(0.02)
        took = time.perf_counter() - first_at
        return took * events / max(events - first_seen, 1)
    finally:
        await database.close()
        await part.stop()
