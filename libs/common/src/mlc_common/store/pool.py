"""The connection pool to PostgreSQL (15 to 18), and what a lost database looks like to the rest."""

from __future__ import annotations

import asyncpg

from mlc_common.errors import ConfigurationError

Pool = asyncpg.Pool
Connection = asyncpg.pool.PoolConnectionProxy

UNAVAILABLE = (
    OSError,
    asyncpg.PostgresConnectionError,
    asyncpg.InterfaceError,
    asyncpg.CannotConnectNowError,
    asyncpg.AdminShutdownError,
    asyncpg.CrashShutdownError,
    asyncpg.ReadOnlySQLTransactionError,
    asyncpg.DeadlockDetectedError,
    asyncpg.TooManyConnectionsError,
    TimeoutError,
)
"""What passes by itself: a restart, a cut connection, a broken lock cycle. Try the transaction again."""


async def connect(dsn: str, *, application: str, least: int = 1, most: int = 8) -> Pool:
    """Open a pool.

    Args:
        dsn: ``postgresql://user:password@host:port/database``.
        application: Shown in ``pg_stat_activity``.
        least: Connections kept open.
        most: Connections at the most.

    Raises:
        ConfigurationError: the server refuses the user or does not know the database.
    """
    try:
        return await asyncpg.create_pool(
            dsn, min_size=least, max_size=most, command_timeout=60, server_settings={"application_name": application}
        )
    except (asyncpg.InvalidAuthorizationSpecificationError, asyncpg.InvalidCatalogNameError, ValueError) as error:
        raise ConfigurationError(
            f"PostgreSQL refuses DATABASE_URL: {error}. Check user, password and database."
        ) from None
