"""Migrations: once each, from however many processes at once; and back."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncIterator

import asyncpg
import pytest

from mlc_common.errors import ConfigurationError
from mlc_common.store import migrations
from mlc_common.store.pool import UNAVAILABLE, connect
from mlc_localstack import create_database, drop_database

pytestmark = pytest.mark.postgres


@pytest.fixture
async def empty(postgres_dsn: str) -> AsyncIterator[str]:
    """The address of a database with nothing in it."""
    name = f"test_{secrets.token_hex(8)}"
    yield await create_database(postgres_dsn, name)
    await drop_database(postgres_dsn, name)


async def schema(dsn: str) -> list[tuple[str, str, str]]:
    connection = await asyncpg.connect(dsn)
    try:
        rows = await connection.fetch(
            "select table_name, column_name, data_type from information_schema.columns where table_schema = 'public'"
            " and table_name not like '%pogo%' order by 1, 2"
        )
        return [tuple(row) for row in rows]
    finally:
        await connection.close()


async def test_an_empty_database_gets_every_table(empty: str) -> None:
    await migrations.apply(empty)

    tables = {table for table, _, _ in await schema(empty)}
    assert tables >= {"consumer_positions", "outbox", "posting_queue", "posting_orders", "posting_documents", "leases"}


async def test_applying_again_changes_nothing(empty: str) -> None:
    await migrations.apply(empty)
    before = await schema(empty)
    await migrations.apply(empty)

    assert await schema(empty) == before


async def test_processes_that_start_at_once_migrate_once(empty: str) -> None:
    await asyncio.gather(*(migrations.apply(empty) for _ in range(5)))

    assert await schema(empty)


async def test_rows_survive_a_second_run(empty: str) -> None:
    await migrations.apply(empty)
    pool = await connect(empty, application="test")
    await pool.execute("insert into consumer_positions values ('mapper', 't', 0, 7)")
    await migrations.apply(empty)

    assert await pool.fetchval("select next_offset from consumer_positions") == 7
    await pool.close()


async def test_a_database_that_does_not_exist_is_a_matter_of_configuration(empty: str) -> None:
    with pytest.raises(ConfigurationError, match="DATABASE_URL"):
        await connect(empty + "_not", application="test")


async def test_a_server_that_ends_a_connection_counts_as_unavailable(empty: str) -> None:
    pool = await connect(empty, application="test", most=1)
    async with pool.acquire() as connection:
        other = await asyncpg.connect(empty)
        await other.execute("select pg_terminate_backend($1, 5000)", connection.get_server_pid())
        await other.close()
        with pytest.raises(UNAVAILABLE):
            await connection.fetchval("select 1")
    assert await pool.fetchval("select 1") == 1
    await pool.close()
