"""Creates topics idempotently. Never changes or deletes one: the log is append-only and kept for ever."""

from __future__ import annotations

from collections.abc import Iterable

from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.errors import TopicAlreadyExistsError, for_code

from mlc_common.errors import ConfigurationError
from mlc_common.events.topics import MESSAGE_LIMIT, PARTITIONS

RECORD_LIMIT = MESSAGE_LIMIT + 1024 * 1024
"""Bytes of a whole record: a value at the message limit and its headers."""

_CONFIG = {
    "retention.ms": "-1",
    "retention.bytes": "-1",
    "cleanup.policy": "delete",
    "max.message.bytes": str(RECORD_LIMIT),
}


async def ensure_topics(
    bootstrap: str, topics: Iterable[str], *, replication: int = 1, partitions: int = PARTITIONS
) -> None:
    """Create what is missing; what exists is left as it is.

    Args:
        bootstrap: ``host:port[,host:port]``.
        topics: Names, see ``mlc_common.events.topics``.
        replication: 3 in production (with ``min.insync.replicas`` 2), 1 on one node.
        partitions: Fixed for a topic's life.

    Raises:
        ConfigurationError: the broker refuses to create a topic.
    """
    config = _CONFIG | ({"min.insync.replicas": "2"} if replication >= 3 else {})
    wanted = [NewTopic(name, partitions, replication, topic_configs=config) for name in topics]
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
    await admin.start()
    try:
        answer = await admin.create_topics(wanted)
    finally:
        await admin.close()
    for topic, code, *rest in answer.topic_errors:
        error = for_code(code)
        if code and error is not TopicAlreadyExistsError:
            raise ConfigurationError(f"the broker refused to create topic {topic}: {error.__name__} {rest or ''}")
