"""Ranges of the log over one connection, on a real broker."""

from __future__ import annotations

import asyncio
import socket
from datetime import UTC, datetime, timedelta

import pytest

from mlc_common.errors import Retryable
from mlc_common.events import Envelope
from mlc_common.log import LogProducer
from mlc_common.log.ranges import LogRanges

from .conftest import PARTITIONS, Publish, event

pytestmark = pytest.mark.kafka

NAMES = [f"e{i}" for i in range(5)]


async def names(log: LogRanges, topic: str, part: int, since: int, until: int) -> list[str]:
    return [record.envelope().extensions["name"] async for record in log.records(topic, part, since, until)]


async def busy(log: LogRanges, topic: str) -> int:
    """The partition that holds something."""
    return next(part for part, end in (await log.ends(topic)).items() if end)


async def test_a_range_holds_its_first_offset_and_not_its_last_whatever_was_read_before(
    kafka_bootstrap: str, topic: str, publish: Publish
) -> None:
    await publish(*NAMES)
    async with LogRanges(kafka_bootstrap) as log:
        part = await busy(log, topic)
        assert await names(log, topic, part, 1, 4) == NAMES[1:4]
        assert await names(log, topic, part, 0, 2) == NAMES[:2]
        assert await names(log, topic, part, 3, 100) == NAMES[3:]
        assert await names(log, topic, 1 - part, 0, 100) == []
        assert await names(log, topic, PARTITIONS + 7, 0, 100) == []
        await publish("later")
        assert await names(log, topic, part, 4, 100) == ["e4", "later"]


async def test_the_end_of_a_partition_holds_up_no_other_question(
    kafka_bootstrap: str, topic: str, publish: Publish
) -> None:
    await publish(*NAMES)
    async with LogRanges(kafka_bootstrap) as log:
        part = await busy(log, topic)
        async with asyncio.timeout(30):
            for _ in range(60):  # half a second each, if the fetch behind the last record waited for news
                assert await names(log, topic, part, 4, 5) == ["e4"]
                await log.ends(topic)


async def test_a_record_is_found_by_its_place_also_one_that_is_larger_than_a_fetch(
    kafka_bootstrap: str, topic: str, producer: LogProducer
) -> None:
    large = event("large", data=b"x" * 300_000)
    await producer.publish_all([(topic, each) for each in (event("a"), large, event("b"))])
    async with LogRanges(kafka_bootstrap, fetch_bytes=1024) as log:
        part = await busy(log, topic)
        found = await log.record(topic, part, 1)
        assert found is not None
        assert found.value == large.data
        assert await log.record(topic, part, 3) is None
        assert await names(log, topic, part, 0, 3) == ["a", "large", "b"]


async def test_the_offset_of_an_instant_is_that_of_the_first_record_taken_then_or_later(
    kafka_bootstrap: str, topic: str, producer: LogProducer
) -> None:
    async def append(envelope: Envelope) -> datetime:
        at = await producer.publish(topic, envelope)
        async with LogRanges(kafka_bootstrap) as log:
            record = await log.record(topic, at.partition, at.offset)
        assert record is not None
        return datetime.fromtimestamp(record.timestamp_ms / 1000, UTC)

    first = await append(event("a"))
    second = await append(event("b"))
    async with LogRanges(kafka_bootstrap) as log:
        part = await busy(log, topic)
        assert (await log.offsets_at(topic, first))[part] == 0
        assert (await log.offsets_at(topic, second))[part] == (0 if first == second else 1)
        assert await log.offsets_at(topic, second + timedelta(hours=1)) == await log.ends(topic)


async def test_a_topic_that_does_not_exist_is_empty(kafka_bootstrap: str, tenant: str) -> None:
    async with LogRanges(kafka_bootstrap) as log:
        assert await log.ends(f"{tenant}.nothing") == {}
        assert await log.offsets_at(f"{tenant}.nothing", datetime(2026, 1, 1, tzinfo=UTC)) == {}
        assert await log.record(f"{tenant}.nothing", 0, 0) is None


async def test_a_broker_that_does_not_answer_is_said() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        nowhere = f"127.0.0.1:{taken.getsockname()[1]}"
    with pytest.raises(Retryable, match="the log cannot be read"):
        async with LogRanges(nowhere):
            pass
