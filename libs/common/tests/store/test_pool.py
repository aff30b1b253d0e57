"""What a connection does on its way back to the pool: no statement of its own, and no transaction left open."""

from __future__ import annotations

import asyncpg

from mlc_common.store.pool import connect

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
