"""Applies the numbered SQL files in ``schema``, in order, each once (pogo-migrate).

Safe to call from every process: a PostgreSQL advisory lock lets one process migrate while the others wait.
"""

from __future__ import annotations

import logging
from pathlib import Path

import asyncpg
from pogo_core.error import BadMigrationError
from pogo_core.util import migrate

from mlc_common.store.pool import CONNECT_S, explaining

_LOCK = 0x6D6C6300  # "mlc"
_QUIET = logging.getLogger("mlc.migrations")


async def apply(dsn: str, *, schema: str = "public") -> None:
    """Bring the database to the newest schema.

    Args:
        dsn: The database.
        schema: Where the tables are made; a schema of its own is a generation beside the one in force.

    Raises:
        ConfigurationError: the address does not work, or its user may not create tables.
        ServerUnreachable: nothing answers there.
        BadMigrationError: a file does not apply; the database is as before that file.
    """
    with explaining(dsn):
        connection = await asyncpg.connect(dsn, timeout=CONNECT_S)
    try:
        await connection.execute("select pg_advisory_lock($1)", _LOCK)
        with explaining(dsn):
            if schema != "public":
                await connection.execute(f'create schema if not exists "{schema}"')
                await connection.execute(f'set search_path to "{schema}"')
            await _apply(connection, schema)
    finally:
        await connection.close()


async def _apply(connection: asyncpg.Connection[asyncpg.Record], schema: str) -> None:
    try:
        await migrate.apply(connection, Path(__file__).parent / "schema", schema_name=schema, logger=_QUIET)
    except BadMigrationError as error:
        if isinstance(error.__cause__, asyncpg.InsufficientPrivilegeError):
            raise error.__cause__ from None
        raise
