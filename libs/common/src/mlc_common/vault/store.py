"""The vault's table: secrets of connections, sealed. One of the few places where a secret exists in clear, and only as
``SecretStr``.

All rows of a name are active: two during a rotation (a webhook's old and new secret), one otherwise; a retired secret
is deleted, not marked. Never: a secret in a log, an event or an error.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Self

import asyncpg
from pydantic import SecretStr

from mlc_common.errors import ConfigurationError
from mlc_common.store.pool import Connection, Pool
from mlc_common.vault.envelope import Binding, Sealed, open_sealed, rewrap, seal
from mlc_common.vault.keyring import KeyFile, KeyMissing, Keys

_BATCH = 100

Progress = Callable[[int, int], None]
"""Called with (done, total)."""

OnRead = Callable[[str, str], Awaitable[None]]
"""Called with (connection, name) after a secret was read, for the audit trail."""


class Vault:
    """The secrets of one tenant.

    Args:
        pool: The tenant's database.
        keys: The key-encryption keys.
        tenant: Bound into every secret: a row copied from another tenant's database does not open.
        on_read: Hears of every read.
    """

    def __init__(self, pool: Pool, keys: Keys, tenant: str, *, on_read: OnRead | None = None) -> None:
        self._pool = pool
        self._keys = keys
        self._tenant = tenant
        self._on_read = on_read

    @classmethod
    async def start(cls, pool: Pool, key_file: Path, tenant: str, *, on_read: OnRead | None = None) -> Self:
        """A vault whose keys open what is stored.

        Raises:
            ConfigurationError: key file missing or malformed, or a key in use is missing or wrong.
        """
        vault = cls(pool, KeyFile(key_file), tenant, on_read=on_read)
        await vault.verify()
        return vault

    async def verify(self) -> None:
        """Open one secret per key in use, without telling anybody what it is.

        Raises:
            ConfigurationError: a key is missing or wrong.
        """
        rows = await self._pool.fetch("select distinct on (key_id) * from vault_secrets order by key_id, connection")
        for row in rows:
            self._open(row)

    async def put(
        self,
        connection: str,
        name: str,
        secret: SecretStr,
        *,
        keep_previous: bool = False,
        db: Connection | None = None,
    ) -> int:
        """Store a secret as the newest of its name.

        Args:
            connection: The connection's id.
            name: What it is: ``consumer_secret``, ``webhook_secret``, ...
            secret: The value; not empty.
            keep_previous: Keep the newest one before it active too (never more than two), until ``retire_old``.
            db: Within the transaction of this connection, instead of one of its own.

        Returns:
            Its version.
        """
        if not secret.get_secret_value():
            raise ConfigurationError(f"the secret {name!r} of connection {connection!r} is empty; give its value")
        if db is None:
            async with self._pool.acquire() as own, own.transaction():
                return await self.put(connection, name, secret, keep_previous=keep_previous, db=own)
        await db.execute("select pg_advisory_xact_lock(hashtextextended($1, 0))", f"vault:{connection}:{name}")
        newest = await self._newest_version(db, connection, name)
        binding = Binding(self._tenant, connection, name, newest + 1)
        await hold_keys(db)
        await self._insert(db, binding, seal(secret, binding, self._keys.newest().current))
        await self._delete_below(db, connection, name, newest if keep_previous else newest + 1)
        return binding.version

    async def get_active(self, connection: str, name: str) -> tuple[SecretStr, ...]:
        """All active secrets of a name, newest first; empty where there is none.

        Raises:
            ConfigurationError: a key is missing or wrong.
        """
        try:
            found = await self._active(connection, name)
        except KeyMissing:  # perhaps it was dropped after the row was read, which by then was wrapped anew
            found = await self._active(connection, name)
        if found and self._on_read is not None:
            await self._on_read(connection, name)
        return found

    async def _active(self, connection: str, name: str) -> tuple[SecretStr, ...]:
        rows = await self._pool.fetch(
            "select * from vault_secrets where connection = $1 and name = $2 order by version desc", connection, name
        )
        return tuple(map(self._open, rows))

    async def get(self, connection: str, name: str) -> SecretStr:
        """The newest active secret of a name.

        Raises:
            ConfigurationError: there is none, or it does not open.
        """
        found = await self.get_active(connection, name)
        if not found:
            raise ConfigurationError(
                f"connection {connection!r} has no secret {name!r}; store it with "
                f"`mlc connection rotate {connection} --secret {name}`"
            )
        return found[0]

    async def names(self, connection: str, *, db: Connection | None = None) -> dict[str, int]:
        """Names of a connection's secrets and how many of each are active; no values."""
        rows = await (db or self._pool).fetch(
            "select name, count(*) as active from vault_secrets where connection = $1 group by name order by name",
            connection,
        )
        return {row["name"]: row["active"] for row in rows}

    async def retire_old(self, connection: str, name: str, *, db: Connection | None = None) -> int:
        """Delete all but the newest secret of a name; returns how many went. ``db`` as for ``put``."""
        if db is None:
            async with self._pool.acquire() as own, own.transaction():
                return await self.retire_old(connection, name, db=own)
        newest = await self._newest_version(db, connection, name)
        return await self._delete_below(db, connection, name, newest)

    async def remove(self, connection: str) -> int:
        """Delete every secret of a connection; returns how many went."""
        return _count(await self._pool.execute("delete from vault_secrets where connection = $1", connection))

    async def rotate_keys(self, progress: Progress | None = None) -> int:
        """Wrap every data key under the current key-encryption key.

        Can be cut off and run again at any time, also while secrets are read and stored: each row changes in one
        statement, only its wrapped data key does, and rows already under the current key are left alone.

        Returns:
            How many rows were re-wrapped.

        Raises:
            ConfigurationError: a row does not open; those before it are done.
        """
        current, done = self._keys.newest().current.id, 0
        total = await self._pool.fetchval("select count(*) from vault_secrets where key_id <> $1", current)
        while rows := await self._pool.fetch(
            "select * from vault_secrets where key_id <> $1 order by connection, name, version limit $2",
            current,
            _BATCH,
        ):
            for row in rows:
                done += await self._rewrap(row)
                if progress is not None:
                    progress(done, max(done, total))
        return done

    async def _rewrap(self, row: asyncpg.Record) -> int:
        """1, or 0 where the row was deleted or re-wrapped meanwhile."""
        fresh = rewrap(_sealed(row), self._binding(row), self._keys.newest())
        status = await self._pool.execute(
            """
            update vault_secrets set key_id = $5, wrapped_key = $6, wrap_nonce = $7, rotated_at = now()
            where connection = $1 and name = $2 and version = $3 and wrapped_key = $4
            """,
            row["connection"],
            row["name"],
            row["version"],
            row["wrapped_key"],
            fresh.key_id,
            fresh.wrapped_key,
            fresh.wrap_nonce,
        )
        return _count(status)

    async def _newest_version(self, db: Connection, connection: str, name: str) -> int:
        query = "select coalesce(max(version), 0) from vault_secrets where connection = $1 and name = $2"
        return int(await db.fetchval(query, connection, name))

    async def _insert(self, db: Connection, binding: Binding, sealed: Sealed) -> None:
        await db.execute(
            """
            insert into vault_secrets
                (connection, name, version, key_id, wrapped_key, wrap_nonce, nonce, ciphertext)
            values ($1, $2, $3, $4, $5, $6, $7, $8)
            """,
            binding.connection,
            binding.name,
            binding.version,
            sealed.key_id,
            sealed.wrapped_key,
            sealed.wrap_nonce,
            sealed.nonce,
            sealed.ciphertext,
        )

    async def _delete_below(self, db: Connection, connection: str, name: str, version: int) -> int:
        return _count(
            await db.execute(
                "delete from vault_secrets where connection = $1 and name = $2 and version < $3",
                connection,
                name,
                version,
            )
        )

    def _open(self, row: asyncpg.Record) -> SecretStr:
        """The row is read first, the keys after: a key is in the file before anything is wrapped under it."""
        return open_sealed(_sealed(row), self._binding(row), self._keys.newest())

    async def keys_in_use(self) -> dict[str, int]:
        """How many secrets each key wraps."""
        rows = await self._pool.fetch("select key_id, count(*) as secrets from vault_secrets group by 1 order by 1")
        return {row["key_id"]: row["secrets"] for row in rows}

    def _binding(self, row: asyncpg.Record) -> Binding:
        return Binding(self._tenant, row["connection"], row["name"], row["version"])


async def hold_keys(db: Connection, *, alone: bool = False) -> None:
    """Until the transaction ends, the current key stays the same; ``alone`` = it is ours to change.

    Without this, a secret that is stored while keys are rotated could stay behind under a key that is then dropped.
    """
    lock = "pg_advisory_xact_lock" if alone else "pg_advisory_xact_lock_shared"
    await db.execute(f"select {lock}(hashtextextended('vault keys', 0))")


async def take_turn(db: Connection) -> bool:
    """Whether nobody else rotates keys until this transaction ends."""
    return bool(await db.fetchval("select pg_try_advisory_xact_lock(hashtextextended('vault rotation', 0))"))


def _sealed(row: asyncpg.Record) -> Sealed:
    return Sealed(row["key_id"], row["wrapped_key"], row["wrap_nonce"], row["nonce"], row["ciphertext"])


def _count(status: str) -> int:
    """The number of rows in a command's status, such as "DELETE 2"."""
    return int(status.rpartition(" ")[2])
