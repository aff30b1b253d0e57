"""Creates topics idempotently. Never changes or deletes one: the log is append-only and kept for ever."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Iterable
from typing import Any, TypeVar

from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.errors import (
    ClusterAuthorizationFailedError,
    InvalidReplicationFactorError,
    KafkaError,
    PolicyViolationError,
    TopicAlreadyExistsError,
    TopicAuthorizationFailedError,
    for_code,
)

from mlc_common.brokers import access_of
from mlc_common.errors import ConfigurationError, ServerUnreachable
from mlc_common.events.topics import MESSAGE_LIMIT, PARTITIONS
from mlc_common.log.access import client_options

RECORD_LIMIT = MESSAGE_LIMIT + 1024 * 1024
"""Bytes of a whole record: a value at the message limit and its headers."""

_CONFIG = {
    "retention.ms": "-1",
    "retention.bytes": "-1",
    "cleanup.policy": "delete",
    "max.message.bytes": str(RECORD_LIMIT),
}

AnswerT = TypeVar("AnswerT")

_LAST_S = 2.0
"""How long an exchange may go on after somebody cancelled it."""

_CONNECT_S = 15.0
"""How long the first answer of a broker may take."""

_ADVICE: dict[type[KafkaError], str] = {
    InvalidReplicationFactorError: "set MLC_KAFKA_REPLICATION to the number of brokers at the most",
    TopicAuthorizationFailedError: "allow our user to create topics with the tenant's prefix",
    ClusterAuthorizationFailedError: "allow our user to create topics with the tenant's prefix",
    PolicyViolationError: "the cluster has a policy for topics; let these pass",
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
        ConfigurationError: the address is none, or the broker refuses to create a topic.
        ServerUnreachable: no broker answers.
    """
    config = _CONFIG | ({"min.insync.replicas": "2"} if replication >= 3 else {})
    wanted = [NewTopic(name, partitions, replication, topic_configs=config) for name in topics]
    for topic, code, *rest in await _whole(_create(bootstrap, wanted)):
        error = for_code(code)
        if code and error is not TopicAlreadyExistsError:
            said = " ".join(str(each) for each in rest if each)
            advice = _ADVICE.get(error, "see the broker's log")
            raise ConfigurationError(f"Kafka refuses to create the topic {topic}: {said or error.__name__}; {advice}")


async def _whole(act: Coroutine[Any, Any, AnswerT]) -> AnswerT:
    """Let a short exchange end before a cancellation takes effect: cut in the middle, aiokafka leaves a socket open."""
    task = asyncio.create_task(act)
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        await asyncio.wait({task}, timeout=_LAST_S)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        raise


async def _create(bootstrap: str, wanted: list[NewTopic]) -> list[tuple[Any, ...]]:
    admin = AIOKafkaAdminClient(**client_options(bootstrap))
    try:
        await _start(admin, bootstrap)
        return await _ask(admin, bootstrap, wanted)
    finally:
        await admin.close()


async def _start(admin: AIOKafkaAdminClient, bootstrap: str) -> None:
    try:
        async with asyncio.timeout(_CONNECT_S):
            await admin.start()
    except ValueError:
        raise ConfigurationError(
            "KAFKA_BOOTSTRAP_SERVERS is no list of brokers; write host:port, several separated by commas"
        ) from None
    except (KafkaError, OSError) as error:
        # What exactly failed is in the client's own log: it tries every broker of the list.
        why = "no answer in time" if isinstance(error, TimeoutError) else "no broker answers there"
        signing = access_of(bootstrap).protocol != "PLAINTEXT"
        raise ServerUnreachable(
            f"Kafka at {bootstrap} cannot be reached ({why}{' or lets us in' if signing else ''}); "
            "see that it runs, and that KAFKA_BOOTSTRAP_SERVERS names it"
            + ("; check MLC_KAFKA_USER, MLC_KAFKA_PASSWORD and MLC_KAFKA_CA_FILE" if signing else "")
        ) from None


async def _ask(admin: AIOKafkaAdminClient, bootstrap: str, wanted: list[NewTopic]) -> list[tuple[Any, ...]]:
    try:
        found: list[tuple[Any, ...]] = (await admin.create_topics(wanted)).topic_errors
    except (KafkaError, OSError) as error:
        raise ServerUnreachable(
            f"Kafka at {bootstrap} answers, but not under the address that it gives for itself "
            f"({type(error).__name__}); see the brokers' advertised.listeners"
        ) from None
    return found
