"""R3, R4: PostgreSQL and the broker go away under load and come back: nothing lost, and no process of ours restarted.

The servers are this module's own, so that no other test suffers. The shop keeps selling all the while: what the
gateway did not acknowledge is found by the poll, as it would be in a real store, which tries no webhook twice.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import sha256
from typing import Any

import asyncpg
import psutil
import pytest
import pytest_asyncio

from mlc_common.errors import Retryable
from mlc_common.events import Envelope
from mlc_common.log import LogProducer, ensure_topics, read_topic
from mlc_localstack import KafkaServer, LocalStack, PostgresServer

from .tenants import Tenant, opened
from .waiting import until

pytestmark = [
    pytest.mark.asyncio(loop_scope="session"),
    pytest.mark.xdist_group("servers-restart"),
    pytest.mark.kafka,
    pytest.mark.postgres,
    pytest.mark.slow,
]

BEFORE, MEANWHILE, AFTER = 5, 10, 5
LOCKED_S, READ_ONLY_S, GIVES_UP_S = 8.0, 4.0, 60.0


@dataclass
class Stand:
    """A tenant and the servers that it alone uses."""

    tenant: Tenant
    kafka: KafkaServer
    postgres: PostgresServer


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def stand(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Stand]:
    """A tenant on servers of its own."""
    folder = tmp_path_factory.mktemp("servers-restart")
    async with (
        LocalStack(folder / "stack", environment={}) as servers,
        opened(
            folder / "tenant",
            kafka=servers.bootstrap_servers,
            server_dsn=servers.dsn,
            MLC_POLLER_INTERVAL_SECONDS="1",
            MLC_INGEST_PUBLISH_SECONDS="2",
        ) as tenant,
    ):
        yield Stand(tenant, servers.kafka, servers.postgres)


async def selling_through(stand: Stand, trouble: Awaitable[None]) -> None:
    """Sell before, during and after; every order must be posted once, by the processes that were there before."""
    tenant, everything = stand.tenant, stand.tenant.rig.parts["all"]
    pid = everything.pid
    orders: list[dict[str, Any]] = [await tenant.sell(settle=False) for _ in range(BEFORE)]
    going_on = asyncio.ensure_future(trouble)
    for _ in range(MEANWHILE):
        orders.append(await tenant.sell(settle=False))
        await asyncio.wait({going_on}, timeout=0.1)
    await going_on
    orders += [await tenant.sell(settle=False) for _ in range(AFTER)]
    for order in orders:
        await tenant.booked(order["id"], {"IN": "3.33"})
    await tenant.at_rest()
    for order in orders:
        await tenant.booked(order["id"], {"IN": "3.33"})
        assert await tenant.held(order["id"]) == {}
    assert everything.running
    assert everything.pid == pid
    assert await acknowledged(tenant) <= await on_the_log(tenant)


async def acknowledged(tenant: Tenant) -> set[str]:
    """Digests of the webhooks that were answered with 2xx; the shop's word."""
    told = (await tenant.rig.http.get(f"{tenant.rig.shop_url}/_sandbox/deliveries")).json()
    sent = [one for one in told if one["kind"] == "delivery" and one["answered"]]
    assert sent
    return {one["body_sha256"] for one in sent if one["answered"] // 100 == 2}


async def on_the_log(tenant: Tenant) -> set[str]:
    """Digests of the webhooks that are on the log."""
    return {sha256(event.data).hexdigest() for event in await tenant.log(tenant.topics.raw_orders)}


async def test_a_restart_of_postgresql_under_load_loses_nothing(stand: Stand) -> None:
    await selling_through(stand, asyncio.to_thread(stand.postgres.restart, "fast"))


async def test_a_crash_of_postgresql_under_load_loses_nothing(stand: Stand) -> None:
    await selling_through(stand, asyncio.to_thread(stand.postgres.restart, "immediate"))


async def test_tables_that_somebody_locks_for_longer_than_a_statement_may_take_lose_nothing(stand: Stand) -> None:
    async def lock() -> None:
        connection = await asyncpg.connect(stand.tenant.rig.environment["DATABASE_URL"])
        try:
            async with connection.transaction():
                await connection.execute("lock table order_states, posting_documents, consumer_positions")
                await asyncio.sleep(LOCKED_S)
        finally:
            await connection.close()

    await selling_through(stand, lock())


async def test_a_database_that_takes_no_writes_for_a_while_loses_nothing(stand: Stand) -> None:
    async def read_only() -> None:
        connection = await asyncpg.connect(stand.postgres.dsn)
        try:
            await connection.execute("alter system set default_transaction_read_only = on")
            await connection.execute("select pg_reload_conf()")
            await asyncio.sleep(READ_ONLY_S)
        finally:
            await connection.execute("set default_transaction_read_only = off")
            await connection.execute("alter system reset default_transaction_read_only")
            await connection.execute("select pg_reload_conf()")
            await connection.close()

    await selling_through(stand, read_only())


async def test_a_restart_of_the_broker_under_load_loses_nothing(stand: Stand) -> None:
    await selling_through(stand, asyncio.to_thread(stand.kafka.restart))


async def test_a_crash_of_the_broker_under_load_loses_nothing(stand: Stand) -> None:
    def crash() -> None:
        stand.kafka.kill()
        stand.kafka.start()

    await selling_through(stand, asyncio.to_thread(crash))


async def test_a_broker_whose_disk_is_full_loses_nothing(stand: Stand) -> None:
    """R3: not one byte more can be written; the broker gives up, and comes back once there is room."""

    def fill() -> None:
        process = psutil.Process(stand.kafka.pid)
        _, hard = process.rlimit(psutil.RLIMIT_FSIZE)
        process.rlimit(psutil.RLIMIT_FSIZE, (1, hard))
        process.wait(GIVES_UP_S)
        stand.kafka.start()

    await selling_through(stand, asyncio.to_thread(fill))


async def test_a_producer_appends_again_after_the_broker_was_away_for_longer_than_a_request_may_take(
    stand: Stand,
) -> None:
    topic, brokers = f"{stand.tenant.topics.tenant}.producer-test", stand.kafka.bootstrap_servers
    await ensure_topics(brokers, [topic])
    events = [(topic, an_event(number)) for number in range(1, 9)]
    async with LogProducer(brokers, client_id="test", request_timeout_s=1.0) as producer:
        await producer.publish(topic, an_event(0))
        await asyncio.to_thread(stand.kafka.stop)
        with pytest.raises((Retryable, TimeoutError)):
            async with asyncio.timeout(3.0):
                await producer.publish_all(events)
        await asyncio.to_thread(stand.kafka.start)

        async def appended() -> bool:
            try:
                await producer.publish_all(events)
            except Retryable:
                return False
            return True

        await until(appended, "it appends again", within=20)
    found = {record.envelope().id async for record in read_topic(brokers, topic)}
    assert found == {str(number) for number in range(9)}


def an_event(number: int) -> Envelope:
    """One of several, spread over the partitions."""
    at = datetime(2026, 11, 21, tzinfo=UTC)
    return Envelope(id=str(number), type="test", source="/test", subject=f"test:thing:{number}", time=at, data=b"{}")
