"""Appends to the log at once what a command has put into the outbox, where the broker answers.

Nobody waits for it: where the broker is away, the auditor appends it when both are there.
"""

from __future__ import annotations

import asyncio

from mlc_common.audit.telling import PRODUCER
from mlc_common.errors import ConfigurationError, Retryable
from mlc_common.log import LogProducer, ensure_topics
from mlc_common.runtime import Records
from mlc_common.store.outbox import is_empty, publish_pending
from mlc_common.store.pool import UNAVAILABLE

PATIENCE_S = 15.0
"""A command whose work is done ends soon, whatever the broker does; one that refuses is known in two seconds."""


NOT_TOLD = "Kafka does not answer: the auditor tells this to the log later."


async def told(records: Records, within_s: float = PATIENCE_S) -> bool:
    """Whether nothing waits any more."""
    if await is_empty(records.pool, PRODUCER, 0):
        return True
    brokers = records.settings.kafka_bootstrap_servers
    try:
        async with asyncio.timeout(within_s):
            await ensure_topics(brokers, [records.topics.audit], replication=records.settings.kafka_replication)
            async with LogProducer(brokers, client_id=records.owner) as log:
                await publish_pending(records.pool, log, PRODUCER, [0])
    except (ConfigurationError, Retryable, *UNAVAILABLE):
        return False
    return True
