"""Wires the Deltek poster: for each Deltek connection with a flow, intake, engine, worker and outbox."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from functools import partial

from mlc_common.connection_types import settings_of
from mlc_common.log import ensure_topics
from mlc_common.log.consumer import LogConsumer
from mlc_common.posting.engine import Engine, EngineSettings
from mlc_common.posting.intake import CommandIntake
from mlc_common.posting.worker import Worker, WorkerSettings
from mlc_common.runtime import Runtime
from mlc_common.settings import load
from mlc_common.store import connections, mappings
from mlc_common.store.publisher import Publisher
from mlc_common.supervision import Supervisor
from mlc_common.vault.connections import Connection, ConnectionKind
from mlc_poster_deltek.company import CompanyLease
from mlc_poster_deltek.connection import DeltekSettings, open_client
from mlc_poster_deltek.gateway import DeltekGateway, Terms
from mlc_poster_deltek.gauges import CountingLedger, Gauges
from mlc_poster_deltek.meter import CallMeter
from mlc_poster_deltek.settings import PosterSettings
from mlc_poster_deltek.sweep import Sweep
from mlc_vendors.deltek import DeltekClient


async def run(runtime: Runtime) -> None:
    """Post for every Deltek connection that a flow names and this process serves, until cancelled."""
    settings = load(PosterSettings)

    async def wanted() -> Mapping[str, Connection]:
        named = {mapping.erp for mapping in await mappings.current(runtime.pool)}
        known = await connections.list_all(runtime.pool, ConnectionKind.DELTEK)
        return {one.id: one for one in known if one.id in named and settings.serves(one.id)}

    async def serve(_: str, connection: Connection) -> None:
        await post_for(connection, runtime)

    await Supervisor(wanted, serve, runtime.clock).run()


async def post_for(connection: Connection, runtime: Runtime) -> None:
    """Take commands of one ERP connection and post them, until cancelled.

    Raises:
        ConfigurationError: the connection cannot work as it is configured.
    """
    meter = CallMeter(runtime.metrics, connection.id)
    try:
        async with await open_client(connection, runtime.vault, runtime.clock, meter) as client:
            await _serve(connection, runtime, client, meter)
    except BaseExceptionGroup as failed:
        if len(failed.exceptions) == 1:  # what happened, as the supervisor knows it
            raise failed.exceptions[0] from None
        raise


async def _serve(connection: Connection, runtime: Runtime, client: DeltekClient, meter: CallMeter) -> None:
    erp, producer, topics, settings = (
        connection.id,
        f"poster-{connection.id}",
        runtime.topics,
        settings_of(connection, DeltekSettings),
    )
    lease = CompanyLease(
        runtime.pool,
        client,
        runtime.clock,
        connection=erp,
        company=settings.company,
        owner=runtime.owner,
        spare_s=settings.writer_lease_s,
    )
    terms = Terms(settings.company, settings.visibility_delay_s, settings.countries)
    ledger = CountingLedger(
        runtime.pool, topics, runtime.clock, producer=producer, metrics=runtime.metrics, connection=erp
    )
    gateway = DeltekGateway(client, lease, runtime.clock, meter, terms)
    pace = EngineSettings(lease_s=settings.lease_s, margin_s=settings.margin_s)
    engine = Engine(ledger, gateway, runtime.clock, runtime.owner, pace)
    worker = Worker(engine, erp, runtime.clock, WorkerSettings(concurrency=settings.concurrency))
    brokers = runtime.settings.kafka_bootstrap_servers
    await ensure_topics(brokers, [topics.commands(erp)], replication=runtime.settings.kafka_replication)
    consumer = LogConsumer(
        brokers,
        [topics.commands(erp)],
        group=f"{topics.tenant}.{producer}",
        handler=CommandIntake(runtime.pool, topics, erp, wake=worker.wake, bootstrap=brokers),
        clock=runtime.clock,
        metrics=runtime.metrics,
        session_s=runtime.settings.kafka_session_seconds,
        max_poll_s=runtime.settings.kafka_max_poll_seconds,
    )
    publisher = Publisher(runtime.pool, runtime.log, producer, runtime.clock)
    gauges = Gauges(runtime.metrics, runtime.pool, runtime.clock, client.breaker, connection=erp, producer=producer)
    sweep = Sweep(client, runtime.pool, runtime.clock, connection=erp, every_s=settings.sweep_s)
    joined = asyncio.Event()
    runtime.checks[producer] = partial(_is_set, joined)
    try:
        async with asyncio.TaskGroup() as group:
            for part in (consumer.run(joined), worker.run(), publisher.run(), gauges.run(), sweep.run()):
                group.create_task(part)
    finally:
        del runtime.checks[producer]


async def _is_set(event: asyncio.Event) -> bool:
    return event.is_set()
