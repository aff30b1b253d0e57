"""The gateway's hold on the log: waited for; what a useless producer did not take is appended by its successor."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from types import TracebackType
from typing import Self

import pytest
from aiokafka.errors import (
    KafkaConnectionError,
    KafkaError,
    KafkaTimeoutError,
    MessageSizeTooLargeError,
    OutOfOrderSequenceNumber,
    ProducerFenced,
)

from mlc_common.clock import FixedClock, SystemClock
from mlc_common.errors import ConfigurationError, Retryable
from mlc_common.events import Appendable, Envelope, Topics
from mlc_common.log import Appended
from mlc_ingest import broker as module
from mlc_ingest.broker import Broker

EVENT = Envelope(id="1", type="t", source="/s", subject="s", time=datetime(2026, 11, 21, tzinfo=UTC), data=b"{}")


@dataclass
class World:
    """How attempts to append go, in order (as the last one, so all further ones), and the producers that were made."""

    script: Sequence[type[KafkaError] | None] = (None,)
    unreachable: int = 0
    producers: list[FakeProducer] = field(default_factory=list)

    def producer(self, bootstrap: str, *, client_id: str, linger_ms: int) -> FakeProducer:
        made = FakeProducer(self.script)
        self.producers.append(made)
        return made

    async def ensure_topics(self, bootstrap: str, topics: Iterable[str], *, replication: int) -> None:
        assert sorted(topics) == ["acme.audit", "acme.raw.orders", "acme.raw.reference"]
        if self.unreachable:
            self.unreachable -= 1
            raise KafkaConnectionError


@dataclass
class FakeProducer:
    """Fails or works, as the script says."""

    script: Sequence[type[KafkaError] | None]
    tried: int = 0
    appended: list[tuple[str, Appendable]] = field(default_factory=list)
    asked: int = 0

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None
    ) -> None:
        return None

    async def publish(self, topic: str, event: Appendable) -> Appended:
        error = self.script[min(self.tried, len(self.script) - 1)]
        self.tried += 1
        if error is not None:
            raise Retryable("no") from error()
        self.appended.append((topic, event))
        return Appended(topic, 0, 0)

    async def reachable(self) -> bool:
        self.asked += 1
        return True


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> World:
    made = World()
    monkeypatch.setattr(module, "LogProducer", made.producer)
    monkeypatch.setattr(module, "ensure_topics", made.ensure_topics)
    return made


@asynccontextmanager
async def connected() -> AsyncIterator[Broker]:
    broker = Broker("broker:9092", Topics("acme"), FixedClock(EVENT.time), seconds=5)
    running = asyncio.create_task(broker.run())
    try:
        yield broker
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)


@pytest.mark.parametrize("error", [OutOfOrderSequenceNumber, ProducerFenced, KafkaError])
async def test_an_event_that_a_dead_producer_did_not_take_goes_through_its_successor(
    world: World, error: type[KafkaError]
) -> None:
    world.script = (error, error, None)
    async with connected() as broker:
        appended = await asyncio.gather(*(broker.publish("acme.audit", EVENT) for _ in range(5)))
        assert len(appended) == 5
        assert [len(producer.appended) for producer in world.producers] == [5]


@pytest.mark.parametrize("error", [KafkaTimeoutError, KafkaConnectionError, MessageSizeTooLargeError])
async def test_a_passing_trouble_is_told_at_once(world: World, error: type[KafkaError]) -> None:
    world.script = (error,)
    async with connected() as broker:
        with pytest.raises(Retryable):
            await broker.publish("acme.audit", EVENT)
        assert world.producers[0].tried == 1


async def test_a_broker_that_is_away_at_first_is_waited_for(world: World) -> None:
    world.unreachable = 3
    async with connected() as broker:
        assert await broker.publish("acme.audit", EVENT) == Appended("acme.audit", 0, 0)
        assert len(world.producers) == 1


async def test_without_a_broker_publishing_ends_in_time() -> None:
    broker = Broker("127.0.0.1:9", Topics("acme"), SystemClock(), seconds=0.05)
    with pytest.raises(Retryable, match="in time"):
        await broker.publish("acme.audit", EVENT)
    assert not await broker.reachable()


async def test_reachability_is_not_asked_for_every_time(world: World) -> None:
    async with connected() as broker:
        await broker.publish("acme.audit", EVENT)
        assert [await broker.reachable() for _ in range(10)] == [True] * 10
        assert world.producers[0].asked == 1


async def test_a_broker_that_refuses_the_topics_ends_the_service(monkeypatch: pytest.MonkeyPatch) -> None:
    async def refuse(bootstrap: str, topics: Iterable[str], *, replication: int) -> None:
        raise ConfigurationError("not allowed")

    monkeypatch.setattr(module, "ensure_topics", refuse)
    with pytest.raises(ConfigurationError, match="not allowed"):
        await Broker("broker:9092", Topics("acme"), SystemClock()).run()
