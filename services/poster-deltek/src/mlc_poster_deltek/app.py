"""Wires the Deltek poster: for each Deltek connection with a flow, intake, engine, worker and outbox."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

from mlc_common.log import ensure_topics
from mlc_common.log.consumer import LogConsumer
from mlc_common.posting.engine import Engine
from mlc_common.posting.intake import CommandIntake
from mlc_common.posting.store import PostgresLedger
from mlc_common.posting.worker import Worker, WorkerSettings
from mlc_common.runtime import Runtime
from mlc_common.store import connections, mappings
from mlc_common.store.publisher import Publisher
from mlc_common.supervision import Supervisor
from mlc_common.vault.connections import Connection, ConnectionKind
from mlc_poster_deltek.company import CompanyLease
from mlc_poster_deltek.connection import open_client, settings_of
from mlc_poster_deltek.gateway import DeltekGateway
from mlc_poster_deltek.meter import CallMeter


async def run(runtime: Runtime) -> None:
    """Post for every Deltek connection that a flow names, until cancelled."""

    async def wanted() -> Mapping[str, Connection]:
        named = {mapping.erp for mapping in await mappings.current(runtime.pool)}
        known = await connections.list_all(runtime.pool, ConnectionKind.DELTEK)
        return {connection.id: connection for connection in known if connection.id in named}

    async def serve(_: str, connection: Connection) -> None:
        await post_for(connection, runtime)

    await Supervisor(wanted, serve, runtime.clock).run()


async def post_for(connection: Connection, runtime: Runtime) -> None:
    """Take commands of one ERP connection and post them, until cancelled.

    Raises:
        ConfigurationError: the connection cannot work as it is configured.
    """
    erp, producer, topics = connection.id, f"poster-{connection.id}", runtime.topics
    settings = settings_of(connection)
    meter = CallMeter(runtime.metrics, erp)
    async with await open_client(connection, runtime.vault, runtime.clock, meter) as client:
        lease = CompanyLease(
            runtime.pool, client, runtime.clock, connection=erp, company=settings.company, owner=runtime.owner
        )
        gateway = DeltekGateway(
            client, lease, runtime.clock, meter, company=settings.company, visibility_s=settings.visibility_delay_s
        )
        ledger = PostgresLedger(runtime.pool, topics, runtime.clock, producer=producer)
        engine = Engine(ledger, gateway, runtime.clock, runtime.owner)
        worker = Worker(engine, erp, runtime.clock, WorkerSettings(concurrency=settings.concurrency))
        publisher = Publisher(runtime.pool, runtime.log, producer, runtime.clock)
        intake = CommandIntake(runtime.pool, topics, erp, wake=worker.wake)
        brokers = runtime.settings.kafka_bootstrap_servers
        await ensure_topics(brokers, [topics.commands(erp)], replication=runtime.settings.kafka_replication)
        consumer = LogConsumer(
            brokers,
            [topics.commands(erp)],
            group=f"{topics.tenant}.{producer}",
            handler=intake,
            clock=runtime.clock,
        )
        async with asyncio.TaskGroup() as group:
            group.create_task(consumer.run())
            group.create_task(worker.run())
            group.create_task(publisher.run())
