"""Which webhook secrets are active for which connection: kept in memory, refreshed from the vault in the background.

The hot path only looks into a dictionary. Every ten seconds, and at most once a second when a connection is unknown or
a signature is wrong (a connection or a secret may have been added just now), everything is read again. Of the vault
only webhook secrets are read. A lost database is waited out with what is known. Never: a secret in a log or an error.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

import asyncpg
import structlog

from mlc_common.clock import Clock
from mlc_common.errors import ConfigurationError
from mlc_common.store import connections
from mlc_common.store.pool import UNAVAILABLE, Pool, connect
from mlc_common.vault import ConnectionKind, Vault
from mlc_common.vault.keyring import KeyFile

WEBHOOK_SECRET = "webhook_secret"  # noqa: S105 - the name under which the vault keeps it
_log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class ActiveSecrets:
    """The secrets of one connection, newest first; two while one is being replaced."""

    values: tuple[str, ...] = field(repr=False)


class SecretSource(Protocol):
    """Where secrets come from."""

    async def load(self) -> Mapping[str, ActiveSecrets]:
        """All connections that may receive webhooks.

        Raises:
            ConfigurationError: they are there and cannot be read.
            OSError, asyncpg errors of ``UNAVAILABLE``: not now.
            UndefinedTableError: not now: nobody has made the tables yet.
        """
        ...


class VaultSource:
    """Webhook secrets of the tenant's stores, from the vault."""

    def __init__(self, pool: Pool, vault: Vault) -> None:
        self._pool, self._vault = pool, vault

    async def load(self) -> Mapping[str, ActiveSecrets]:
        """See ``SecretSource``; a connection without a webhook secret is left out."""
        found = {}
        for store in await connections.list_all(self._pool, ConnectionKind.WOOCOMMERCE):
            if active := await self._vault.get_active(store.id, WEBHOOK_SECRET):
                found[store.id] = ActiveSecrets(tuple(secret.get_secret_value() for secret in active))
        return found


class DistantVault:
    """The same, for a gateway that may be up before the database is: that is opened when first needed.

    Raises:
        ConfigurationError: the key file cannot be used.
    """

    def __init__(self, dsn: str, key_file: Path, tenant: str) -> None:
        self._dsn = dsn
        self._keys = KeyFile(key_file)
        self._tenant = tenant
        self._pool: Pool | None = None
        self._source: VaultSource | None = None

    async def load(self) -> Mapping[str, ActiveSecrets]:
        """See ``SecretSource``; also where the keys do not open what is stored, whatever it is."""
        if self._pool is None:
            self._pool = await connect(self._dsn, application="mlc ingest", most=1)
        if self._source is None:
            vault = Vault(self._pool, self._keys, self._tenant)
            await vault.verify()
            self._source = VaultSource(self._pool, vault)
        return await self._source.load()

    async def close(self) -> None:
        """Give the database connection back."""
        if self._pool is not None:
            await self._pool.close()


class Secrets:
    """What the gateway asks.

    Args:
        source: Where they are read from.
        clock: For the pace.
        every_s: Seconds between refreshes.
        least_s: Least seconds between refreshes that requests ask for.
        patience_s: How long a request waits for the refresh it asked for.
    """

    def __init__(
        self,
        source: SecretSource,
        clock: Clock,
        *,
        every_s: float = 10.0,
        least_s: float = 1.0,
        patience_s: float = 2.0,
    ) -> None:
        self._source = source
        self._clock = clock
        self._every_s, self._least_s, self._patience_s = every_s, least_s, patience_s
        self._known: Mapping[str, ActiveSecrets] | None = None
        self._current = False
        self._reading: asyncio.Task[None] | None = None
        self._read_at = float("-inf")

    @property
    def loaded(self) -> bool:
        """Whether they were read at least once."""
        return self._known is not None

    @property
    def current(self) -> bool:
        """Whether the last reading succeeded: else nobody can say that a connection does not exist."""
        return self._current

    def of(self, connection: str) -> ActiveSecrets | None:
        """The secrets of a connection; None for an unknown one."""
        return self._known.get(connection) if self._known is not None else None

    async def newest(self, connection: str) -> ActiveSecrets | None:
        """As ``of``, after a refresh, if the last one is long enough ago. For connections and signatures not known.

        However many ask, the database is read once a second at the most.
        """
        if self._reading is None and self._clock.monotonic() - self._read_at < self._least_s:
            return self.of(connection)
        await asyncio.wait({self._refresh()}, timeout=self._patience_s)
        return self.of(connection)

    async def run(self) -> None:
        """Refresh until cancelled.

        Raises:
            ConfigurationError: they cannot be read at the first time; later that is logged and what is known kept.
        """
        try:
            while True:
                await asyncio.shield(self._refresh())
                await self._clock.sleep(self._every_s if self.loaded else self._least_s)
        finally:
            if self._reading is not None:
                self._reading.cancel()

    def _refresh(self) -> asyncio.Task[None]:
        if self._reading is None:
            self._read_at = self._clock.monotonic()
            self._reading = asyncio.create_task(self._read(), name="ingest secrets")
            self._reading.add_done_callback(self._done)
        return self._reading

    def _done(self, reading: asyncio.Task[None]) -> None:
        self._reading = None
        if not reading.cancelled():
            reading.exception()  # `run` has it; nobody else needs to collect it

    async def _read(self) -> None:
        self._current = False
        try:
            found = await self._source.load()
        except UNAVAILABLE as error:
            _log.warning("ingest.secrets_unavailable", error=type(error).__name__, what="the database")
        except asyncpg.UndefinedTableError:
            said = "the database has no tables yet; any other part makes them, and `mlc init`"
            _log.warning("ingest.secrets_unavailable", what="the tables", detail=said)
        except ConfigurationError as error:
            if self._known is None:
                raise
            _log.error("ingest.secrets_unreadable", code=error.code, detail=str(error))
        else:
            if self._known is None or self._known.keys() != found.keys():
                _log.info("ingest.secrets_loaded", connections=len(found))
            self._known, self._current = found, True
