"""Wires the auditor: consumers of every topic, also of those of commands that come later, and the checkpoints.

It also appends what a command left in the outbox because the broker was away (``mlc_common.audit.telling``).
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from functools import partial

from mlc_auditor.checkpoints import Checkpoints
from mlc_auditor.index import AuditIndex
from mlc_auditor.settings import AuditorSettings
from mlc_common.audit import CONSUMER
from mlc_common.audit.telling import PRODUCER
from mlc_common.log import ensure_topics
from mlc_common.log.consumer import LogConsumer
from mlc_common.runtime import Runtime
from mlc_common.settings import load
from mlc_common.store import mappings
from mlc_common.store.publisher import Publisher
from mlc_common.supervision import Supervisor

_LOOK_S = 5.0
"""How often is looked whether a command left something; seldom, because the command appends it where it can."""


async def run(runtime: Runtime) -> None:
    """Index and sign until cancelled."""
    settings = load(AuditorSettings)
    joined = asyncio.Event()
    runtime.checks[CONSUMER] = partial(_is_set, joined)

    async def wanted() -> Mapping[str, str]:
        return {erp: runtime.topics.commands(erp) for erp in await mappings.erps(runtime.pool)}

    async def serve(erp: str, topic: str) -> None:
        brokers = runtime.settings.kafka_bootstrap_servers
        await ensure_topics(brokers, [topic], replication=runtime.settings.kafka_replication)
        await _consumer(runtime, [topic], f"{CONSUMER}-{erp}").run()

    try:
        async with asyncio.TaskGroup() as group:
            group.create_task(_consumer(runtime, runtime.topics.all(), CONSUMER).run(joined))
            group.create_task(Supervisor(wanted, serve, runtime.clock).run())
            group.create_task(Publisher(runtime.pool, runtime.log, PRODUCER, runtime.clock, idle_s=_LOOK_S).run())
            group.create_task(Checkpoints(runtime, settings.auditor_checkpoint_seconds).run())
    finally:
        del runtime.checks[CONSUMER]


def _consumer(runtime: Runtime, topics: Sequence[str], group: str) -> LogConsumer:
    return LogConsumer(
        runtime.settings.kafka_bootstrap_servers,
        topics,
        group=f"{runtime.topics.tenant}.{group}",
        handler=AuditIndex(runtime.pool, runtime.topics.tenant),
        clock=runtime.clock,
        metrics=runtime.metrics,
        session_s=runtime.settings.kafka_session_seconds,
        max_poll_s=runtime.settings.kafka_max_poll_seconds,
    )


async def _is_set(event: asyncio.Event) -> bool:
    return event.is_set()
