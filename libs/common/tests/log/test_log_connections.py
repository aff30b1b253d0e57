"""Connections that the broker resets, on the loop that production runs on.

As ``mlc run`` does it: asyncio's own loop, which all other tests run on, forgives what uvloop does not.
"""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Coroutine, Iterator
from typing import Any

import aiokafka.client
import pytest
import uvloop
from aiokafka import AIOKafkaConsumer
from aiokafka.conn import AIOKafkaProtocol, create_conn
from aiokafka.errors import IncompatibleBrokerVersion, KafkaConnectionError
from aiokafka.protocol.metadata import MetadataRequest

from mlc_common.log import LogProducer, ensure_topics
from mlc_common.log.connections import Connection
from mlc_common.log.consumer import LogConsumer

from .conftest import event
from .reading import CommitsEachTime
from .recorder import WITHIN_S, Recorder
from .relay import Relay, relayed

pytestmark = pytest.mark.kafka


def on_uvloop(steps: Coroutine[Any, Any, None]) -> None:
    """Run a test's steps."""
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(steps)


@pytest.fixture
def relay(kafka_bootstrap: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Relay]:
    """Every client's connections go through it, whatever address the broker tells."""
    with relayed(kafka_bootstrap) as relay:

        async def through_it(host: str, port: int, **options: Any) -> Any:
            return await create_conn("127.0.0.1", relay.port, **options)

        monkeypatch.setattr(aiokafka.client, "create_conn", through_it)
        yield relay


def test_a_connection_that_was_reset_says_so_to_whoever_uses_it(relay: Relay) -> None:
    async def steps() -> None:
        connection = await create_conn("127.0.0.1", relay.port)
        relay.reset()
        told: list[Exception] = []
        async with asyncio.timeout(WITHIN_S):
            while not told:
                try:
                    waiting = asyncio.ensure_future(connection.send(MetadataRequest([])))
                    waiting.add_done_callback(lambda answer: answer.exception())
                except Exception as error:
                    told.append(error)
                await asyncio.sleep(0)
        assert [type(error) for error in told] == [KafkaConnectionError]
        assert not connection.connected()

    on_uvloop(steps())


def test_what_is_wrong_with_a_request_stays_what_it_is(relay: Relay) -> None:
    async def steps() -> None:
        connection = await create_conn("127.0.0.1", relay.port)
        connection._versions = {}
        with pytest.raises(IncompatibleBrokerVersion):
            connection.send(MetadataRequest([]))
        connection._versions = {MetadataRequest.API_KEY: (99, 99)}
        with pytest.raises(NotImplementedError):
            connection.send(MetadataRequest([]))
        assert connection.connected()
        await connection.close()

    on_uvloop(steps())


async def test_a_client_that_is_cancelled_while_it_starts_leaves_no_connection_open(
    kafka_bootstrap: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In its first question, which it forgets: a part that is stopped just then."""
    asked, transports, send = asyncio.Event(), [], Connection.send

    def is_never_answered(connection: Connection, request: Any, expect_response: bool = True) -> Any:
        if not isinstance(request, MetadataRequest):
            return send(connection, request, expect_response)
        transports.append(connection._writer.transport)
        asked.set()
        return asyncio.get_running_loop().create_future()

    monkeypatch.setattr(Connection, "send", is_never_answered)
    await start_and_cancel(kafka_bootstrap, asked)
    gc.collect()
    (transport,) = transports
    assert transport.is_closing()


async def start_and_cancel(bootstrap: str, when: asyncio.Event) -> None:
    """Start a client and cancel that; nothing knows of it afterwards."""
    client = aiokafka.client.AIOKafkaClient(bootstrap_servers=bootstrap)
    starting = asyncio.create_task(client.bootstrap())
    await asyncio.wait_for(when.wait(), WITHIN_S)
    starting.cancel()
    await asyncio.wait([starting])
    await client.close()


class AsksAtTheWrongMoment:
    """Makes the one consumer ask for metadata while a connection is being lost, as the loss of its other one does."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.consumers: list[AIOKafkaConsumer] = []
        self.asked = asyncio.Event()
        start, lost = AIOKafkaConsumer.start, AIOKafkaProtocol.connection_lost

        async def starts(consumer: AIOKafkaConsumer) -> None:
            self.consumers.append(consumer)
            await start(consumer)

        def loses(protocol: AIOKafkaProtocol, error: Exception | None) -> None:
            if isinstance(error, ConnectionResetError):
                self.consumers[0]._client.force_metadata_update()
                self.asked.set()
            lost(protocol, error)

        monkeypatch.setattr(AIOKafkaConsumer, "start", starts)
        monkeypatch.setattr(AIOKafkaProtocol, "connection_lost", loses)


def test_a_reading_goes_on_when_metadata_is_asked_for_in_the_moment_of_a_reset(
    relay: Relay, kafka_bootstrap: str, tenant: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What two of 190 chaos runs met: the part lived, and its partition was read no further."""

    async def steps() -> None:
        recorder, meddler, topic = Recorder(), AsksAtTheWrongMoment(monkeypatch), f"{tenant}.raw.orders"
        await ensure_topics(kafka_bootstrap, [topic], partitions=1)
        consumer = LogConsumer(
            kafka_bootstrap, [topic], group=f"{topic}.test", handler=recorder, clock=CommitsEachTime(), session_s=2.0
        )
        reading = asyncio.create_task(consumer.run())
        async with LogProducer(kafka_bootstrap, client_id="test") as producer:
            await producer.publish(topic, event("a"))
            await recorder.until("a")
            relay.reset()
            await asyncio.wait_for(meddler.asked.wait(), WITHIN_S)
            for names in ("ab", "abc", "abcd"):  # commits in between need the coordinator, and it needs metadata
                await producer.publish(topic, event(names[-1]))
                await recorder.until(*names)
        (client,) = (consumer._client for consumer in meddler.consumers)
        assert await asyncio.wait_for(client.force_metadata_update(), WITHIN_S)
        reading.cancel()
        await asyncio.gather(reading, return_exceptions=True)

    on_uvloop(steps())
