"""Appends events to the log: acks=all, idempotent, chunked above the message limit, traces carried along.

``publish`` returns only after the broker acknowledged. Kafka transactions are not used (architecture §2). An idempotent
producer that lost its sequence, as happens when the broker is away for longer than a request may take, never appends
anything again: it is replaced by a new one.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from functools import partial
from types import TracebackType
from typing import NamedTuple, Self

import structlog
from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError, KafkaTimeoutError, MessageSizeTooLargeError
from aiokafka.structs import RecordMetadata

from mlc_common.errors import Retryable
from mlc_common.events import codec
from mlc_common.events.envelope import Appendable, Envelope
from mlc_common.events.topics import MESSAGE_LIMIT
from mlc_common.log.access import client_options
from mlc_common.log.admin import RECORD_LIMIT
from mlc_common.log.partitioner import partition_of

_log = structlog.get_logger(__name__)

_BATCH_BYTES = 1024 * 1024
"""What is waiting for one partition goes in one batch up to here; the default of 16 kB holds five orders."""

_METADATA_AGAIN_S = 0.2
"""aiokafka asks a broker that refuses connections again at once, thousands of times a second, as of 0.14."""

_STOP_S = 5.0
"""How long the end waits for acknowledgements that are still out."""


class Appended(NamedTuple):
    """Where an event lies."""

    topic: str
    partition: int
    offset: int


class LogProducer:
    """One producer of a process; an async context manager."""

    def __init__(self, bootstrap: str, *, client_id: str, request_timeout_s: float = 10.0, linger_ms: int = 0) -> None:
        self._make = partial(
            AIOKafkaProducer,
            **client_options(bootstrap),
            client_id=client_id,
            acks="all",
            enable_idempotence=True,
            max_request_size=RECORD_LIMIT,
            max_batch_size=_BATCH_BYTES,
            partitioner=partition_of,
            request_timeout_ms=int(request_timeout_s * 1000),
            linger_ms=linger_ms,
        )
        self._producer = self._make()
        self._renewing = asyncio.Lock()
        self._replaced: dict[asyncio.Task[None], AIOKafkaProducer] = {}

    async def __aenter__(self) -> Self:
        await _started(self._producer)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None
    ) -> None:
        stopping = asyncio.create_task(self._producer.stop())
        done, waiting = await asyncio.wait({stopping, *self._replaced}, timeout=_STOP_S)
        for task in waiting:
            await _abandon(self._replaced.get(task, self._producer), task)
        for task in done:
            task.result()

    async def reachable(self, within_s: float = 3.0) -> bool:
        """Whether a broker answers now."""
        try:
            async with asyncio.timeout(within_s):
                return bool(await self._producer.client.force_metadata_update())
        except (KafkaError, TimeoutError, OSError):
            return False

    async def publish(self, topic: str, event: Appendable) -> Appended:
        """Append one event and wait for the broker's acknowledgement.

        Raises:
            Retryable: the broker did not acknowledge; the event may or may not be there (its id tells a second copy).
        """
        producer = self._producer
        try:
            if isinstance(event, Envelope) and len(event.data) > MESSAGE_LIMIT:
                event = await _in_parts(producer, topic, event)
            waiting = await producer.send(topic, value=event.data, key=event.key, headers=event.headers())
            metadata = await waiting
        except (KafkaError, TimeoutError, OSError) as error:
            await self._renew_if_useless(producer, error)
            raise Retryable(f"the log did not acknowledge: {type(error).__name__}") from error
        return Appended(metadata.topic, metadata.partition, metadata.offset)

    async def publish_all(self, batch: Sequence[tuple[str, Envelope]]) -> list[Appended]:
        """Append events in order per key and wait until all are acknowledged.

        Raises:
            Retryable: at least one was not acknowledged; appending all of them again is safe.
        """
        producer = self._producer
        try:
            waiting = [await _send(producer, topic, envelope) for topic, envelope in batch]
            return [_appended(metadata) for metadata in await asyncio.gather(*waiting)]
        except (KafkaError, TimeoutError, OSError) as error:
            await self._renew_if_useless(producer, error)
            raise Retryable(f"the log did not acknowledge: {type(error).__name__}") from error

    async def _renew_if_useless(self, used: AIOKafkaProducer, error: Exception) -> None:
        """Replace a producer that will never append anything again; what it still has will fail and be sent anew."""
        if not is_final(error):
            return
        async with self._renewing:
            if used is not self._producer:
                return
            try:
                fresh = await _started(self._make())
            except (KafkaError, OSError, TimeoutError) as away:
                _log.warning("producer.not_renewed", error=type(away).__name__)
                return  # whoever publishes next tries again
            _log.warning("producer.renewed", error=type(error).__name__)
            self._producer = fresh
            self._replaced[asyncio.create_task(used.stop())] = used


def is_final(error: BaseException | None) -> bool:
    """Whether the producer will never append anything again: out of sequence, fenced, its sender dead."""
    passing = (KafkaTimeoutError, MessageSizeTooLargeError)
    return isinstance(error, KafkaError) and not error.retriable and not isinstance(error, passing)


async def _started(producer: AIOKafkaProducer) -> AIOKafkaProducer:
    _pace(producer)
    try:
        await producer.start()
    except BaseException:
        await producer.stop()
        raise
    return producer


def _pace(producer: AIOKafkaProducer) -> None:
    """Make the producer wait a little after it asked in vain where the partitions are."""
    client = producer.client
    update = client._metadata_update

    async def paced(*args: object) -> bool:
        updated: bool = await update(*args)
        if not updated:
            await asyncio.sleep(_METADATA_AGAIN_S)
        return updated

    client._metadata_update = paced


async def _abandon(producer: AIOKafkaProducer, stopping: asyncio.Task[None]) -> None:
    """Stop without what waits: while the broker is away, an idempotent producer would try for ever to append it."""
    sending = producer._sender.sender_task
    for task in (stopping, sending):
        task.cancel()
    await asyncio.wait({stopping, sending}, timeout=_STOP_S)
    await producer.client.close()


async def _send(producer: AIOKafkaProducer, topic: str, envelope: Envelope) -> asyncio.Future[RecordMetadata]:
    if len(envelope.data) > MESSAGE_LIMIT:
        envelope = await _in_parts(producer, topic, envelope)
    waiting: asyncio.Future[RecordMetadata] = await producer.send(
        topic, value=envelope.data, key=envelope.key, headers=envelope.headers()
    )
    return waiting


async def _in_parts(producer: AIOKafkaProducer, topic: str, envelope: Envelope) -> Envelope:
    """Append the chunks of a value that is above the limit; what is left to append."""
    parts = codec.chunks(envelope, MESSAGE_LIMIT)
    offsets = [(await (await _send(producer, topic, part))).offset for part in parts]
    return codec.manifest(envelope, offsets)


def _appended(metadata: RecordMetadata) -> Appended:
    return Appended(metadata.topic, metadata.partition, metadata.offset)
