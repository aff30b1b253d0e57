"""Applies the numbered SQL files in ``schema``, in order, each once (pogo-migrate).

Safe to call from every process: a PostgreSQL advisory lock lets one process migrate while the others wait.
"""

from __future__ import annotations

import logging
from pathlib import Path

import asyncpg
from pogo_core.util import migrate

_LOCK = 0x6D6C6300  # "mlc"
_QUIET = logging.getLogger("mlc.migrations")


async def apply(dsn: str) -> None:
    """Bring the database to the newest schema.

    Raises:
        pogo_core.error.BadMigrationError: a file does not apply; the database is as before that file.
    """
    connection = await asyncpg.connect(dsn)
    try:
        await connection.execute("select pg_advisory_lock($1)", _LOCK)
        await migrate.apply(connection, Path(__file__).parent / "schema", schema_name="public", logger=_QUIET)
    finally:
        await connection.close()
