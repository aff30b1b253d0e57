"""Wires the poller: per store connection, by lease, polls, sweeps, answers fetches and cares for the webhooks."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import date, timedelta
from functools import partial

import structlog

from mlc_common.audit.telling import PRODUCER
from mlc_common.errors import ConfigurationError, Retryable, Unconfirmed
from mlc_common.events import PollCompleted
from mlc_common.log.consumer import LogConsumer
from mlc_common.runtime import Runtime
from mlc_common.settings import load
from mlc_common.store import connections, leases, mappings
from mlc_common.store.outbox import publish_pending
from mlc_common.store.pool import UNAVAILABLE
from mlc_common.store.publisher import Publisher
from mlc_common.supervision import Supervisor
from mlc_common.telemetry import HttpMetrics
from mlc_common.vault.changes import Changes
from mlc_common.vault.connections import Connection, ConnectionKind
from mlc_poller import store
from mlc_poller.connection import open_client
from mlc_poller.fetches import FetchIntake, answer_due
from mlc_poller.orders import OrderPoll
from mlc_poller.settings import PollerSettings
from mlc_poller.snapshots import TROUBLE, Snapshots
from mlc_poller.webhooks import WebhookCare

_log = structlog.get_logger(__name__)

_RENEWALS = 3
"""How often a lease is renewed before it would run out."""

_FETCH_IDLE_S = 1.0


@dataclass(frozen=True)
class Served:
    """A store connection and what its flows need of it.

    Another flow, or another cut-over, is another ``Served`` although the store is read in the same way: what was
    appended before it must be appended again.
    """

    connection: Connection
    needs: frozenset[str]
    flows: frozenset[tuple[str, date | None]]


async def run(runtime: Runtime) -> None:
    """Poll every store that a flow names, until cancelled."""
    settings = load(PollerSettings)
    asked = asyncio.Event()
    intake = FetchIntake(runtime.pool, runtime.topics, wake=asked.set)
    consumer = LogConsumer(
        runtime.settings.kafka_bootstrap_servers,
        [runtime.topics.control],
        group=f"{runtime.topics.tenant}.{store.PRODUCER}",
        handler=intake,
        clock=runtime.clock,
        metrics=runtime.metrics,
        session_s=runtime.settings.kafka_session_seconds,
        max_poll_s=runtime.settings.kafka_max_poll_seconds,
    )
    publisher = Publisher(runtime.pool, runtime.log, store.PRODUCER, runtime.clock)

    async def serve(_: str, served: Served) -> None:
        await _while_leased(served, runtime, settings, asked)

    async with asyncio.TaskGroup() as group:
        group.create_task(consumer.run())
        group.create_task(publisher.run())
        group.create_task(Supervisor(lambda: _wanted(runtime), serve, runtime.clock).run())


async def _wanted(runtime: Runtime) -> Mapping[str, Served]:
    flows: dict[str, list[mappings.AppliedMapping]] = {}
    for mapping in await mappings.current(runtime.pool):
        flows.setdefault(mapping.store, []).append(mapping)
    known = await connections.list_all(runtime.pool, ConnectionKind.WOOCOMMERCE)
    return {each.id: _served(each, flows[each.id]) for each in known if each.id in flows}


def _served(connection: Connection, flows: list[mappings.AppliedMapping]) -> Served:
    needs = frozenset(need for flow in flows for need in flow.needs)
    return Served(connection, needs, frozenset((flow.flow, flow.since) for flow in flows))


async def _while_leased(served: Served, runtime: Runtime, settings: PollerSettings, asked: asyncio.Event) -> None:
    """Work for one store as long as the lease is ours; wait for it otherwise."""
    name, owner, seconds = f"poller:{served.connection.id}", f"{runtime.owner}:poller", settings.poller_lease_seconds
    while (lease := await leases.acquire(runtime.pool, name, owner, seconds)) is None:
        await runtime.clock.sleep(seconds / _RENEWALS)
    work = asyncio.create_task(_work(served, runtime, settings, asked), name=f"poll {served.connection.id}")
    try:
        while not work.done():
            await asyncio.wait({work}, timeout=seconds / _RENEWALS)
            if await leases.acquire(runtime.pool, name, owner, seconds) is None:
                raise Retryable(f"another poller took {served.connection.id} over")
        work.result()
    finally:
        work.cancel()
        await asyncio.gather(work, return_exceptions=True)
        with suppress(*UNAVAILABLE):  # it runs out by itself; an error here would hide that we are told to end
            await leases.release(runtime.pool, lease)


async def _work(served: Served, runtime: Runtime, settings: PollerSettings, asked: asyncio.Event) -> None:
    connection, clock = served.connection.id, runtime.clock
    async with await open_client(served.connection, runtime.vault, clock, HttpMetrics(runtime.metrics)) as client:
        snapshots = Snapshots(
            client,
            runtime.log,
            runtime.topics,
            connection,
            clock,
            metrics=runtime.metrics,
            needs=served.needs,
            stands=partial(store.stands_at, runtime.pool, {flow for flow, _ in served.flows}, connection),
        )
        poll = OrderPoll(
            runtime.pool,
            client,
            snapshots,
            runtime.topics,
            connection,
            clock,
            flows={flow: since or clock.now().date() for flow, since in served.flows},
            overlap=timedelta(seconds=settings.poller_overlap_seconds),
            lookback=timedelta(days=settings.poller_sweep_days),
        )
        changes = Changes(runtime.pool, runtime.vault, runtime.topics, clock, by="poller")
        public_url = await _public_url(runtime, settings)
        care = WebhookCare(client, changes, connection, public_url, partial(_tell, runtime))
        pace, poll_due = _Pace(runtime, connection), asyncio.Event()

        async def care_for_webhooks() -> bool:
            mended = await care.ensure()
            if mended:  # what a missing webhook did not deliver, nobody delivers again
                poll_due.set()
            return mended

        async with asyncio.TaskGroup() as group:
            group.create_task(pace.every(settings.poller_webhook_seconds, "webhooks", care_for_webhooks))
            group.create_task(pace.every(settings.poller_interval_seconds, "orders", poll.poll, due=poll_due))
            group.create_task(pace.every(settings.poller_sweep_seconds, "orders-sweep", poll.sweep))
            group.create_task(pace.every(settings.poller_interval_seconds, "orders-backfill", poll.backfill))
            group.create_task(_answer(runtime, snapshots, asked))


@dataclass(frozen=True)
class _Pace:
    """Does things again and again for one connection, and counts how that went."""

    runtime: Runtime
    connection: str

    async def every(
        self,
        seconds: float,
        what: str,
        act: Callable[[], Awaitable[PollCompleted | bool | None]],
        *,
        due: asyncio.Event | None = None,
    ) -> None:
        """Now, every ``seconds`` and when ``due`` says so; trouble of the other side is said and waited out.

        Args:
            seconds: How often.
            what: What it is called.
            act: Does it; None = there was nothing to do.
            due: Set when it is to be done early.
        """
        early = due or asyncio.Event()
        while True:
            early.clear()
            try:
                done = await act()
            except (*TROUBLE, Unconfirmed, *UNAVAILABLE) as error:
                _log.warning("poller.postponed", what=what, error=type(error).__name__, detail=str(error))
                self._count(what, "postponed")
            else:
                if done is not None:
                    self._count(what, "done")
                if isinstance(done, PollCompleted):
                    cursor = self.runtime.metrics.poll_cursor_seconds.labels(self.connection, what)
                    cursor.set(done.until.timestamp())
            with suppress(TimeoutError):
                async with asyncio.timeout(seconds):
                    await early.wait()

    def _count(self, what: str, outcome: str) -> None:
        self.runtime.metrics.polls.labels(self.connection, what, outcome).inc()


async def _answer(runtime: Runtime, snapshots: Snapshots, asked: asyncio.Event) -> None:
    while True:
        asked.clear()
        try:
            while await answer_due(runtime.pool, snapshots):
                continue
        except UNAVAILABLE as error:
            _log.warning("poller.postponed", what="fetches", error=type(error).__name__)
        with suppress(TimeoutError):  # not wait_for: up to Python 3.11 it loses a cancellation that meets the event
            async with asyncio.timeout(_FETCH_IDLE_S):
                await asked.wait()


async def _tell(runtime: Runtime) -> None:
    """Append what was told of a connection; where the broker is away, the auditor does it later."""
    with suppress(Retryable):
        await publish_pending(runtime.pool, runtime.log, PRODUCER, [0])


async def _public_url(runtime: Runtime, settings: PollerSettings) -> str:
    """Where the store reaches the gateway; the gateway of this process when nothing else is said.

    Raises:
        ConfigurationError: nobody said, and there is no gateway here.
    """
    if settings.public_url:
        return settings.public_url
    for _ in range(50):
        if "ingest" in runtime.announced:
            return runtime.announced["ingest"]
        await runtime.clock.sleep(0.1)
    raise ConfigurationError("set MLC_PUBLIC_URL to where stores reach the webhook gateway")
