"""The table of the audit index: it grows and nothing else, whoever asks (R20)."""

from __future__ import annotations

import secrets

import asyncpg
import pytest

from mlc_common.audit import AuditRow, genesis, row_of
from mlc_common.log import Record
from mlc_common.store import audit_index
from mlc_common.store.pool import Pool

pytestmark = pytest.mark.postgres

TENANT, TOPIC = "acme", "acme.raw.orders"


def row(part: int = 0, offset: int = 0, *, key: bytes = b"shop:order:1") -> AuditRow:
    """The row of a record that no reader understands: enough for the table."""
    record = Record(TOPIC, part, offset, (), key, b"x", 1_700_000_000_000)
    return row_of(record, genesis(TENANT, TOPIC, part))


async def add(pool: Pool, *rows: AuditRow) -> None:
    async with pool.acquire() as connection, connection.transaction():
        await audit_index.append(connection, rows)


async def kept(pool: Pool, part: int = 0) -> list[AuditRow]:
    async with pool.acquire() as connection, connection.transaction():
        return [each async for each in audit_index.of_partition(connection, TOPIC, part, 0, 100)]


async def test_a_row_comes_back_as_it_went_in(pool: Pool) -> None:
    await add(pool, row(0, 0), row(0, 1, key=b"\x00\xff"))
    assert await kept(pool) == [row(0, 0), row(0, 1, key=b"\x00\xff")]


@pytest.mark.parametrize(
    "query",
    [
        "update audit_index set stage = 'verified'",
        "update audit_index set stage = 'verified' where false",
        "delete from audit_index",
        "truncate audit_index",
    ],
)
async def test_r20_every_change_is_refused_even_to_the_databases_superuser(pool: Pool, query: str) -> None:
    """R20: by a trigger."""
    await add(pool, row())
    with pytest.raises(asyncpg.InsufficientPrivilegeError, match="the audit index only grows"):
        await pool.execute(query)
    assert await kept(pool) == [row()]


async def test_r20_the_role_of_the_services_has_no_right_to_change_the_index(pool: Pool) -> None:
    """R20: by its grants, as owner of the table, before any trigger is asked."""
    role = f"service_{secrets.token_hex(4)}"
    async with pool.acquire() as connection, connection.transaction():
        await connection.execute(f"create role {role}")
        await connection.execute(f"alter table audit_index owner to {role}")
        await connection.execute(f"set local role {role}")
        await audit_index.append(connection, [row()])
        for query in ("update audit_index set stage = ''", "delete from audit_index", "truncate audit_index"):
            with pytest.raises(asyncpg.InsufficientPrivilegeError, match="permission denied for table audit_index"):
                async with connection.transaction():
                    await connection.execute(query)
        await connection.execute("reset role")
        await connection.execute("alter table audit_index owner to current_user")
        await connection.execute(f"drop owned by {role}")
        await connection.execute(f"drop role {role}")
    assert await kept(pool) == [row()]


async def test_a_row_cannot_be_added_twice(pool: Pool) -> None:
    await add(pool, row())
    with pytest.raises(audit_index.RowInTheWay, match=r"acme\.raw\.orders/0, from offset 0 on"):
        await add(pool, row())


async def test_the_head_of_every_partition_is_its_last_row(pool: Pool) -> None:
    assert await audit_index.heads(pool) == []
    await add(pool, row(0, 0), row(0, 7), row(2, 3))
    found = [(head.topic, head.part, head.offset, head.chain) for head in await audit_index.heads(pool)]
    assert found == [(TOPIC, 0, 7, row(0, 7).chain), (TOPIC, 2, 3, row(2, 3).chain)]


async def test_the_row_before_an_offset_gives_the_chain_to_go_on_from(pool: Pool) -> None:
    await add(pool, row(0, 0), row(0, 7))
    async with pool.acquire() as connection:
        found = [await audit_index.chain_before(connection, TOPIC, 0, offset) for offset in (0, 1, 7, 8)]
    assert found == [None, row(0, 0).chain, row(0, 0).chain, row(0, 7).chain]


async def test_more_rows_than_one_fetch_of_the_cursor_come_in_order(pool: Pool) -> None:
    rows = [row(0, offset) for offset in range(1200)]
    await add(pool, *rows)
    async with pool.acquire() as connection, connection.transaction():
        found = [each.offset async for each in audit_index.of_partition(connection, TOPIC, 0, 100, 1150)]
    assert found == list(range(100, 1150))
