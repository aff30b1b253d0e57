"""R16: what a process that stands still leaves open in the database keeps no lock from the others."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import asyncpg
import pytest

from mlc_common.clock import SystemClock
from mlc_common.store import stalled
from mlc_common.store.pool import UNAVAILABLE, Pool, connect

pytestmark = pytest.mark.postgres

LOCK = 4711


@pytest.fixture
async def frozen(database: str) -> AsyncIterator[Pool]:
    """The pool of a process that is about to stand still; the server would end what is idle after a second."""
    pool = await connect(database, application="mlc frozen", most=1, stalled_s=1.0)
    yield pool
    pool.terminate()


async def is_free(pool: Pool) -> bool:
    async with pool.acquire() as connection, connection.transaction():
        return bool(await connection.fetchval("select pg_try_advisory_xact_lock($1)", LOCK))


async def state_of(pool: Pool, application: str) -> tuple[str, str]:
    row = await pool.fetchrow(
        "select state, wait_event_type from pg_stat_activity where application_name = $1", application
    )
    assert row is not None
    return row["state"], row["wait_event_type"]


async def until_ended(pool: Pool, after_s: float) -> int:
    """How many were ended, once any was."""
    async with asyncio.timeout(20):
        while not (ended := await stalled.end_stalled(pool, after_s)):
            await asyncio.sleep(0.05)
    return ended


async def test_a_client_that_stands_still_in_the_middle_of_a_statement_keeps_no_lock(pool: Pool, frozen: Pool) -> None:
    """asyncpg has sent a statement to be prepared, and nothing yet to end the exchange."""
    connection = await frozen.acquire()
    await connection.execute("begin")
    await connection.execute("select pg_advisory_xact_lock($1)", LOCK)
    await connection.prepare("select id from outbox")
    async with asyncio.timeout(20):
        while await state_of(pool, "mlc frozen") != ("active", "Client"):
            await asyncio.sleep(0.05)
    assert not await is_free(pool)
    assert await until_ended(pool, after_s=2.0) == 1, "which the server does not do by itself after one second"
    assert await is_free(pool)
    with pytest.raises(UNAVAILABLE):
        await connection.execute("select 1")


async def test_a_client_that_takes_no_rows_keeps_no_lock(pool: Pool, database: str) -> None:
    connection: Any = await asyncpg.connect(database, server_settings={"application_name": "mlc full"})
    await connection.execute("begin")
    await connection.execute("select pg_advisory_xact_lock($1)", LOCK)
    connection._transport.pause_reading()
    rows = asyncio.ensure_future(connection.fetch("select repeat('x', 1000000) from generate_series(1, 50)"))
    assert await until_ended(pool, after_s=0.5) == 1
    assert await is_free(pool)
    connection.terminate()
    await asyncio.gather(rows, return_exceptions=True)


async def test_who_works_or_is_idle_or_is_somebody_else_is_left_alone(pool: Pool, database: str) -> None:
    working, idle, dumping = [
        await asyncpg.connect(database, server_settings={"application_name": name})
        for name in ("mlc working", "mlc idle", "pg_dump")
    ]
    await dumping.prepare("select 1")
    sleeping = asyncio.ensure_future(working.execute("select pg_sleep(20)"))
    async with asyncio.timeout(20):
        while await state_of(pool, "mlc working") != ("active", "Timeout"):
            await asyncio.sleep(0.05)
    assert await state_of(pool, "pg_dump") == ("active", "Client")
    assert await stalled.end_stalled(pool, 0.0) == 0
    await idle.execute("select 1")
    await dumping.execute("select 1")
    working.terminate()
    await asyncio.gather(sleeping, return_exceptions=True)
    for connection in (idle, dumping):
        await connection.close()


async def test_it_is_looked_again_and_again_also_after_the_database_was_lost(
    pool: Pool, frozen: Pool, monkeypatch: pytest.MonkeyPatch
) -> None:
    looks: list[float] = []
    look = stalled.end_stalled

    async def lost_at_first(pool: Pool, after_s: float) -> int:
        looks.append(after_s)
        if len(looks) == 1:
            raise ConnectionResetError
        return await look(pool, after_s)

    monkeypatch.setattr(stalled, "end_stalled", lost_at_first)
    connection = await frozen.acquire()
    await connection.execute("begin")
    await connection.execute("select pg_advisory_xact_lock($1)", LOCK)
    await connection.prepare("select id from outbox")
    watching = asyncio.create_task(stalled.watch(pool, SystemClock(), 0.5))
    async with asyncio.timeout(20):
        while not await is_free(pool):
            await asyncio.sleep(0.05)
    watching.cancel()
    await asyncio.gather(watching, return_exceptions=True)
    assert looks[:2] == [0.5, 0.5]
