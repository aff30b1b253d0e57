"""Appends events to the log: acks=all, idempotent, chunked above the message limit, traces carried along.

``publish`` returns only after the broker acknowledged. Kafka transactions are not used (architecture §2).
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from types import TracebackType
from typing import NamedTuple, Self

from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError
from aiokafka.structs import RecordMetadata

from mlc_common.errors import Retryable
from mlc_common.events import codec
from mlc_common.events.envelope import Appendable, Envelope
from mlc_common.events.topics import MESSAGE_LIMIT
from mlc_common.log.admin import RECORD_LIMIT
from mlc_common.log.partitioner import partition_of

_BATCH_BYTES = 1024 * 1024
"""What is waiting for one partition goes in one batch up to here; the default of 16 kB holds five orders."""

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
        self._producer = AIOKafkaProducer(
            bootstrap_servers=bootstrap,
            client_id=client_id,
            acks="all",
            enable_idempotence=True,
            max_request_size=RECORD_LIMIT,
            max_batch_size=_BATCH_BYTES,
            partitioner=partition_of,
            request_timeout_ms=int(request_timeout_s * 1000),
            linger_ms=linger_ms,
        )

    async def __aenter__(self) -> Self:
        try:
            await self._producer.start()
        except BaseException:
            await self._producer.stop()
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None
    ) -> None:
        stopping = asyncio.create_task(self._producer.stop())
        done, _ = await asyncio.wait({stopping}, timeout=_STOP_S)
        if done:
            stopping.result()
        else:
            await self._abandon(stopping)

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
        try:
            if isinstance(event, Envelope) and len(event.data) > MESSAGE_LIMIT:
                event = await self._in_parts(topic, event)
            waiting = await self._producer.send(topic, value=event.data, key=event.key, headers=event.headers())
            metadata = await waiting
        except (KafkaError, TimeoutError, OSError) as error:
            raise Retryable(f"the log did not acknowledge: {type(error).__name__}") from error
        return Appended(metadata.topic, metadata.partition, metadata.offset)

    async def publish_all(self, batch: Sequence[tuple[str, Envelope]]) -> list[Appended]:
        """Append events in order per key and wait until all are acknowledged.

        Raises:
            Retryable: at least one was not acknowledged; appending all of them again is safe.
        """
        try:
            waiting = [await self._send(topic, envelope) for topic, envelope in batch]
            return [_appended(metadata) for metadata in await asyncio.gather(*waiting)]
        except (KafkaError, TimeoutError, OSError) as error:
            raise Retryable(f"the log did not acknowledge: {type(error).__name__}") from error

    async def _abandon(self, stopping: asyncio.Task[None]) -> None:
        """Stop without what waits: while the broker is away, an idempotent producer would try for ever to append it."""
        sending = self._producer._sender.sender_task
        for task in (stopping, sending):
            task.cancel()
        await asyncio.wait({stopping, sending}, timeout=_STOP_S)
        await self._producer.client.close()

    async def _send(self, topic: str, envelope: Envelope) -> asyncio.Future[RecordMetadata]:
        if len(envelope.data) > MESSAGE_LIMIT:
            envelope = await self._in_parts(topic, envelope)
        waiting: asyncio.Future[RecordMetadata] = await self._producer.send(
            topic, value=envelope.data, key=envelope.key, headers=envelope.headers()
        )
        return waiting

    async def _in_parts(self, topic: str, envelope: Envelope) -> Envelope:
        """Append the chunks of a value that is above the limit; what is left to append."""
        parts = codec.chunks(envelope, MESSAGE_LIMIT)
        offsets = [(await (await self._send(topic, part))).offset for part in parts]
        return codec.manifest(envelope, offsets)


def _appended(metadata: RecordMetadata) -> Appended:
    return Appended(metadata.topic, metadata.partition, metadata.offset)
