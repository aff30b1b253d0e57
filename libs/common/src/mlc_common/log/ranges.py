"""Reads chosen ranges of the log over one connection: where partitions begin and end, a range, one record.

Never commits anything and belongs to no group; reading again is always possible. Memory is bounded by one fetch.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import datetime
from types import TracebackType
from typing import Self

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaError

from mlc_common.errors import Retryable
from mlc_common.log.access import client_options
from mlc_common.log.admin import RECORD_LIMIT
from mlc_common.log.records import Record

_FETCH_WAIT_MS = 20
"""The broker answers one client's requests in turn: a fetch that waits for news would hold up every other question."""

_WAIT_MS = 1000
_PATIENCE = 30
"""How often in a row a fetch may bring nothing before the log counts as gone."""

_MOST_RECORDS = 1000


class LogRanges:
    """A reader of ranges; an async context manager, used by one task at a time.

    Args:
        bootstrap: ``host:port[,host:port]``.
        fetch_bytes: How much is fetched at a time; a record that is larger comes all the same.
    """

    def __init__(self, bootstrap: str, *, fetch_bytes: int = RECORD_LIMIT) -> None:
        self._consumer = AIOKafkaConsumer(
            **client_options(bootstrap),
            enable_auto_commit=False,
            auto_offset_reset="earliest",
            max_partition_fetch_bytes=fetch_bytes,
            fetch_max_wait_ms=_FETCH_WAIT_MS,
        )
        self._known: dict[str, list[TopicPartition]] = {}
        self._ends: dict[TopicPartition, int] = {}

    async def __aenter__(self) -> Self:
        try:
            await self._consumer.start()
        except KafkaError as error:
            await self._consumer.stop()
            raise Retryable(f"the log cannot be read: {type(error).__name__}; see that Kafka runs") from error
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None
    ) -> None:
        await self._consumer.stop()

    async def ends(self, topic: str) -> dict[int, int]:
        """The offset of the next record of each partition; empty where there is no such topic."""
        return {at.partition: end for at, end in (await self._asked_ends(await self._parts(topic))).items()}

    async def offsets_at(self, topic: str, instant: datetime) -> dict[int, int]:
        """The first offset of each partition that the log took at ``instant`` or later; its end where none is."""
        parts, ms = await self._parts(topic), int(instant.timestamp() * 1000)
        ends = await self.ends(topic)
        found = await self._consumer.offsets_for_times(dict.fromkeys(parts, ms)) if parts else {}
        return {at.partition: place.offset if place else ends[at.partition] for at, place in found.items()}

    async def records(self, topic: str, part: int, since: int, until: int) -> AsyncIterator[Record]:
        """The records of a partition from ``since`` to before ``until`` or the end as it is now, in order.

        Raises:
            Retryable: the broker does not answer.
        """
        at = TopicPartition(topic, part)
        if at not in await self._parts(topic):
            return
        if until > self._ends.get(at, 0):
            until = min(until, (await self._asked_ends([at]))[at])
        if since >= until:
            return
        self._consumer.assign([at])
        self._consumer.seek(at, since)
        silent = 0
        while await self._consumer.position(at) < until:
            fetched = await self._consumer.getmany(at, timeout_ms=_WAIT_MS, max_records=_MOST_RECORDS)
            silent = 0 if fetched else silent + 1
            if silent == _PATIENCE:
                raise Retryable(f"the log gave nothing of {topic}/{part} for {_PATIENCE} seconds; see that Kafka runs")
            for record in fetched.get(at, ()):
                if record.offset < until:
                    yield Record.of(record)
        self._consumer.pause(at)

    async def record(self, topic: str, part: int, offset: int) -> Record | None:
        """The record at this place; None where there is none."""
        async for record in self.records(topic, part, offset, offset + 1):
            if record.offset == offset:
                return record
        return None

    async def _asked_ends(self, parts: list[TopicPartition]) -> dict[TopicPartition, int]:
        ends = {at: int(end) for at, end in (await self._consumer.end_offsets(parts)).items()} if parts else {}
        self._ends |= ends
        return ends

    async def _parts(self, topic: str) -> list[TopicPartition]:
        if topic not in self._known:
            # The public `topics()` asks and forgets; only this makes the client know the topic's partitions.
            await self._consumer._client.set_topics([topic])
            parts = sorted(self._consumer.partitions_for_topic(topic) or ())
            self._known[topic] = [TopicPartition(topic, part) for part in parts]
        return self._known[topic]
