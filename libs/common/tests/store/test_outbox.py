"""Events leave the outbox in order, once acknowledged, and none is ever skipped (reliability R15)."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import cast

import pytest

from mlc_common.accounting import event_id
from mlc_common.clock import SystemClock
from mlc_common.errors import Retryable
from mlc_common.events import Envelope
from mlc_common.log import Appended, LogProducer
from mlc_common.store import outbox
from mlc_common.store.outbox import Outgoing
from mlc_common.store.pool import Pool
from mlc_common.store.publisher import Publisher

pytestmark = pytest.mark.postgres

TOPIC = "t1.outcomes"


class FakeLog:
    """Keeps what is appended; ``acknowledge`` may fail, or wait until the test lets it."""

    def __init__(self) -> None:
        self.appended: list[Envelope] = []
        self.topics: list[str] = []
        self.failures: list[Exception] = []
        self.started = asyncio.Event()
        self.changed = asyncio.Condition()
        self.gate: asyncio.Event | None = None

    @property
    def producer(self) -> LogProducer:
        """As the outbox sees it."""
        return cast(LogProducer, self)

    async def publish_all(self, batch: Sequence[tuple[str, Envelope]]) -> list[Appended]:
        self.appended += [envelope for _, envelope in batch]
        self.topics += [topic for topic, _ in batch]
        self.started.set()
        async with self.changed:
            self.changed.notify_all()
        if self.gate is not None:
            await self.gate.wait()
        if self.failures:
            raise self.failures.pop(0)
        return []

    async def until(self, *names: str) -> None:
        """Wait until exactly these have been appended."""
        async with asyncio.timeout(20), self.changed:
            await self.changed.wait_for(lambda: self.names == list(names))

    @property
    def names(self) -> list[str]:
        return [envelope.data.decode() for envelope in self.appended]


@pytest.fixture
def log() -> FakeLog:
    return FakeLog()


def event(name: str, lane: int = 0, topic: str = TOPIC) -> Outgoing:
    envelope = Envelope(
        id=str(event_id("test", name)), type="mlc.test.v1", source="/t1/test", subject="wc01:order:1",
        time=datetime(2026, 3, 14, 12, 30, 15, 123456, tzinfo=UTC), data=name.encode(), extensions={"flow": "f\u00fc"},
    )  # fmt: skip
    return Outgoing(topic, envelope, lane)


async def write(pool: Pool, *names: str, producer: str = "poster", lane: int = 0) -> None:
    async with pool.acquire() as connection, connection.transaction():
        await outbox.add(connection, producer, [event(name, lane) for name in names])


async def publish(pool: Pool, log: FakeLog, *, producer: str = "poster", lanes: Sequence[int] = (0,)) -> int:
    return await outbox.publish_pending(pool, log.producer, producer, lanes)


async def test_an_event_leaves_as_it_was_written(pool: Pool, log: FakeLog) -> None:
    await write(pool, "a")
    await publish(pool, log)

    assert log.appended == [event("a").envelope]
    assert log.topics == [TOPIC]


async def test_events_leave_in_the_order_in_which_they_were_written(pool: Pool, log: FakeLog) -> None:
    names = [f"{n:04}" for n in range(outbox.BATCH + 20)]
    await write(pool, *names[:300])
    await write(pool, *names[300:])

    assert [await publish(pool, log) for _ in range(3)] == [outbox.BATCH, 20, 0]
    assert log.names == names


async def test_what_was_acknowledged_is_gone(pool: Pool, log: FakeLog) -> None:
    await write(pool, "a")
    async with pool.acquire() as connection:
        assert not await outbox.is_empty(connection, "poster", 0)
    await publish(pool, log)

    assert await outbox.is_empty(pool, "poster", 0)
    assert await publish(pool, log) == 0


async def test_what_was_not_acknowledged_stays_and_leaves_again_under_the_same_id(pool: Pool, log: FakeLog) -> None:
    await write(pool, "a", "b")
    log.failures = [Retryable("the broker is gone")]
    with pytest.raises(Retryable):
        await publish(pool, log)
    await publish(pool, log)

    assert log.names == ["a", "b", "a", "b"]
    assert len({envelope.id for envelope in log.appended}) == 2


async def test_only_the_lanes_and_the_producer_asked_for_leave(pool: Pool, log: FakeLog) -> None:
    await write(pool, "mine", lane=1)
    await write(pool, "another lane", lane=2)
    await write(pool, "another producer", producer="mapper", lane=1)
    await publish(pool, log, lanes=[0, 1])
    assert log.names == ["mine"]

    assert await publish(pool, log, lanes=[]) == 0


async def test_lanes_in_which_events_wait_are_listed_by_producer(pool: Pool, log: FakeLog) -> None:
    assert await outbox.waiting(pool) == {}
    await write(pool, "a", "b", lane=2)
    await write(pool, "c", lane=0)
    await write(pool, "d", producer="mapper", lane=5)
    found = await outbox.waiting(pool)
    assert {producer: sorted(lanes) for producer, lanes in found.items()} == {"poster": [0, 2], "mapper": [5]}
    assert not await outbox.is_empty(pool, "poster", 2)
    assert await outbox.is_empty(pool, "poster", 5)

    await publish(pool, log, lanes=[0, 2])
    assert await outbox.waiting(pool) == {"mapper": [5]}


async def test_nothing_to_add_writes_nothing(pool: Pool, log: FakeLog) -> None:
    await write(pool)
    assert await publish(pool, log) == 0


async def test_a_transaction_that_is_rolled_back_leaves_nothing(pool: Pool, log: FakeLog) -> None:
    async with pool.acquire() as connection:
        transaction = connection.transaction()
        await transaction.start()
        await outbox.add(connection, "poster", [event("a")])
        await transaction.rollback()
    assert await publish(pool, log) == 0


async def test_a_transaction_that_commits_late_is_never_skipped(pool: Pool, log: FakeLog) -> None:
    async with pool.acquire() as slow:
        late = slow.transaction()
        await late.start()
        await outbox.add(slow, "poster", [event("written first, committed last")])
        await write(pool, "written last, committed first")
        await publish(pool, log)
        assert log.names == ["written last, committed first"]
        await late.commit()

    await publish(pool, log)
    assert log.names == ["written last, committed first", "written first, committed last"]


async def test_two_processes_never_send_the_same_lane_at_once(pool: Pool, log: FakeLog) -> None:
    await write(pool, *(f"{n:04}" for n in range(outbox.BATCH + 5)))
    await write(pool, "another lane", lane=1)
    log.gate = asyncio.Event()
    sending = asyncio.create_task(publish(pool, log))
    await log.started.wait()
    other = FakeLog()

    # Not even what comes after the batch that is on its way: the order would be lost.
    assert await publish(pool, other, lanes=[0, 1]) == 1
    assert other.names == ["another lane"]
    log.gate.set()
    assert await sending == outbox.BATCH
    assert await publish(pool, other) == 5
    assert log.names + other.names[1:] == [f"{n:04}" for n in range(outbox.BATCH + 5)]


async def test_many_publishers_send_everything_in_order(pool: Pool, log: FakeLog) -> None:
    async def keep_publishing() -> None:
        while not await outbox.is_empty(pool, "poster", 0):
            await publish(pool, log)

    for n in range(0, 30, 3):
        await write(pool, *(f"{m:04}" for m in range(n, n + 3)))
        await asyncio.gather(*(keep_publishing() for _ in range(4)))
    assert log.names == [f"{n:04}" for n in range(30)]


class Waits(SystemClock):
    """Notes how long somebody wants to wait, and does not."""

    def __init__(self) -> None:
        self.waited: list[float] = []

    async def sleep(self, seconds: float) -> None:
        self.waited.append(seconds)


class TestPublisher:
    async def test_it_publishes_what_it_finds_and_what_it_is_woken_for(self, pool: Pool, log: FakeLog) -> None:
        await write(pool, "before")
        publisher = Publisher(pool, log.producer, "poster", Waits(), idle_s=9999)
        running = asyncio.create_task(publisher.run())
        await log.until("before")
        await write(pool, "after")
        publisher.wake()
        await log.until("before", "after")
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)

    async def test_it_waits_out_a_broker_that_does_not_acknowledge(self, pool: Pool, log: FakeLog) -> None:
        await write(pool, "a")
        clock = Waits()
        log.failures = [Retryable("gone"), Retryable("gone")]
        running = asyncio.create_task(Publisher(pool, log.producer, "poster", clock, idle_s=9999).run())
        await log.until("a", "a", "a")
        assert len(clock.waited) == 2
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)

    async def test_it_ends_loudly_at_what_it_does_not_expect(self, pool: Pool, log: FakeLog) -> None:
        await write(pool, "a")
        log.failures = [RuntimeError("a defect")]

        with pytest.raises(RuntimeError):
            await Publisher(pool, log.producer, "poster", Waits()).run()

    async def test_it_publishes_the_lanes_it_owns_now(self, pool: Pool, log: FakeLog) -> None:
        await write(pool, "0", lane=0)
        await write(pool, "3", lane=3)
        publisher = Publisher(pool, log.producer, "poster", Waits())
        publisher.own([3])
        await publisher.flush()

        assert log.names == ["3"]

    async def test_it_says_when_all_is_acknowledged(self, pool: Pool, log: FakeLog) -> None:
        await write(pool, "a")
        said: asyncio.Queue[list[str]] = asyncio.Queue()

        async def after() -> None:
            said.put_nowait(log.names)
            raise Retryable("the database is gone")  # is waited out like everything else

        running = asyncio.create_task(Publisher(pool, log.producer, "poster", Waits(), idle_s=9999).run(after))
        assert await asyncio.wait_for(said.get(), 20) == ["a"]
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
