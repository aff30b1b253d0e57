"""A Kafka client that stands still, hangs or loses something, for whatever reason: the reading goes on."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from aiokafka import AIOKafkaConsumer
from aiokafka.consumer.group_coordinator import GroupCoordinator
from aiokafka.errors import KafkaError
from structlog.testing import capture_logs

from mlc_common.log import Record, stopping

from .conftest import Publish
from .reading import CommitsEachTime, Hurries, Start, Waits
from .recorder import Recorder

pytestmark = pytest.mark.kafka


async def test_what_the_client_library_took_out_of_its_buffer_and_lost_is_read_again(
    start: Start, publish: Publish, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An error between taking and handing over: no later record of the partition is there to show the gap."""
    lost: list[list[str]] = []
    getmany = AIOKafkaConsumer.getmany

    async def loses_once(*args: Any, **named: Any) -> Any:
        found = await getmany(*args, **named)
        if found and not lost:
            lost.append([Record.of(one).envelope().extensions["name"] for part in found.values() for one in part])
            raise AssertionError("as its own bookkeeping may, when a broker comes back from a crash")
        return found

    monkeypatch.setattr(AIOKafkaConsumer, "getmany", loses_once)
    recorder = Recorder()
    await publish("a", "b")
    start(recorder, Hurries())
    await recorder.until("a", "b")
    assert lost == [["a", "b"]]


async def test_a_client_that_stands_still_while_the_log_has_more_begins_anew(
    start: Start, publish: Publish, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever keeps it: nothing is lost by it, and nobody has to restart the process."""
    stuck = asyncio.Event()
    getmany = AIOKafkaConsumer.getmany

    async def hangs_once(*args: Any, **named: Any) -> Any:
        if recorder.handled and not stuck.is_set():
            stuck.set()
            await asyncio.Event().wait()
        return await getmany(*args, **named)

    monkeypatch.setattr(AIOKafkaConsumer, "getmany", hangs_once)
    recorder = Recorder()
    await publish("a")
    start(recorder, Hurries())
    await recorder.until("a")
    await stuck.wait()
    await publish("b")
    await recorder.until("a", "b")


async def test_a_client_whose_heartbeat_ended_in_an_error_begins_anew(
    start: Start, publish: Publish, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As it does at an answer that it does not expect: from then on it tells the error, and hands over nothing."""
    ended = asyncio.Event()
    beats = GroupCoordinator._do_heartbeat

    async def ends_once(coordinator: GroupCoordinator) -> Any:
        if recorder.handled and not ended.is_set():
            ended.set()
            raise KafkaError("an answer that it does not know")
        return await beats(coordinator)

    monkeypatch.setattr(GroupCoordinator, "_do_heartbeat", ends_once)
    recorder = Recorder()
    await publish("a")
    start(recorder, Hurries(), session_s=2.0)
    await recorder.until("a")
    await ended.wait()
    await publish("b")
    await recorder.until("a", "b")


async def _never(*_: Any) -> None:
    await asyncio.Event().wait()


async def _fails(*_: Any) -> None:
    raise KafkaError("one of its own tasks had ended in an error")


@pytest.mark.parametrize("stop", [_never, _fails])
async def test_a_client_that_cannot_even_stop_is_cut_off_and_all_its_partitions_are_read(
    start: Start, publish: Publish, monkeypatch: pytest.MonkeyPatch, stop: Callable[..., Any]
) -> None:
    """R16: left to itself it would go on telling the group that it reads, and nobody would read its partitions."""
    stopped: list[AIOKafkaConsumer] = []
    getmany, stops = AIOKafkaConsumer.getmany, AIOKafkaConsumer.stop

    async def hangs(consumer: AIOKafkaConsumer, **named: Any) -> Any:
        if recorder.handled and not stopped:
            await asyncio.Event().wait()
        return await getmany(consumer, **named)

    async def cannot(consumer: AIOKafkaConsumer) -> None:
        if consumer._group_id is None or stopped:  # without a group: it asks for the end of the log
            await stops(consumer)
        else:
            stopped.append(consumer)
            await stop(consumer)

    monkeypatch.setattr(AIOKafkaConsumer, "getmany", hangs)
    monkeypatch.setattr(AIOKafkaConsumer, "stop", cannot)
    monkeypatch.setattr("mlc_common.log.consumer._ANEW_WITHIN_S", 0.2)
    recorder = Recorder()
    await publish("0")
    with capture_logs() as logs:
        start(recorder, Hurries(), session_s=2.0)
        await recorder.until("0")
        for names in ("abcdefgh", "ijklmnop"):  # of both partitions, when it begins anew and after that
            total = len(recorder.handled) + len(names)
            for order, name in enumerate(names):
                await publish(name, order=order)
            await recorder.until_as_many_as(total)

    assert sorted(recorder.handled) == [*"0abcdefghijklmnop"]
    assert len(recorder.owned) == 2
    assert [line["group"] for line in logs if line["event"] == "consumer.cut_off"] != []
    (left,) = stopped
    assert all(task is None or task.done() for task in stopping._tasks_of(left))
    assert not any(connection.connected() for connection in left._client._conns.values())


async def test_a_commit_that_hangs_holds_up_no_batch(
    start: Start, publish: Publish, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It only shows the lag. A client that cannot find its coordinator any more would wait in it for ever."""
    monkeypatch.setattr(AIOKafkaConsumer, "commit", _never)
    monkeypatch.setattr("mlc_common.log.consumer._COMMIT_WITHIN_S", 0.1)
    recorder = Recorder()
    start(recorder, CommitsEachTime())
    for names in ("a", "ab", "abc"):
        await publish(names[-1])
        await recorder.until(*names)


async def test_a_client_that_hangs_when_it_starts_is_started_once_more(
    start: Start, publish: Publish, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun: list[AIOKafkaConsumer] = []
    starts = AIOKafkaConsumer.start

    async def hangs_once(consumer: AIOKafkaConsumer) -> None:
        begun.append(consumer)
        await (_never if len(begun) == 1 else starts)(consumer)

    monkeypatch.setattr(AIOKafkaConsumer, "start", hangs_once)
    monkeypatch.setattr("mlc_common.log.consumer._START_WITHIN_S", 5.0)
    recorder = Recorder()
    await publish("a")
    start(recorder, Waits())
    await recorder.until("a")
    assert len(begun) > 1
