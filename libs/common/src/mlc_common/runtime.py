"""What the parts of one process share, and how they run together: pool, log, vault, metrics, one health port.

A part is a coroutine ``run(runtime)`` that works until it is cancelled, found by its name in the entry-point group
``mlc.parts``. Those that are in ``mlc.parts.patient`` too need nothing but ``Surroundings``: they start before the
broker and the database do. Small tenants run all parts in one process, the same code; any part's end ends the process
(architecture §7), because a half of the whole is worse than a restart.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from importlib.metadata import entry_points
from typing import Any, Protocol

import structlog

from mlc_common.clock import Clock, SystemClock
from mlc_common.errors import ConfigurationError, ConnectorError
from mlc_common.events import Topics
from mlc_common.log import LogProducer, ensure_topics
from mlc_common.serving import serving
from mlc_common.settings import CommonSettings
from mlc_common.store import migrations, stalled
from mlc_common.store.pool import UNAVAILABLE, Pool, connect
from mlc_common.telemetry import MetricsRegistry, health_app
from mlc_common.vault import Vault

_log = structlog.get_logger(__name__)

GROUP = "mlc.parts"
PATIENT = "mlc.parts.patient"

_TICK_S = 0.05


class PartEnded(ConnectorError):  # noqa: N818
    """A part of the process ended by itself, which it must not."""

    code = "part_ended"


@dataclass(frozen=True, kw_only=True)
class Surroundings:
    """What a part has from its first moment, whether broker and database are there or not.

    Attributes:
        owner: Names this process in leases.
        checks: Readiness checks; the process is ready when all say so.
        announced: What parts tell of themselves when they are up: ``{"ingest": "http://…"}``.
    """

    settings: CommonSettings
    topics: Topics
    clock: Clock
    owner: str
    metrics: MetricsRegistry = field(default_factory=MetricsRegistry)
    checks: dict[str, Callable[[], Awaitable[bool]]] = field(default_factory=dict)
    announced: dict[str, str] = field(default_factory=dict)

    async def ready(self) -> bool:
        """Whether every part says that it can work."""
        return all([await check() for check in self.checks.values()])

    async def until_ready(self) -> None:
        """Wait until every part that was started can work."""
        await asyncio.sleep(0)  # parts register their checks when they begin
        while not await self.ready():
            await self.clock.sleep(_TICK_S)


@dataclass(frozen=True, kw_only=True)
class Records(Surroundings):
    """The same with the tenant's database and vault, for what needs no log."""

    pool: Pool
    vault: Vault

    async def ready(self) -> bool:
        """Whether the database answers and every part says that it can work."""
        await self.pool.fetchval("select 1")
        return await super().ready()

    async def until_ready(self) -> None:
        """The same; a database that is lost meanwhile is waited for."""
        while True:
            try:
                return await super().until_ready()
            except UNAVAILABLE as error:
                _log.warning("process.waiting_for_database", error=type(error).__name__)
                await self.clock.sleep(_TICK_S)


@dataclass(frozen=True, kw_only=True)
class Runtime(Records):
    """The same with the log: what every part of a process is given."""

    log: LogProducer


class Part(Protocol):
    """One service's ``run``."""

    async def __call__(self, runtime: Runtime) -> None:
        """Work until cancelled."""
        ...


def known_parts() -> list[str]:
    """The names of every installed part.

    Raises:
        ConfigurationError: none is installed.
    """
    found = sorted(point.name for point in entry_points(group=GROUP))
    if not found:
        raise ConfigurationError("no part is installed; install the services of this project")
    return found


def start_without_servers(names: Sequence[str]) -> bool:
    """Whether these parts need nothing but ``Surroundings``."""
    return set(names) <= {point.name for point in entry_points(group=PATIENT)}


def _load(names: Sequence[str]) -> dict[str, Part]:
    """These parts and no others: what is not run is not loaded."""
    points = {point.name: point for point in entry_points(group=GROUP)}
    unknown = sorted(set(names) - set(points))
    if unknown:
        raise ConfigurationError(f"there is no part {', '.join(unknown)}; known are {', '.join(known_parts())}")
    return {name: points[name].load() for name in names}


def surroundings(settings: CommonSettings, *, owner: str, clock: Clock | None = None) -> Surroundings:
    """What is there before anything is connected."""
    return Surroundings(settings=settings, topics=Topics(settings.tenant), clock=clock or SystemClock(), owner=owner)


@asynccontextmanager
async def open_records(settings: CommonSettings, *, owner: str, clock: Clock | None = None) -> AsyncIterator[Records]:
    """Connect to the database and open the vault; migrations are made here, so any process may be first.

    Raises:
        ConfigurationError: a setting does not work, or the vault's keys do not open it; says which and what to do.
        ServerUnreachable: the database does not answer.
    """
    dsn = settings.database_url.get_secret_value()
    await migrations.apply(dsn)
    pool = await connect(
        dsn,
        application=f"{stalled.APPLICATION}{owner}",
        most=settings.database_connections,
        stalled_s=settings.database_stalled_seconds,
    )
    try:
        vault = await Vault.start(pool, settings.vault_key_file, settings.tenant)
        around = surroundings(settings, owner=owner, clock=clock)
        yield Records(**vars(around), pool=pool, vault=vault)
    finally:
        await pool.close()


@asynccontextmanager
async def open_runtime(settings: CommonSettings, *, owner: str, clock: Clock | None = None) -> AsyncIterator[Runtime]:
    """Connect to everything that the parts share; the topics are made here, too.

    Raises:
        ConfigurationError, ServerUnreachable: as ``open_records``, and of the broker.
    """
    brokers = settings.kafka_bootstrap_servers
    async with open_records(settings, owner=owner, clock=clock) as records:
        await ensure_topics(brokers, records.topics.all(), replication=settings.kafka_replication)
        async with LogProducer(brokers, client_id=owner) as log:
            yield Runtime(**vars(records), log=log)


async def run_parts(
    names: Sequence[str],
    around: Surroundings,
    *,
    up: Callable[[], None],
    within_s: float | None = None,
) -> None:
    """Run these parts and the health port until cancelled.

    Args:
        names: Which parts.
        around: What they share; a ``Runtime``, unless they ``start_without_servers``.
        up: Called once the health port listens and every part can work.
        within_s: Call ``up`` after so many seconds, although not every part can.

    Raises:
        PartEnded: a part returned.
        ConfigurationError: a name is not known.
    """
    parts = _load(names)
    health = health_app(around.ready, around.metrics)
    async with (
        serving(health, host=around.settings.metrics_host, port=around.settings.metrics_port) as port,
        asyncio.TaskGroup() as group,
    ):
        around.announced["health"] = f"http://127.0.0.1:{port}"
        for name in names:
            group.create_task(_run(name, parts[name], around), name=name)
        if isinstance(around, Records):
            group.create_task(stalled.watch(around.pool, around.clock, around.settings.database_stalled_seconds))
        await _ready_or_late(around, within_s)
        up()


async def _ready_or_late(around: Surroundings, within_s: float | None) -> None:
    try:
        async with asyncio.timeout(within_s) as patience:
            await around.until_ready()
    except TimeoutError:
        if not patience.expired():
            raise
        _log.warning("process.not_ready_yet")


async def _run(name: str, part: Callable[[Any], Awaitable[None]], around: Surroundings) -> None:
    """Run one part; why it ended is said at once, because the others may take their time to end."""
    try:
        await part(around)
    except Exception as error:
        _log.error("part.failed", part=name, exc_info=error)
        raise
    raise PartEnded(f"{name} ended by itself")
