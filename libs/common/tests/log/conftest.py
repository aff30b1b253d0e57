"""Fixtures of the tests on a real broker: a topic of this test's own, and what writes to it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, datetime

import pytest

from mlc_common.accounting import event_id
from mlc_common.clock import SystemClock
from mlc_common.events import Envelope
from mlc_common.log import LogProducer, ensure_topics

from .reading import Reading, Start
from .recorder import Recorder

PARTITIONS = 2


@pytest.fixture
async def topic(kafka_bootstrap: str, tenant: str) -> str:
    """A topic of two partitions that no other test uses."""
    name = f"{tenant}.raw.orders"
    await ensure_topics(kafka_bootstrap, [name], partitions=PARTITIONS)
    return name


@pytest.fixture
async def producer(kafka_bootstrap: str) -> AsyncIterator[LogProducer]:
    """A producer."""
    async with LogProducer(kafka_bootstrap, client_id="test") as producer:
        yield producer


def event(name: str, order: int = 1, data: bytes = b"{}") -> Envelope:
    """An event of an order; ``name`` is how tests tell it from others."""
    return Envelope(
        id=str(event_id("test", name)),
        type="mlc.test.v1",
        source="/t1/test",
        subject=f"wc01:order:{order}",
        time=datetime(2026, 3, 14, 12, 30, tzinfo=UTC),
        data=data,
        extensions={"name": name},
    )


Publish = Callable[..., Awaitable[None]]


@pytest.fixture
def publish(producer: LogProducer, topic: str) -> Publish:
    """Append events with these names, all of one order unless told otherwise."""

    async def publish(*names: str, order: int = 1) -> None:
        await producer.publish_all([(topic, event(name, order)) for name in names])

    return publish


@pytest.fixture
async def start(kafka_bootstrap: str, topic: str) -> AsyncIterator[Start]:
    """Start a consumer; all are stopped at the end."""
    started: list[Reading] = []

    def start(
        recorder: Recorder, clock: SystemClock | None = None, *, at: str = kafka_bootstrap, session_s: float = 10.0
    ) -> Reading:
        started.append(Reading(at, topic, recorder, clock, session_s))
        return started[-1]

    yield start
    for reading in started:
        await reading.stop()
