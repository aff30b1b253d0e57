"""What the parts of one process share, and how they run together: pool, log, vault, metrics, one health port.

A part is a coroutine ``run(runtime)`` that works until it is cancelled, found by its name in the entry-point group
``mlc.parts``. Small tenants run all parts in one process, the same code; any part's end ends the process (architecture
§7), because a half of the whole is worse than a restart.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from importlib.metadata import entry_points
from typing import Protocol

import structlog

from mlc_common.clock import Clock, SystemClock
from mlc_common.errors import ConfigurationError, ConnectorError
from mlc_common.events import Topics
from mlc_common.log import LogProducer, ensure_topics
from mlc_common.serving import serving
from mlc_common.settings import CommonSettings
from mlc_common.store import migrations
from mlc_common.store.pool import Pool, connect
from mlc_common.telemetry import MetricsRegistry, health_app
from mlc_common.vault import Vault

_log = structlog.get_logger(__name__)

GROUP = "mlc.parts"

_TICK_S = 0.05


class PartEnded(ConnectorError):  # noqa: N818
    """A part of the process ended by itself, which it must not."""

    code = "part_ended"


@dataclass(frozen=True)
class Runtime:
    """What every part of a process is given.

    Attributes:
        owner: Names this process in leases.
        checks: Readiness checks; the process is ready when all say so.
        announced: What parts tell of themselves when they are up: ``{"ingest": "http://…"}``.
    """

    settings: CommonSettings
    topics: Topics
    clock: Clock
    metrics: MetricsRegistry
    pool: Pool
    log: LogProducer
    vault: Vault
    owner: str
    checks: dict[str, Callable[[], Awaitable[bool]]] = field(default_factory=dict)
    announced: dict[str, str] = field(default_factory=dict)

    async def ready(self) -> bool:
        """Whether the database answers and every part says that it can work."""
        await self.pool.fetchval("select 1")
        return all([await check() for check in self.checks.values()])

    async def until_ready(self) -> None:
        """Wait until every part that was started can work."""
        await asyncio.sleep(0)  # parts register their checks when they begin
        while not await self.ready():
            await self.clock.sleep(_TICK_S)


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


def _load(names: Sequence[str]) -> dict[str, Part]:
    """These parts and no others: what is not run is not loaded."""
    points = {point.name: point for point in entry_points(group=GROUP)}
    unknown = sorted(set(names) - set(points))
    if unknown:
        raise ConfigurationError(f"there is no part {', '.join(unknown)}; known are {', '.join(known_parts())}")
    return {name: points[name].load() for name in names}


@asynccontextmanager
async def open_runtime(settings: CommonSettings, *, owner: str, clock: Clock | None = None) -> AsyncIterator[Runtime]:
    """Connect to everything that the parts share; migrations and topics are made here, so any process may be first.

    Raises:
        ConfigurationError: a setting does not work; says which and what to do.
    """
    dsn = settings.database_url.get_secret_value()
    topics = Topics(settings.tenant)
    async with AsyncExitStack() as stack:
        await migrations.apply(dsn)
        pool = await connect(dsn, application=f"mlc {owner}", most=settings.database_connections)
        stack.push_async_callback(pool.close)
        vault = await Vault.start(pool, settings.vault_key_file, settings.tenant)
        await ensure_topics(settings.kafka_bootstrap_servers, topics.all(), replication=settings.kafka_replication)
        log = await stack.enter_async_context(LogProducer(settings.kafka_bootstrap_servers, client_id=owner))
        yield Runtime(
            settings=settings,
            topics=topics,
            clock=clock or SystemClock(),
            metrics=MetricsRegistry(),
            pool=pool,
            log=log,
            vault=vault,
            owner=owner,
        )


async def run_parts(names: Sequence[str], runtime: Runtime, *, up: Callable[[Runtime], None]) -> None:
    """Run these parts and the health port until cancelled.

    Args:
        names: Which parts.
        runtime: What they share.
        up: Called once the health port listens and every part can work.

    Raises:
        PartEnded: a part returned.
        ConfigurationError: a name is not known.
    """
    parts = _load(names)
    health = health_app(runtime.ready, runtime.metrics)
    async with (
        serving(health, host=runtime.settings.metrics_host, port=runtime.settings.metrics_port) as port,
        asyncio.TaskGroup() as group,
    ):
        runtime.announced["health"] = f"http://127.0.0.1:{port}"
        for name in names:
            group.create_task(_run(name, parts[name], runtime), name=name)
        await runtime.until_ready()
        up(runtime)


async def _run(name: str, part: Part, runtime: Runtime) -> None:
    """Run one part; why it ended is said at once, because the others may take their time to end."""
    try:
        await part(runtime)
    except Exception as error:
        _log.error("part.failed", part=name, exc_info=error)
        raise
    raise PartEnded(f"{name} ended by itself")
