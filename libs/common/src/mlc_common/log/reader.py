"""Reads the log by offsets, without a consumer group: projections, replay, chunked values, tests.

Never commits anything; reading again is always possible and changes nothing.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaError

from mlc_common.errors import Retryable, Undecodable
from mlc_common.events import codec
from mlc_common.events.envelope import Envelope
from mlc_common.log.access import client_options
from mlc_common.log.admin import RECORD_LIMIT
from mlc_common.log.records import Record


@asynccontextmanager
async def _consumer(bootstrap: str) -> AsyncIterator[AIOKafkaConsumer]:
    consumer = AIOKafkaConsumer(
        **client_options(bootstrap),
        enable_auto_commit=False,
        auto_offset_reset="earliest",
        max_partition_fetch_bytes=RECORD_LIMIT,
    )
    try:
        await consumer.start()  # in here: one that did not come up has tasks, too
        yield consumer
    finally:
        await consumer.stop()


async def read_topic(
    bootstrap: str, topic: str, *, since: Mapping[int, int] | None = None, until: Mapping[int, int] | None = None
) -> AsyncIterator[Record]:
    """All records of ``topic`` up to its end at the time of the call, partition by partition, each in order.

    Args:
        bootstrap: ``host:port[,host:port]``.
        topic: The topic.
        since: First offset per partition; from the beginning where not given.
        until: Offset per partition to stop before; to the end where not given.
    """
    async with _consumer(bootstrap) as consumer:
        # The public `topics()` asks and forgets; only this makes the client know the topic's partitions.
        await consumer._client.set_topics([topic])
        partitions = [TopicPartition(topic, p) for p in sorted(consumer.partitions_for_topic(topic) or ())]
        ends = await consumer.end_offsets(partitions)
        begins = await consumer.beginning_offsets(partitions)
        for partition in partitions:
            start = max((since or {}).get(partition.partition, 0), begins[partition])
            end = min(ends[partition], (until or {}).get(partition.partition, ends[partition]))
            if start >= end:
                continue
            consumer.assign([partition])
            consumer.seek(partition, start)
            while start < end:
                record = await consumer.getone(partition)
                start = record.offset + 1
                yield Record.of(record)


async def in_batches(records: AsyncIterator[Record], most: int) -> AsyncIterator[list[Record]]:
    """These records, as they come, by up to ``most`` of one partition at a time."""
    batch: list[Record] = []
    async for record in records:
        if batch and (len(batch) == most or batch[0].partition != record.partition):
            yield batch
            batch = []
        batch.append(record)
    if batch:
        yield batch


async def whole(bootstrap: str, topic: str, partition: int, envelope: Envelope) -> Envelope:
    """The event with its value, where that was chunked; the event itself otherwise.

    Raises:
        Undecodable: the chunks are not there or not what was split.
        Retryable: the broker cannot be reached.
    """
    try:
        offsets = codec.chunk_offsets(envelope)
    except ValueError:
        raise Undecodable("the list of chunks is no list of offsets") from None
    if not offsets:
        return envelope
    try:
        async with _consumer(bootstrap) as consumer:
            parts = [await _chunk(consumer, TopicPartition(topic, partition), offset) for offset in offsets]
    except KafkaError as error:
        raise Retryable(f"the chunks of {topic}/{partition} cannot be read: {type(error).__name__}") from error
    return codec.join(envelope, parts)


async def _chunk(consumer: AIOKafkaConsumer, at: TopicPartition, offset: int) -> bytes:
    consumer.assign([at])
    if offset < (await consumer.end_offsets([at]))[at]:  # reading behind the end would wait for ever
        consumer.seek(at, offset)
        record = await consumer.getone(at)
        if record.offset == offset and record.value is not None:
            return bytes(record.value)
    raise Undecodable(f"chunk at {at.topic}/{at.partition}/{offset} is gone")


async def ends_of(bootstrap: str, topic: str) -> dict[int, int]:
    """Where each partition of a topic ends now: the offset of the next record."""
    async with _consumer(bootstrap) as consumer:
        await consumer._client.set_topics([topic])
        partitions = [TopicPartition(topic, p) for p in sorted(consumer.partitions_for_topic(topic) or ())]
        ends = await consumer.end_offsets(partitions)
        return {at.partition: int(end) for at, end in ends.items()}
