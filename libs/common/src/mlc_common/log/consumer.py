"""Consumes topics by positions kept in PostgreSQL: the one place where FastStream meets the log.

The handler gets batches of one partition and must store its effects and the next position in one transaction. Nothing
is acknowledged to Kafka for correctness; commits only show lag. A lost database or broker is waited out here, without
leaving the group; a handler that was overtaken is sent back to where the position stands (architecture §2). Anything
unexpected ends ``LogConsumer.run`` loudly: FastStream by itself would log it and read on. What was read and never
handed over is read again.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from itertools import count, groupby
from typing import Any, Protocol

import structlog
from aiokafka import ConsumerRebalanceListener, TopicPartition
from aiokafka.errors import KafkaError
from faststream import AckPolicy
from faststream.kafka import KafkaBroker, KafkaMessage

from mlc_common.clock import Clock
from mlc_common.errors import ConfigurationError, Retryable
from mlc_common.log import stopping
from mlc_common.log.access import broker_security
from mlc_common.log.admin import RECORD_LIMIT
from mlc_common.log.reader import ends_of
from mlc_common.log.records import Record
from mlc_common.store.pool import UNAVAILABLE
from mlc_common.store.positions import Overtaken
from mlc_common.telemetry import MetricsRegistry

_log = structlog.get_logger(__name__)

_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 0.2, 10.0
_COMMIT_EVERY_S = 5.0
LOOK_BACK_S = 5.0
"""How often is looked whether something was read and never handed over."""

_LOOKS_AT_THE_END = 6
"""Every how many of these the end of the log is asked for; twice without progress, and the reading begins anew."""

_LOOKS_AT_A_SHORT_LOG = 10
"""After so many, half a minute, it is short for good."""

_START_WITHIN_S, _ANEW_WITHIN_S, _END_WITHIN_S = 120.0, 10.0, 30.0
"""How long the client library may take to join its group, to leave it when it stands still, and at the end (where a
batch at work has half of it): a task of its own that ended without a word would make it wait for ever."""

_COMMIT_WITHIN_S, _LOOK_WITHIN_S = 2.0, 30.0

_POLL_MS = 200
_HEARTBEATS = 3.3  # within one session, so that one that is lost costs no partition
_MOST_RECORDS = 500


class _Pauses:
    """Each twice as long as the one before, up to a limit."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._next = _FIRST_PAUSE_S

    async def pause(self) -> None:
        await self._clock.sleep(self._next)
        self._next = min(self._next * 2, _LONGEST_PAUSE_S)


class Handler(Protocol):
    """Where batches go."""

    async def position(self, topic: str, partition: int) -> int:
        """The next offset to read."""
        ...

    async def assigned(self, partitions: Sequence[tuple[str, int]]) -> None:
        """These topics' partitions, and no others, are ours from now on."""
        ...

    async def handle(self, topic: str, partition: int, records: Sequence[Record]) -> None:
        """Store the effects of ``records`` (in order, of one partition) and the next position, in one transaction.

        Raises:
            Overtaken: another worker moved the position.
            Retryable: try the same records again.
        """
        ...


async def _as_it_is(message: Any) -> Any:
    """FastStream would decode JSON; values are read by the codec alone."""
    return message.body


class LogConsumer(ConsumerRebalanceListener):  # type: ignore[misc] # aiokafka publishes no types
    """One consumer group's reading of some topics, until cancelled."""

    def __init__(
        self,
        bootstrap: str,
        topics: Sequence[str],
        *,
        group: str,
        handler: Handler,
        clock: Clock,
        metrics: MetricsRegistry | None = None,
        session_s: float = 10.0,
        max_poll_s: float = 300.0,
    ) -> None:
        self._handler = handler
        self._group = group
        self._metrics = metrics
        self._clock = clock
        self._failed: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._sought: dict[TopicPartition, int] = {}
        self._stands: dict[TopicPartition, int] = {}
        self._batches, self._at_work = 0, False
        self._behind: tuple[int, dict[TopicPartition, int]] = (0, {})
        self._bootstrap = bootstrap
        self._committed_at = clock.monotonic()
        self._ready: asyncio.Event | None = None
        self._broker = KafkaBroker(
            bootstrap,
            security=broker_security(bootstrap),
            consumer_only=True,
            allow_auto_create_topics=False,
            logger=None,
            client_id=group,
        )
        self._subscriber = self._broker.subscriber(
            *topics,
            group_id=group,
            batch=True,
            ack_policy=AckPolicy.MANUAL,
            auto_offset_reset="earliest",
            batch_timeout_ms=_POLL_MS,
            max_records=_MOST_RECORDS,
            max_partition_fetch_bytes=RECORD_LIMIT,
            session_timeout_ms=int(session_s * 1000),
            max_poll_interval_ms=int(max_poll_s * 1000),
            heartbeat_interval_ms=int(session_s * 1000 / _HEARTBEATS),
            listener=self,
            decoder=_as_it_is,
        )
        self._subscriber(self._on_batch)

    async def run(self, ready: asyncio.Event | None = None) -> None:
        """Read until cancelled.

        Args:
            ready: Set once the group has been joined.

        Raises:
            Exception: whatever the handler raised unexpectedly.
        """
        self._ready = ready
        try:
            await self._until_started()
            watching = asyncio.create_task(self._watch())
            try:
                await self._failed
            finally:
                watching.cancel()
                await asyncio.gather(watching, return_exceptions=True)
        finally:
            await self._stop(_END_WITHIN_S)

    async def _until_started(self) -> None:
        pauses = _Pauses(self._clock)
        while True:
            try:
                async with asyncio.timeout(_START_WITHIN_S):
                    await self._broker.start()
            except (KafkaError, TimeoutError) as error:
                _log.warning("consumer.waiting_for_broker", error=type(error).__name__)
                await self._stop(_ANEW_WITHIN_S)
                await pauses.pause()
            else:
                return

    async def _watch(self) -> None:
        """Go back to where the handler stands, where the client library has gone past it without handing anything over.

        It moves on when it takes records out of its buffer. An error in that very moment, as a broker that crashed may
        cause, loses them: the next record of the partition would show it, and there may be none for days. And begin the
        reading anew where the client stands still for whatever reason of its own while the log has more.
        """
        before: tuple[int, dict[TopicPartition, int]] = (0, {})
        for look in count(1):
            await self._clock.sleep(LOOK_BACK_S)
            try:
                if look % _LOOKS_AT_THE_END == 0 and await self._stands_still():
                    _log.warning("consumer.starts_anew", group=self._group)
                    await self._start_anew()
                past = await self._gone_past()
                if past and not self._at_work and (self._batches, past) == before:
                    for at, stands in past.items():
                        _log.warning("consumer.goes_back", topic=at.topic, partition=at.partition, offset=stands)
                        self._seek(at, stands)
                before = (self._batches, past)
            except Exception as error:
                self._fail(error)

    async def _gone_past(self) -> dict[TopicPartition, int]:
        """Where the handler stands in each partition of which more was read than that."""
        past = {}
        for at, stands in list(self._stands.items()):
            with suppress(KafkaError, TimeoutError):
                async with asyncio.timeout(_FIRST_PAUSE_S):
                    if await self._consumer.position(at) > stands:
                        past[at] = stands
        return past

    async def _stands_still(self) -> bool:
        """Whether the log has had more for two looks, and nobody has handled anything of it in between."""
        before, self._behind = self._behind, (self._batches, {})
        if self._at_work or not self._stands:
            return False
        try:
            async with asyncio.timeout(_LOOK_WITHIN_S):
                behind = await self._how_far_behind()
        except (Retryable, KafkaError, *UNAVAILABLE):
            return False  # a lost server is waited for where it is needed
        self._behind = (self._batches, behind)
        return before[0] == self._batches and bool(before[1].items() & behind.items())

    async def _how_far_behind(self) -> dict[TopicPartition, int]:
        """Where the handler stands in each partition that has more."""
        found = {}
        for topic, parts in groupby(sorted(self._stands), key=lambda at: at.topic):
            ends = await ends_of(self._bootstrap, topic)
            for at in parts:
                stands = await self._handler.position(topic, at.partition)
                if stands < ends.get(at.partition, 0):
                    found[at] = stands
        return found

    async def _start_anew(self) -> None:
        await self._stop(_ANEW_WITHIN_S)
        await self._until_started()
        self._behind = (self._batches, {})

    async def _stop(self, within_s: float) -> None:
        await stopping.stop(self._broker, self._subscriber, group=self._group, within_s=within_s)

    async def on_partitions_revoked(self, revoked: set[TopicPartition]) -> None:
        """Nothing to do: a batch in work fails its compare-and-set if another is faster."""

    async def on_partitions_assigned(self, assigned: set[TopicPartition]) -> None:
        """Go to where the positions stand, before anything is read."""
        try:
            await self._until_sought(assigned)
        except Exception as error:  # the client library would log it and read on
            self._fail(error)

    async def _until_sought(self, assigned: set[TopicPartition]) -> None:
        self._sought.clear()
        self._stands.clear()
        pauses = _Pauses(self._clock)
        for look in count(1):
            try:
                ends = await self._consumer.end_offsets(list(assigned))
                for at in assigned:
                    position = await self._handler.position(at.topic, at.partition)
                    self._check_end(at, position, ends[at], look)
                    self._consumer.seek(at, position)
                    self._stands[at] = position
                await self._handler.assigned(sorted((at.topic, at.partition) for at in assigned))
            except (Retryable, KafkaError, *UNAVAILABLE) as error:
                _log.warning("consumer.waiting_for_positions", error=type(error).__name__)
                await pauses.pause()
            else:
                break
        if self._ready is not None:
            self._ready.set()

    @staticmethod
    def _check_end(at: TopicPartition, position: int, end: int, look: int) -> None:
        """A log that ends before the position was lost or is another one: what comes next would be skipped.

        A broker that comes back from a crash says so for a moment, too: until it knows how far its records are safe.
        """
        if position > end:
            if look < _LOOKS_AT_A_SHORT_LOG:
                raise Retryable(f"{at.topic}/{at.partition} ends at {end}, before {position}")
            raise ConfigurationError(
                f"{at.topic}/{at.partition} ends at {end}, and we have read up to {position}. "
                "The log was lost or replaced: restore it, or start with an empty database."
            )

    def _fail(self, error: Exception) -> None:
        _log.error("consumer.failed", error=type(error).__name__, exc_info=error)
        if not self._failed.done():
            self._failed.set_exception(error)

    @property
    def _consumer(self) -> Any:
        return self._subscriber.consumer

    async def _on_batch(self, message: KafkaMessage) -> None:
        raw = message.raw_message if isinstance(message.raw_message, tuple) else (message.raw_message,)
        records = sorted(map(Record.of, raw), key=lambda record: (record.topic, record.partition, record.offset))
        self._batches, self._at_work = self._batches + 1, True
        try:
            for (topic, partition), group in groupby(records, key=lambda record: (record.topic, record.partition)):
                await self._until_stored(TopicPartition(topic, partition), list(group))
            await self._show_lag()
        except Exception as error:
            self._fail(error)
        finally:
            self._at_work = False

    async def _until_stored(self, at: TopicPartition, records: Sequence[Record]) -> None:
        pauses, overtaken = _Pauses(self._clock), False
        while True:
            try:
                if overtaken:
                    self._seek(at, await self._handler.position(at.topic, at.partition))
                else:
                    await self._store(at, records)
            except Overtaken as error:
                _log.warning("consumer.overtaken", topic=at.topic, partition=at.partition, detail=str(error))
                overtaken = True
            except (Retryable, *UNAVAILABLE) as error:
                _log.warning("consumer.waiting", topic=at.topic, partition=at.partition, error=type(error).__name__)
                await pauses.pause()
            else:
                return

    async def _store(self, at: TopicPartition, records: Sequence[Record]) -> None:
        stands = await self._handler.position(at.topic, at.partition)
        fresh = [record for record in records if record.offset >= stands]
        self._stood_at(at, stands)
        if not fresh:
            await self._see_that_it_is_whole(at, stands)
            return
        if fresh[0].offset == stands:
            await self._handler.handle(at.topic, at.partition, fresh)
            self._stood_at(at, fresh[-1].offset + 1)
            self._measure_lag(at, fresh[-1].offset + 1)
        elif self._sought.get(at) != stands:
            self._sought[at] = stands
            self._seek(at, stands)
        else:
            raise ConfigurationError(
                f"{at.topic}/{at.partition}: offsets {stands} to {fresh[0].offset - 1} are gone from the log. "
                "Set the topic's retention to unlimited and restore it before going on."
            )

    async def _see_that_it_is_whole(self, at: TopicPartition, stands: int) -> None:
        """A broker that came back without its newest records gives out their offsets anew: pass none of those over."""
        end, looks, pauses = self._highwater(at), count(1), _Pauses(self._clock)
        while end is not None and end < stands:
            try:
                end = (await self._consumer.end_offsets([at]))[at]
                self._check_end(at, stands, end, next(looks))
            except (Retryable, KafkaError) as error:
                _log.warning("consumer.waiting_for_positions", error=type(error).__name__)
                await pauses.pause()
            else:
                self._seek(at, stands)

    def _highwater(self, at: TopicPartition) -> int | None:
        """The end of a partition as the last fetch saw it; None of one that is not ours (any more)."""
        if self._consumer is None or at not in self._consumer.assignment():
            return None
        end: int | None = self._consumer.highwater(at)
        return end

    def _stood_at(self, at: TopicPartition, offset: int) -> None:
        if at in self._stands:  # still ours
            self._stands[at] = offset

    def _seek(self, at: TopicPartition, offset: int) -> None:
        if self._consumer is not None and at in self._consumer.assignment():
            self._consumer.seek(at, offset)

    def _measure_lag(self, at: TopicPartition, position: int) -> None:
        """How far our own position is behind the end of the log, as the last fetch saw it.

        Of a partition that was taken away while its batch was in work, nobody here knows the end any more.
        """
        end = self._highwater(at)
        if self._metrics is not None and end is not None:
            gauge = self._metrics.consumer_lag.labels(self._group, at.topic, str(at.partition))
            gauge.set(max(0, end - position))

    async def _show_lag(self) -> None:
        now = self._clock.monotonic()
        if now - self._committed_at < _COMMIT_EVERY_S:
            return
        self._committed_at = now
        try:
            async with asyncio.timeout(_COMMIT_WITHIN_S):  # it shows the lag and nothing more: no batch waits for it
                await self._consumer.commit()
        except (KafkaError, TimeoutError) as error:
            _log.info("consumer.commit_failed", error=type(error).__name__)
