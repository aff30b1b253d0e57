"""Adds and changes connections and their secrets so that an auditor sees it: each change and its event in one
transaction (design `reliability.md`, security points: who, when, before, after). Never: a secret in the event.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import SecretStr

from mlc_common.audit.telling import tell
from mlc_common.clock import Clock
from mlc_common.events import ConnectionChanged, Topics
from mlc_common.store import connections
from mlc_common.store.pool import Connection as Db
from mlc_common.store.pool import Pool
from mlc_common.vault.connections import Connection, differing, subject_of
from mlc_common.vault.store import Vault


@dataclass(frozen=True)
class Changes:
    """What a person does to connections.

    Attributes:
        by: Who does it, for the audit.
    """

    pool: Pool
    vault: Vault
    topics: Topics
    clock: Clock
    by: str

    async def add(
        self, connection_id: str, kind: str, settings: Mapping[str, Any], secrets: Mapping[str, SecretStr]
    ) -> Connection:
        """Add a connection with its secrets.

        Raises:
            ConfigurationError: the id is taken, or something is not acceptable.
        """
        async with self.pool.acquire() as db, db.transaction():
            made = await connections.add(db, connection_id, kind, settings)
            for name, value in secrets.items():
                await self.vault.put(made.id, name, value, db=db)
            _, after = differing({}, made.settings)
            await self._tell(db, made, "added", after=after, secrets=dict.fromkeys(secrets, 1))
            return made

    async def settings(self, connection_id: str, change: Callable[[Connection], Mapping[str, Any]]) -> Connection:
        """Replace the settings of a connection by what ``change`` makes of them; nothing is told if that is the same.

        Raises:
            ConfigurationError: there is no such connection, or the settings are not acceptable.
        """
        async with self.pool.acquire() as db, db.transaction():
            known = await connections.hold(db, connection_id)
            made = await connections.update(db, known.id, change(known))
            if known.settings != made.settings:
                before, after = differing(known.settings, made.settings)
                await self._tell(db, made, "settings", before=before, after=after)
            return made

    async def secret(self, connection_id: str, name: str, value: SecretStr) -> int:
        """Give a connection a new secret beside the one before; returns how many values are valid now.

        Raises:
            ConfigurationError: there is no such connection, or the secret is empty.
        """
        async with self.pool.acquire() as db, db.transaction():
            known = await connections.hold(db, connection_id)
            await self.vault.put(known.id, name, value, keep_previous=True, db=db)
            return await self._valid(db, known, name, "secret")

    async def first_secret(self, connection_id: str, name: str, value: SecretStr) -> bool:
        """Give a connection a secret that it has not; False, and nothing told, where it has one already.

        Raises:
            ConfigurationError: there is no such connection, or the secret is empty.
        """
        async with self.pool.acquire() as db, db.transaction():
            known = await connections.hold(db, connection_id)
            if await self._count(db, known, name):
                return False
            await self.vault.put(known.id, name, value, db=db)
            await self._tell(db, known, "secret", secrets={name: 1})
            return True

    async def retire(self, connection_id: str, name: str) -> int:
        """Drop all values of a secret but the newest; returns how many are valid now.

        Raises:
            ConfigurationError: there is no such connection.
        """
        async with self.pool.acquire() as db, db.transaction():
            known = await connections.hold(db, connection_id)
            if not await self.vault.retire_old(known.id, name, db=db):
                return await self._count(db, known, name)
            return await self._valid(db, known, name, "retired")

    async def _valid(self, db: Db, known: Connection, name: str, change: str) -> int:
        valid = await self._count(db, known, name)
        # What serves the connection is started anew by this, with the new secret.
        await connections.update(db, known.id, known.settings)
        await self._tell(db, known, change, secrets={name: valid})
        return valid

    async def _count(self, db: Db, known: Connection, name: str) -> int:
        return (await self.vault.names(known.id, db=db)).get(name, 0)

    async def _tell(self, db: Db, on: Connection, change: str, **said: Mapping[str, Any]) -> None:
        now = self.clock.now()
        event = ConnectionChanged.model_validate(
            {"connection": on.id, "kind": on.kind.value, "change": change, "by": self.by, "at": now} | said
        )
        await tell(db, self.topics, event, subject=subject_of(on.id), at=now)
