"""What a connection does on its way back to the pool, and what of its errors passes by itself."""

from __future__ import annotations

import asyncio
from typing import Any, cast

import asyncpg
import pytest

from mlc_common.clock import SystemClock
from mlc_common.events import Topics
from mlc_common.runtime import Records
from mlc_common.store.pool import UNAVAILABLE, connect

_MINE = "select state, query from pg_stat_activity where application_name = 'pool test'"


async def test_a_connection_goes_back_to_the_pool_without_a_statement_of_its_own(database: str) -> None:
    pool = await connect(database, application="pool test", most=1)
    watcher = await asyncpg.connect(database)
    try:
        assert await pool.fetchval("select 1") == 1
        assert [row["query"] for row in await watcher.fetch(_MINE)] == ["select 1"]
    finally:
        await watcher.close()
        await pool.close()


async def test_a_transaction_that_was_left_open_is_ended_before_the_next_one_takes_the_connection(
    database: str,
) -> None:
    pool = await connect(database, application="pool test", most=1)
    try:
        async with pool.acquire() as connection:
            await connection.execute("create table left_open (id int)")
            await connection.execute("begin")
            await connection.execute("insert into left_open values (1)")
        assert await pool.fetchval("select count(*) from left_open") == 0
    finally:
        await pool.close()


@pytest.mark.parametrize(
    "statements",
    [
        "set statement_timeout = 50; select pg_sleep(10)",
        "set lock_timeout = 50; lock table outbox",
        "set work_mem = '64kB'; set temp_file_limit = '64kB'; "
        "select repeat(i::text, 50) from generate_series(1, 100000) i order by 1 desc",
    ],
    ids=["a statement that took too long", "a lock that nobody gives back", "no room for what is sorted"],
)
async def test_what_the_database_cannot_do_now_is_waited_out_and_is_no_defect(database: str, statements: str) -> None:
    """R4: a full disk, a lock, a limit: an order is never held as a defect of ours for that."""
    pool = await connect(database, application="pool test", most=1)
    locking = await asyncpg.connect(database)
    await locking.execute("begin; lock table outbox")
    try:
        with pytest.raises(UNAVAILABLE):
            await pool.execute(statements)
    finally:
        await locking.close()
        await pool.close()


async def test_a_task_that_is_cancelled_while_its_connection_is_lost_ends(database: str) -> None:
    """What asyncpg raises in that moment passes for a lost database, which loops wait out: the process never ended."""
    pool, lost, never = await connect(database, application="test", most=2), asyncio.Event(), asyncio.Event()
    servers: asyncio.Queue[int] = asyncio.Queue()

    async def works() -> None:
        async with pool.acquire() as connection, connection.transaction():
            connection.add_termination_listener(lambda _: lost.set())
            servers.put_nowait(connection.get_server_pid())
            await never.wait()

    task = asyncio.create_task(works())
    await pool.execute("select pg_terminate_backend($1)", await servers.get())
    await asyncio.wait_for(lost.wait(), 30)
    task.cancel()
    await asyncio.wait([task])
    await pool.close()
    assert task.cancelled()


async def test_a_part_that_starts_waits_for_a_database_that_is_lost_just_then() -> None:
    class Lost:
        looks = 0

        async def fetchval(self, _: str) -> int:
            self.looks += 1
            if self.looks == 1:
                raise asyncpg.ConnectionDoesNotExistError("connection was closed in the middle of operation")
            return 1

    lost, nothing = Lost(), cast(Any, None)
    process = Records(
        settings=nothing,
        topics=Topics("acme"),
        clock=SystemClock(),
        owner="test",
        pool=cast(Any, lost),
        vault=nothing,
    )
    await asyncio.wait_for(process.until_ready(), 30)
    assert lost.looks == 2
