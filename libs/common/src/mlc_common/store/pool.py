"""The connection pool to PostgreSQL (15 to 18), and what a lost database looks like to the rest."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import asyncpg
import asyncpg.transaction

from mlc_common.errors import ConfigurationError, ServerUnreachable, in_words

Pool = asyncpg.Pool
Connection = asyncpg.pool.PoolConnectionProxy

UNAVAILABLE = (
    OSError,
    asyncpg.PostgresConnectionError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,  # a connection that is cut while a statement is being prepared
    asyncpg.CannotConnectNowError,
    asyncpg.AdminShutdownError,
    asyncpg.CrashShutdownError,
    asyncpg.IdleInTransactionSessionTimeoutError,
    asyncpg.ReadOnlySQLTransactionError,
    asyncpg.DeadlockDetectedError,
    asyncpg.SerializationError,
    asyncpg.LockNotAvailableError,
    asyncpg.QueryCanceledError,
    asyncpg.InsufficientResourcesError,  # no disk, no memory, no connection left
    TimeoutError,
)
"""What passes by itself, or when somebody makes room: a restart, a cut connection, a broken lock cycle, a full disk.

Try the transaction again. Nothing of it is a defect of ours, for which an order would be held.
"""


CONNECT_S = 15.0
"""How long a connection may take to come about."""


class _Transaction(asyncpg.transaction.Transaction):
    """One that does not hide behind its lost connection that its task was cancelled.

    asyncpg raises an InterfaceError in the place of whatever ends a transaction whose connection is closed. A loop that
    waits a lost database out would go on, and its process would never end.
    """

    async def __aexit__(self, kind: object, error: object, trace: object) -> None:
        try:
            await super().__aexit__(kind, error, trace)
        except asyncpg.InterfaceError:
            if not isinstance(error, asyncio.CancelledError):
                raise


class _Stateless(asyncpg.Connection):
    """A connection that goes back to the pool without a statement of its own; an open transaction is still ended.

    By default four statements a time clear locks, cursors, listeners and settings of the session. Nothing that takes a
    connection from the pool may leave any: locks are those of a transaction, and cursors live in one.
    """

    def get_reset_query(self) -> str:
        """Nothing to clear."""
        return ""

    def transaction(self, *, isolation: Any = None, readonly: bool = False, deferrable: bool = False) -> _Transaction:
        """As asyncpg's own."""
        return _Transaction(self, isolation, readonly, deferrable)


async def connect(
    dsn: str, *, application: str, least: int = 1, most: int = 8, schema: str = "", stalled_s: float = 0.0
) -> Pool:
    """Open a pool.

    Args:
        dsn: ``postgresql://user:password@host:port/database``.
        application: Shown in ``pg_stat_activity``.
        least: Connections kept open.
        most: Connections at the most.
        schema: Where tables are, instead of where the server looks by itself.
        stalled_s: After how many seconds the server undoes a transaction in which nothing happens, so that a process
            that stands still keeps no locks; 0 = never.

    Raises:
        ConfigurationError: the address is none, the server refuses the user or does not know the database.
        ServerUnreachable: nothing answers.
    """
    with explaining(dsn):
        return await asyncpg.create_pool(
            dsn,
            min_size=least,
            max_size=most,
            timeout=CONNECT_S,
            command_timeout=60,
            server_settings={
                "application_name": application,
                "idle_in_transaction_session_timeout": f"{stalled_s:.0f}s",
            }
            | ({"search_path": schema} if schema else {}),
            connection_class=_Stateless,
        )


@contextmanager
def explaining(dsn: str) -> Iterator[None]:
    """Turn what goes wrong while connecting into one sentence with the address, never with the password.

    Raises:
        ConfigurationError, ServerUnreachable: as ``connect``.
    """
    address = _address(dsn)
    try:
        yield
    except asyncpg.InvalidAuthorizationSpecificationError as error:
        raise _wrong(address, str(error), "check user and password in DATABASE_URL") from None
    except asyncpg.InvalidCatalogNameError as error:
        advice = "create it, or correct the name at the end of DATABASE_URL"
        raise _wrong(address, str(error), advice) from None
    except asyncpg.InsufficientPrivilegeError as error:
        advice = "make the user of DATABASE_URL the owner of the database: alter database … owner to …"
        raise _wrong(address, str(error), advice) from None
    except (asyncpg.InterfaceError, ValueError):
        # Their text may quote a part of the address, which may be a part of the password.
        raise ConfigurationError(_NO_ADDRESS) from None
    except UNAVAILABLE as error:
        raise ServerUnreachable(
            f"PostgreSQL at {address} cannot be reached ({in_words(error)}); "
            "see that it runs, and that DATABASE_URL names it"
        ) from None


def _address(dsn: str) -> str:
    """Host and port alone.

    Raises:
        ConfigurationError: it is no address of a PostgreSQL database.
    """
    scheme, separator, rest = dsn.partition("://")
    if not separator or scheme not in ("postgresql", "postgres"):
        raise ConfigurationError(_NO_ADDRESS)
    place, _, database = rest.partition("/")
    # A "/", "#" or "?" within the password would make a part of it look like the host.
    if "@" in database or "#" in place or "?" in place:
        raise ConfigurationError(_NO_ADDRESS)
    return place.rpartition("@")[2] or "the local socket"


def _wrong(address: str, what: str, advice: str) -> ConfigurationError:
    return ConfigurationError(f"PostgreSQL at {address} says: {what}; {advice}")


_NO_ADDRESS = (
    "DATABASE_URL is no address of a PostgreSQL database; write postgresql://user:password@host:5432/database, with "
    "/, #, ?, @, : and % in the password as %2F, %23, %3F, %40, %3A and %25"
)
