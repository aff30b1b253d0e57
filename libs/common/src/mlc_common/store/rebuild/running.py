"""Nobody may work on the tables while they are rebuilt: who does, and how long to wait for it to end.

The webhook gateway may go on: it appends to the log and reads secrets, which no rebuild moves.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from mlc_common.clock import Clock
from mlc_common.errors import ConfigurationError
from mlc_common.events import Topics
from mlc_common.log.groups import readers
from mlc_common.store.pool import Connection, Pool
from mlc_common.store.rebuild.folding import Progress

PATIENCE_S = 20.0
"""A process that was killed is a member of its group until its session runs out, 10 s by custom."""

_TICK_S = 1.0
_LOCK = "hashtextextended('mlc:rebuild', 0)"

_SESSIONS = """
select distinct application_name from pg_stat_activity
where datname = current_database() and pid <> pg_backend_pid() and application_name like 'mlc mlc-%'
    and application_name not like 'mlc mlc-ingest@%'
order by 1
"""


async def until_nobody_works(pool: Pool, brokers: str, topics: Topics, clock: Clock, told: Progress) -> None:
    """Wait until no part of the tenant works any more, but not for long.

    Raises:
        ConfigurationError: one does; says which.
    """
    begun = clock.monotonic()
    while found := await _at_work(pool, brokers, topics):
        waited = clock.monotonic() - begun
        if waited > PATIENCE_S:
            raise ConfigurationError(
                f"still at work on this tenant: {', '.join(found)}. Stop every part but ingest, then rebuild "
                "(--force rebuilds all the same, see docs/rebuild.md)"
            )
        told("waiting for parts to end", int(waited), int(PATIENCE_S))
        await clock.sleep(_TICK_S)


async def _at_work(pool: Pool, brokers: str, topics: Topics) -> list[str]:
    sessions = [row["application_name"].removeprefix("mlc ") for row in await pool.fetch(_SESSIONS)]
    groups = await readers(brokers, f"{topics.tenant}.")
    # A process is both; one that cannot reach the database is a reader alone.
    return sessions or [f"a reader of the group {name}" for name in sorted(groups)]


async def refuse_meanwhile(connection: Connection) -> None:
    """No rebuild begins until the caller's transaction ends: what it puts into the outbox would go with the old tables.

    Raises:
        ConfigurationError: one is running.
    """
    if not await connection.fetchval(f"select pg_try_advisory_xact_lock_shared({_LOCK})"):
        raise ConfigurationError("the tables of this tenant are being rebuilt; try again when `mlc rebuild` has ended")


@asynccontextmanager
async def alone(pool: Pool) -> AsyncIterator[None]:
    """While one rebuild runs, no other does.

    Raises:
        ConfigurationError: another one runs.
    """
    async with pool.acquire() as connection:
        if not await connection.fetchval(f"select pg_try_advisory_lock({_LOCK})"):
            raise ConfigurationError(
                "another rebuild of this tenant is running, or keys or a connection are being changed; wait for its end"
            )
        try:
            yield
        finally:
            await connection.execute(f"select pg_advisory_unlock({_LOCK})")
