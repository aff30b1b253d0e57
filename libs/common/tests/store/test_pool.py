"""What a connection does on its way back to the pool, and what of its errors passes by itself."""

from __future__ import annotations

import asyncpg
import pytest

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
