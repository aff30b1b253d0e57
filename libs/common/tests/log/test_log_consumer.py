"""Consuming by positions of our own, on a real broker: restarts, failures, overtaking, gaps."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import ExitStack, asynccontextmanager

import pytest
from aiokafka import TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.admin.records_to_delete import RecordsToDelete

from mlc_common.clock import SystemClock
from mlc_common.errors import ConfigurationError, Retryable
from mlc_common.log import LogProducer, Record
from mlc_common.log.consumer import LOOK_BACK_S
from mlc_common.store.positions import Overtaken
from mlc_localstack.processes import free_port

from .conftest import Publish, event
from .reading import Start, Waits
from .recorder import WITHIN_S, Recorder
from .relay import relayed

pytestmark = pytest.mark.kafka


class BrokerComesBack(SystemClock):
    """Nothing listens where the broker is to be, until somebody waits for it the second time."""

    def __init__(self, bootstrap: str) -> None:
        self._bootstrap, self._port = bootstrap, free_port()
        self._relay = ExitStack()
        self.here = f"127.0.0.1:{self._port}"
        self.waits = 0

    async def sleep(self, seconds: float) -> None:
        self.waits += 1
        await asyncio.sleep(0.01)
        if self.waits == 2:
            self._relay.enter_context(relayed(self._bootstrap, self._port))

    def close(self) -> None:
        self._relay.close()


async def test_everything_is_handled_in_order_and_once(start: Start, publish: Publish) -> None:
    recorder = Recorder()
    await publish("a", "b")
    reading = start(recorder)
    await recorder.until("a", "b")
    await publish("c")
    await recorder.until("a", "b", "c")

    assert reading.ready.is_set()
    assert len(recorder.owned) == 2


async def test_a_broker_that_is_away_when_the_reading_begins_is_waited_for(
    start: Start, publish: Publish, kafka_bootstrap: str
) -> None:
    recorder, clock = Recorder(), BrokerComesBack(kafka_bootstrap)
    await publish("a")
    start(recorder, clock, at=clock.here)
    await recorder.until("a")
    clock.close()
    assert clock.waits >= 2


async def test_positions_survive_a_restart_and_kafkas_own_do_not_count(start: Start, publish: Publish) -> None:
    recorder = Recorder()
    await publish("a", "b", "c")
    first = start(recorder)
    await recorder.until("a", "b", "c")
    await first.stop()
    await publish("d")
    second = start(recorder)
    await recorder.until("a", "b", "c", "d")
    await second.stop()

    recorder.handled.clear()
    (at,) = (at for at, position in recorder.positions.items() if position)
    recorder.positions[at] = 1
    start(recorder)
    await recorder.until("b", "c", "d")


async def test_an_unexpected_error_ends_the_run_loudly_and_moves_nothing(start: Start, publish: Publish) -> None:
    recorder = Recorder()
    recorder.failures = [RuntimeError("a defect")]
    await publish("a")
    reading = start(recorder)

    with pytest.raises(RuntimeError, match="a defect"):
        await asyncio.wait_for(reading.task, WITHIN_S)
    assert not any(recorder.positions.values())


@pytest.mark.parametrize("error", [Retryable("the broker does not answer"), ConnectionRefusedError("no database")])
async def test_what_passes_by_itself_is_waited_out_with_the_same_records(
    start: Start, publish: Publish, error: Exception
) -> None:
    recorder, clock = Recorder(), Waits()
    recorder.failures = [error] * 4
    await publish("a", "b")
    start(recorder, clock)
    await recorder.until("a", "b")

    assert len({tuple(record.offset for record in batch) for batch in recorder.batches[:5]}) == 1
    assert clock.waited == sorted(clock.waited)
    assert len(clock.waited) == 4


async def test_an_overtaken_handler_goes_on_where_the_position_stands_now(start: Start, publish: Publish) -> None:
    recorder = Recorder()
    await publish("a", "b")
    start(recorder)
    await recorder.until("a", "b")

    def ahead(topic: str, partition: int) -> None:
        recorder.positions[topic, partition] = 3  # another worker stored "c" meanwhile

    recorder.failures = [ahead]
    await publish("c", "d")
    await recorder.until("a", "b", "d")


async def test_a_position_that_was_set_back_is_read_again(start: Start, publish: Publish) -> None:
    recorder = Recorder()
    await publish("a", "b", "c")
    start(recorder)
    await recorder.until("a", "b", "c")

    def back(topic: str, partition: int) -> None:
        recorder.positions[topic, partition] = 1

    recorder.failures = [back]
    await publish("d")
    await recorder.until("a", "b", "c", "b", "c", "d")


async def test_an_overtaken_handler_waits_out_a_lost_database(start: Start, publish: Publish) -> None:
    recorder, clock = Recorder(), Waits()
    position = recorder.position

    async def gone(topic: str, partition: int) -> int:
        recorder.position = position  # type: ignore[method-assign] # once
        raise ConnectionResetError

    def overtake(topic: str, partition: int) -> None:
        recorder.position = gone  # type: ignore[method-assign] # after this batch
        raise Overtaken("another worker")

    recorder.failures = [overtake]
    await publish("a")
    start(recorder, clock)
    await recorder.until("a")

    assert len(clock.waited) == 1


async def test_offsets_that_are_gone_from_the_log_stop_the_consumer(
    kafka_bootstrap: str, topic: str, start: Start, producer: LogProducer, publish: Publish
) -> None:
    await publish("a", "b", "c")
    place = await producer.publish(topic, event("d"))
    async with admin(kafka_bootstrap) as client:
        at = TopicPartition(topic, place.partition)
        await client.delete_records({at: RecordsToDelete(before_offset=2)})
    recorder = Recorder()
    reading = start(recorder)

    with pytest.raises(ConfigurationError, match=r"offsets 0 to 1 are gone"):
        await asyncio.wait_for(reading.task, WITHIN_S)
    assert recorder.handled == []


async def test_a_log_shorter_than_what_was_read_stops_the_consumer(
    topic: str, start: Start, producer: LogProducer
) -> None:
    place = await producer.publish(topic, event("a"))
    recorder = Recorder()
    recorder.positions[topic, place.partition] = 7
    clock = Waits()
    reading = start(recorder, clock)

    with pytest.raises(ConfigurationError, match="ends at 1, and we have read up to 7"):
        await asyncio.wait_for(reading.task, WITHIN_S)
    assert sum(clock.waited) > 30


async def test_a_log_that_a_broker_shows_shorter_for_a_moment_is_looked_at_again(
    topic: str, start: Start, producer: LogProducer, publish: Publish
) -> None:
    """It comes back from a crash, and does not know yet how far its records are safe."""
    place = await producer.publish(topic, event("a"))
    recorder = Recorder()
    recorder.positions[topic, place.partition] = 2

    class Recovers(SystemClock):
        waited = 0

        async def sleep(self, seconds: float) -> None:
            self.waited += seconds != LOOK_BACK_S
            if self.waited == 2 and not recovered.is_set():
                await publish("b")
                recovered.set()
            await asyncio.sleep(0.05)

    recovered = asyncio.Event()
    start(recorder, Recovers())
    await asyncio.wait_for(recovered.wait(), WITHIN_S)
    await publish("c")
    await recorder.until("c")


async def test_an_assignment_waits_out_a_lost_database_and_ends_loudly_at_a_defect(
    start: Start, publish: Publish
) -> None:
    recorder, clock = Recorder(), Waits()
    recorder.refuses_assignment = [ConnectionRefusedError(), Retryable("not yet")]
    await publish("a")
    reading = start(recorder, clock)
    await asyncio.wait_for(reading.ready.wait(), WITHIN_S)
    await recorder.until("a")
    assert len(clock.waited) == 2
    await reading.stop()

    recorder.refuses_assignment = [RuntimeError("a defect")]
    with pytest.raises(RuntimeError, match="a defect"):
        await asyncio.wait_for(start(recorder).task, WITHIN_S)


async def test_two_consumers_share_the_partitions_and_one_takes_over_from_the_other(
    start: Start, publish: Publish
) -> None:
    shared = Recorder()
    first = start(shared)
    await asyncio.wait_for(first.ready.wait(), WITHIN_S)
    second = start(shared)
    await asyncio.wait_for(second.ready.wait(), WITHIN_S)
    for n in range(20):
        await publish(f"{n}", order=n)
    await first.stop()
    for n in range(20, 40):
        await publish(f"{n}", order=n)
    await shared.until_as_many_as(40)

    assert sorted(shared.handled, key=int) == [str(n) for n in range(40)]


class Interrupted(Recorder):
    """One that stops in the middle of its first batch, and counts how often partitions are given out."""

    def __init__(self) -> None:
        super().__init__()
        self.begun, self.go_on = asyncio.Event(), asyncio.Event()
        self.place = ("", 0)
        self.rounds = 0

    async def assigned(self, partitions: Sequence[tuple[str, int]]) -> None:
        await super().assigned(partitions)
        self.rounds += 1
        async with self.changed:
            self.changed.notify_all()

    async def handle(self, topic: str, partition: int, records: Sequence[Record]) -> None:
        self.place = (topic, partition)
        self.begun.set()
        await self.go_on.wait()
        await super().handle(topic, partition, records)


async def test_a_partition_that_is_taken_away_in_the_middle_of_a_batch_stops_nobody(
    start: Start, publish: Publish
) -> None:
    """R16: a rebalance in the middle of a write."""
    first = Interrupted()
    await publish("a")
    reading = start(first)
    await asyncio.wait_for(first.begun.wait(), WITHIN_S)
    while first.place in first.owned:  # until chance gives it to one of the others
        rounds = first.rounds
        await asyncio.wait_for(start(Recorder()).ready.wait(), WITHIN_S)
        async with asyncio.timeout(WITHIN_S), first.changed:
            await first.changed.wait_for(lambda rounds=rounds: first.rounds > rounds)  # type: ignore[misc] # a bound default
    first.go_on.set()
    await first.until("a")
    ended, _ = await asyncio.wait({reading.task}, timeout=0.3)

    assert not ended


@asynccontextmanager
async def admin(bootstrap: str) -> AsyncIterator[AIOKafkaAdminClient]:
    client = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
    await client.start()
    try:
        yield client
    finally:
        await client.close()
