"""Generations of the tables: the one in force is the schema ``public``; a fresh one is made beside it and replaces it.

A generation is made by the same migrations, so all SQL works on it unchanged. The swap is one transaction: whoever
reads sees either all of the old tables or all of the new ones. What the log cannot tell (``CARRIED``) never moves.
"""

from __future__ import annotations

from collections.abc import Sequence

from asyncpg.exceptions import LockNotAvailableError

from mlc_common.errors import Retryable
from mlc_common.store import migrations
from mlc_common.store.pool import Connection, Pool

IN_FORCE = "public"
FRESH = "rebuild_fresh"
KEPT = "before_rebuild"

PATIENCE_MS = 10_000
"""How long a swap waits for somebody who reads one of the tables."""

CARRIED = frozenset({"connections", "vault_secrets"})
"""Records of which the log knows nothing, by design: they are restored from their backup."""

_THINGS = """
select case c.relkind when 'S' then 'sequence' when 'v' then 'view' when 'm' then 'materialized view' else 'table' end
    as kind, quote_ident(c.relname) as name, c.relname as plain
from pg_class c
where c.relnamespace = $1::regnamespace and c.relkind in ('r', 'p', 'S', 'v', 'm') and not exists (
    select 1 from pg_depend d
    where d.classid = 'pg_class'::regclass and d.objid = c.oid and d.deptype in ('a', 'i', 'e'))
union all
select 'routine', format('%I(%s)', p.proname, pg_get_function_identity_arguments(p.oid)), p.proname
from pg_proc p
where p.pronamespace = $1::regnamespace and not exists (
    select 1 from pg_depend d where d.classid = 'pg_proc'::regclass and d.objid = p.oid and d.deptype = 'e')
union all
select 'type', quote_ident(t.typname), t.typname from pg_type t
where t.typnamespace = $1::regnamespace and t.typtype = 'e'
"""

_GRANTS = """
select quote_ident(c.relname) as name, a.privilege_type as privilege,
    case a.grantee when 0 then 'public' else quote_ident(pg_get_userbyid(a.grantee)) end as grantee
from pg_class c, aclexplode(c.relacl) a
where c.relnamespace = $1::regnamespace and c.relkind in ('r', 'p') and a.grantee <> c.relowner
"""


async def make(pool: Pool, dsn: str) -> None:
    """Make an empty generation; what an earlier attempt left is dropped."""
    await drop(pool)
    await migrations.apply(dsn, schema=FRESH)


async def drop(pool: Pool) -> None:
    """Drop the fresh generation, if there is one."""
    async with pool.acquire() as connection, connection.transaction():
        await connection.execute(f'drop schema if exists "{FRESH}" cascade')
        await connection.execute("delete from public._pogo_migration where schema_name = $1", FRESH)


async def swap(pool: Pool, *, keep_as: str = "") -> None:
    """Put the fresh generation in the place of the one in force.

    Args:
        pool: Of the database.
        keep_as: Schema in which the old generation is kept; dropped without it.

    Raises:
        Retryable: somebody holds one of the tables; nothing was changed.
    """
    old = keep_as or KEPT
    try:
        async with pool.acquire() as connection, connection.transaction():
            await connection.execute(f"set local lock_timeout = {PATIENCE_MS}")
            await connection.execute(f'create schema "{old}"')
            fresh = await _things(connection, FRESH)
            grants = await connection.fetch(_GRANTS, IN_FORCE)
            names = {name for _, name in fresh}
            await _move(connection, [each for each in await _things(connection, IN_FORCE) if each[1] in names], old)
            await _move(connection, fresh, IN_FORCE, out_of=FRESH)
            for grant in grants:
                if grant["name"] in names:
                    await connection.execute(f"grant {grant['privilege']} on {grant['name']} to {grant['grantee']}")
            await connection.execute(f'drop schema "{FRESH}" cascade')
            await connection.execute("delete from public._pogo_migration where schema_name = $1", FRESH)
            if not keep_as:
                await connection.execute(f'drop schema "{old}" cascade')
    except LockNotAvailableError:
        raise Retryable("another session holds a table of this tenant; end it and run the rebuild again") from None


async def _things(connection: Connection, schema: str) -> Sequence[tuple[str, str]]:
    """Kind and quoted name of everything in a schema that moves."""
    rows = await connection.fetch(_THINGS, schema)
    return [(row["kind"], row["name"]) for row in rows if row["plain"] not in CARRIED]


async def _move(
    connection: Connection, things: Sequence[tuple[str, str]], into: str, *, out_of: str = IN_FORCE
) -> None:
    for kind, name in things:
        await connection.execute(f'alter {kind} "{out_of}".{name} set schema "{into}"')
