"""Wires the mapper: consumer of raw and control, the decisions, replays, the outbox, checkpoints."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

from mlc_common.accounting import event_id
from mlc_common.events import MapperCheckpoint, encode
from mlc_common.log.consumer import LogConsumer
from mlc_common.runtime import Runtime
from mlc_common.settings import load
from mlc_common.store.publisher import Publisher
from mlc_mapper import store
from mlc_mapper.catching_up import catch_up
from mlc_mapper.handler import MapperHandler
from mlc_mapper.replays.turns import Turns
from mlc_mapper.replays.worker import Replays
from mlc_mapper.settings import MapperSettings

_CHECKPOINT_EVERY_S = 5.0


async def run(runtime: Runtime) -> None:
    """Map until cancelled."""
    settings = load(MapperSettings)
    topics, brokers = runtime.topics, runtime.settings.kafka_bootstrap_servers
    publisher = Publisher(runtime.pool, runtime.log, store.CONSUMER, runtime.clock)
    replays = Replays(
        runtime.pool,
        topics,
        runtime.clock,
        runtime.metrics,
        brokers=brokers,
        turns=Turns(runtime.pool, runtime.owner, settings.mapper_lease_seconds),
        wake=publisher.wake,
    )
    handler = MapperHandler(
        runtime.pool,
        topics,
        runtime.metrics,
        brokers=brokers,
        own=publisher.own,
        wake=publisher.wake,
        asked=replays.wake,
        behind=replays.look_for_old_states,
    )
    consumer = LogConsumer(
        brokers,
        [topics.raw_orders, topics.control],
        group=f"{topics.tenant}.{store.CONSUMER}",
        handler=handler,
        clock=runtime.clock,
        metrics=runtime.metrics,
        session_s=runtime.settings.kafka_session_seconds,
        max_poll_s=runtime.settings.kafka_max_poll_seconds,
    )

    async def consume() -> None:
        await catch_up(handler, brokers, topics.control, runtime.clock)
        await consumer.run()

    async with asyncio.TaskGroup() as group:
        group.create_task(consume())
        group.create_task(replays.run())
        group.create_task(publisher.run(after=Checkpoints(runtime).tell))


class Checkpoints:
    """Says on the audit topic how far every command is in the log: where a rebuild may go on from."""

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime
        self._told: Mapping[int, int] = {}
        self._at = float("-inf")

    async def tell(self) -> None:
        """Append a checkpoint when there is a new one and the last is some seconds old."""
        runtime = self._runtime
        now = runtime.clock.monotonic()
        if now - self._at < _CHECKPOINT_EVERY_S:
            return
        self._at = now
        offsets = await store.acknowledged(runtime.pool, runtime.topics.raw_orders)
        if offsets == self._told:
            return
        at = runtime.clock.now()
        event = MapperCheckpoint(topic=runtime.topics.raw_orders, offsets=offsets, at=at)
        named = ",".join(f"{part}:{offset}" for part, offset in sorted(offsets.items()))
        envelope = encode(
            event,
            event_id=event_id("mapper-checkpoint", named),
            subject="mapper:checkpoint:raw",
            source=f"/{runtime.topics.tenant}/mapper",
            time=at,
        )
        await runtime.log.publish(runtime.topics.audit, envelope)
        self._told = offsets
