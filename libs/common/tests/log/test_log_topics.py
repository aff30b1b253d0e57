"""Appending, reading by offsets and creating topics, on a real broker."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import TypeVar

import pytest
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType

from mlc_common.errors import ConfigurationError, Undecodable
from mlc_common.events import CHUNK, MESSAGE_LIMIT
from mlc_common.events.codec import chunk_offsets
from mlc_common.log import LogProducer, Record, ensure_topics, read_topic, whole

from .conftest import Publish, event

pytestmark = pytest.mark.kafka


async def read(bootstrap: str, topic: str, since: dict[int, int] | None = None) -> list[Record]:
    return [record async for record in read_topic(bootstrap, topic, since=since)]


def names(records: list[Record]) -> list[str]:
    return [record.envelope().extensions["name"] for record in records]


async def test_an_event_is_read_as_it_was_appended(kafka_bootstrap: str, topic: str, producer: LogProducer) -> None:
    sent = replace(event("a", data=b"\x00\xff{\xc3\xbc}"), content_type="application/octet-stream")
    appended = await producer.publish(topic, sent)
    (record,) = await read(kafka_bootstrap, topic)

    assert record.envelope() == sent
    assert record.key == b"wc01:order:1"
    assert (record.topic, record.partition, record.offset) == appended
    assert record.timestamp_ms > 0


async def test_events_of_one_order_lie_on_one_partition_in_order(
    kafka_bootstrap: str, topic: str, producer: LogProducer
) -> None:
    batch = [(topic, event(f"{order}-{n}", order)) for n in range(50) for order in range(4)]
    appended = await producer.publish_all(batch)

    assert [place.topic for place in appended] == [topic] * 200
    found = names(await read(kafka_bootstrap, topic))
    for order in range(4):
        assert [name for name in found if name.startswith(f"{order}-")] == [f"{order}-{n}" for n in range(50)]
        assert (
            len({appended[i].partition for i, (_, sent) in enumerate(batch) if sent.subject.endswith(str(order))}) == 1
        )


async def test_reading_begins_where_asked_and_ends_where_the_log_ended(
    kafka_bootstrap: str, topic: str, publish: Publish, producer: LogProducer
) -> None:
    await publish("a", "b", "c")
    place = await producer.publish(topic, event("d"))
    records = read_topic(kafka_bootstrap, topic, since={place.partition: 2})
    first = await anext(records)
    await publish("too late")

    assert names([first, *[record async for record in records]]) == ["c", "d"]


async def test_an_empty_topic_has_no_records(kafka_bootstrap: str, topic: str) -> None:
    assert await read(kafka_bootstrap, topic) == []


async def test_a_value_above_the_message_limit_comes_back_whole(
    kafka_bootstrap: str, topic: str, producer: LogProducer
) -> None:
    big = event("big", data=os.urandom(2 * MESSAGE_LIMIT + 1))
    await producer.publish(topic, event("before"))
    appended = await producer.publish(topic, big)
    await producer.publish(topic, event("after"))
    records = await read(kafka_bootstrap, topic)

    assert [record.envelope().type == CHUNK for record in records] == [False, True, True, True, False, False]
    manifest = records[4].envelope()
    assert (manifest.id, manifest.data, records[4].offset) == (big.id, b"", appended.offset)
    assert await whole(kafka_bootstrap, topic, appended.partition, manifest) == big
    plain = records[0].envelope()
    assert await whole(kafka_bootstrap, topic, appended.partition, plain) is plain


async def test_a_value_at_the_limit_is_one_message(kafka_bootstrap: str, topic: str, producer: LogProducer) -> None:
    await producer.publish(topic, event("just", data=b"x" * MESSAGE_LIMIT))

    (record,) = await read(kafka_bootstrap, topic)
    assert len(record.value or b"") == MESSAGE_LIMIT


@pytest.mark.parametrize("listed", ["999999", "0", "zero", "1,"])
async def test_chunks_that_are_not_there_or_not_ours_are_no_value(
    kafka_bootstrap: str, topic: str, producer: LogProducer, listed: str
) -> None:
    place = await producer.publish(topic, event("something else"))
    broken = replace(event("big"), extensions={"chunks": listed, "chunksha256": "0" * 64})

    with pytest.raises(Undecodable):
        await whole(kafka_bootstrap, topic, place.partition, broken)
    assert listed != "0" or chunk_offsets(broken) == [0]


async def test_topics_are_made_once_and_left_as_they_are(kafka_bootstrap: str, tenant: str) -> None:
    topics = [f"{tenant}.control", f"{tenant}.audit"]
    await asyncio.gather(*(ensure_topics(kafka_bootstrap, topics, partitions=3) for _ in range(3)))
    await ensure_topics(kafka_bootstrap, topics, partitions=9)

    assert await partitions_of(kafka_bootstrap, topics) == [3, 3]


async def test_a_topic_keeps_everything_and_takes_large_messages(kafka_bootstrap: str, topic: str) -> None:
    config = await config_of(kafka_bootstrap, topic)

    assert (config["retention.ms"], config["retention.bytes"], config["cleanup.policy"]) == ("-1", "-1", "delete")
    assert int(config["max.message.bytes"]) > MESSAGE_LIMIT


async def test_a_topic_that_the_broker_refuses_is_named(kafka_bootstrap: str) -> None:
    with pytest.raises(ConfigurationError, match="not/a/topic"):
        await ensure_topics(kafka_bootstrap, ["not/a/topic"])


async def partitions_of(bootstrap: str, topics: list[str]) -> list[int]:
    async def ask(admin: AIOKafkaAdminClient) -> dict[str, int]:
        described = await admin.describe_topics(topics)
        return {entry["topic"]: len(entry["partitions"]) for entry in described if not entry["error_code"]}

    found = await asked(bootstrap, ask, lambda found: set(found) == set(topics))
    return [found[name] for name in topics]


async def config_of(bootstrap: str, topic: str) -> dict[str, str]:
    async def ask(admin: AIOKafkaAdminClient) -> dict[str, str]:
        (answer,) = await admin.describe_configs([ConfigResource(ConfigResourceType.TOPIC, topic)])
        ((*_, entries),) = answer.resources
        return {name: value for name, value, *_ in entries}

    return await asked(bootstrap, ask, bool)


AnswerT = TypeVar("AnswerT")


async def asked(
    bootstrap: str, ask: Callable[[AIOKafkaAdminClient], Awaitable[AnswerT]], complete: Callable[[AnswerT], bool]
) -> AnswerT:
    """What a broker says, once it knows of a topic that was made just now."""
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
    await admin.start()
    try:
        async with asyncio.timeout(20):
            while not complete(answer := await ask(admin)):
                pass
    finally:
        await admin.close()
    return answer
