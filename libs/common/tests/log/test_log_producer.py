"""A producer that will never append anything again is replaced, once; one in a passing trouble is kept."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from types import SimpleNamespace

import pytest
from aiokafka.errors import (
    KafkaConnectionError,
    KafkaError,
    KafkaTimeoutError,
    MessageSizeTooLargeError,
    OutOfOrderSequenceNumber,
    ProducerFenced,
)
from aiokafka.structs import RecordMetadata, TopicPartition

from mlc_common.errors import Retryable
from mlc_common.events import Envelope
from mlc_common.log import LogProducer, is_final
from mlc_common.log import producer as module

EVENT = Envelope(id="1", type="t", source="/s", subject="s", time=datetime(2026, 11, 21, tzinfo=UTC), data=b"{}")
FATAL = (OutOfOrderSequenceNumber, ProducerFenced, KafkaError)
PASSING = (KafkaTimeoutError, KafkaConnectionError, MessageSizeTooLargeError)


@dataclass
class FakeKafka:
    """What each producer that is made fails with, in order; None works. ``away``: how many cannot even start."""

    script: list[type[KafkaError] | None]
    away: int = 0
    made: list[FakeProducer] = field(default_factory=list)

    def producer(self, **_: object) -> FakeProducer:
        self.made.append(FakeProducer(self, self.script.pop(0) if self.script else None))
        return self.made[-1]


@dataclass
class FakeProducer:
    """Takes everything or nothing."""

    kafka: FakeKafka
    error: type[KafkaError] | None
    taken: int = 0
    stopped: bool = False
    client: SimpleNamespace = field(default_factory=lambda: SimpleNamespace(_metadata_update=None))

    async def start(self) -> None:
        if len(self.kafka.made) > 1 and self.kafka.away:
            self.kafka.away -= 1
            raise KafkaConnectionError

    async def stop(self) -> None:
        self.stopped = True

    async def send(self, topic: str, **_: object) -> asyncio.Future[RecordMetadata]:
        await asyncio.sleep(0)
        acknowledged: asyncio.Future[RecordMetadata] = asyncio.get_running_loop().create_future()
        if self.error is not None:
            acknowledged.set_exception(self.error())
            return acknowledged
        acknowledged.set_result(RecordMetadata(topic, 0, TopicPartition(topic, 0), self.taken, None, 0, 0))
        self.taken += 1
        return acknowledged


@pytest.fixture
def kafka(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeKafka]:
    fake = FakeKafka([])
    monkeypatch.setattr(module, "AIOKafkaProducer", fake.producer)
    yield fake
    assert all(producer.stopped for producer in fake.made)


@pytest.mark.parametrize("error", FATAL)
async def test_a_producer_that_is_of_no_use_any_more_is_replaced_once(
    kafka: FakeKafka, error: type[KafkaError]
) -> None:
    kafka.script = [error]
    async with LogProducer("broker:9092", client_id="test") as producer:
        said = await asyncio.gather(*(producer.publish("t", EVENT) for _ in range(5)), return_exceptions=True)
        assert [type(answer) for answer in said] == [Retryable] * 5
        assert len(kafka.made) == 2
        assert len(await producer.publish_all([("t", EVENT)] * 3)) == 3
    assert is_final(error())


@pytest.mark.parametrize("error", PASSING)
async def test_a_producer_in_a_passing_trouble_is_kept(kafka: FakeKafka, error: type[KafkaError]) -> None:
    kafka.script = [error]
    async with LogProducer("broker:9092", client_id="test") as producer:
        with pytest.raises(Retryable):
            await producer.publish_all([("t", EVENT)])
        assert len(kafka.made) == 1
    assert not is_final(error())


async def test_while_the_broker_is_away_every_attempt_tries_to_replace_it(kafka: FakeKafka) -> None:
    kafka.script, kafka.away = [ProducerFenced], 2
    async with LogProducer("broker:9092", client_id="test") as producer:
        for _ in range(3):
            with pytest.raises(Retryable):
                await producer.publish("t", EVENT)
        assert (await producer.publish("t", EVENT)).topic == "t"
        assert len(kafka.made) == 4
