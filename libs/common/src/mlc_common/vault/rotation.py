"""Rotation of the key-encryption keys while everything works: a new key in front, every data key wrapped under it.

Cut off at any point, the next run goes on where it was and adds no further key. An old key leaves the file only when
no secret is under it, and on request: a backup of the database from before needs it. What was done is told to the audit
topic, by key ids; never: a key or a secret (design `reliability.md`, security points).
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from mlc_common.audit.telling import PRODUCER, tell
from mlc_common.clock import Clock
from mlc_common.errors import ConfigurationError
from mlc_common.events import Topics, VaultKeysRotated
from mlc_common.store.pool import Connection, Pool
from mlc_common.store.rebuild import running
from mlc_common.vault.keyring import KeyRing, add_current_key, drop_keys
from mlc_common.vault.store import Progress, Vault, hold_keys, take_turn

__all__ = ["PRODUCER", "KeyState", "Rotation"]


@dataclass(frozen=True)
class KeyState:
    """One key, as ``mlc vault status`` tells it.

    Attributes:
        key: Its id.
        current: Whether new secrets go under it.
        secrets: How many are under it now.
    """

    key: str
    current: bool
    secrets: int


@dataclass(frozen=True)
class Rotation:
    """Rotates the keys of one vault.

    Attributes:
        key_file: The file that holds the keys.
        by: Who does it, for the audit.
    """

    pool: Pool
    vault: Vault
    key_file: Path
    topics: Topics
    clock: Clock
    by: str

    async def status(self) -> list[KeyState]:
        """Every key of the file, the current one first, with what it wraps."""
        ids, in_use = KeyRing.load(self.key_file).ids, await self.vault.keys_in_use()
        return [KeyState(key, key == ids[0], in_use.get(key, 0)) for key in ids]

    async def rotate(self, *, new_key: bool = True, progress: Progress | None = None) -> VaultKeysRotated:
        """Wrap every data key under the current key, before which a new one is made current.

        Args:
            new_key: False = the current key of the file is the new one already. A rotation that was cut off makes none
                either.
            progress: Called with (done, total).

        Raises:
            ConfigurationError: somebody else rotates now, the file cannot be replaced, or a secret does not open.
        """
        async with self.pool.acquire() as db, db.transaction():
            await self._take_turn(db)
            unfinished = any(not state.current and state.secrets for state in await self.status())
            if added := new_key and not unfinished:
                await self._add_key()
            rewrapped = await self.vault.rotate_keys(progress)
            return await self._tell(db, added=added, rewrapped=rewrapped)

    async def retire(self) -> VaultKeysRotated:
        """Take every key out of the file that wraps nothing and is not the current one.

        Raises:
            ConfigurationError: somebody else rotates now, or the file cannot be replaced.
        """
        async with self.pool.acquire() as db, db.transaction():
            await self._take_turn(db)
            await hold_keys(db, alone=True)
            idle = [state.key for state in await self.status() if not state.current and not state.secrets]
            if idle:
                drop_keys(self.key_file, idle)
            return await self._tell(db, retired=idle)

    async def _add_key(self) -> None:
        async with self.pool.acquire() as db, db.transaction():
            await hold_keys(db, alone=True)
            add_current_key(self.key_file)

    async def _take_turn(self, db: Connection) -> None:
        await running.refuse_meanwhile(db)
        if not await take_turn(db):
            raise ConfigurationError("somebody else rotates the vault's keys now; look at `mlc vault status` later")

    async def _tell(
        self, db: Connection, *, added: bool = False, rewrapped: int = 0, retired: list[str] | None = None
    ) -> VaultKeysRotated:
        """The event of what was done, in the outbox if anything was."""
        current, now = KeyRing.load(self.key_file).current.id, self.clock.now()
        event = VaultKeysRotated(
            current=current, added=added, rewrapped=rewrapped, retired=retired or [], by=self.by, at=now
        )
        if added or rewrapped or retired:
            await tell(db, self.topics, event, subject="vault:keys", at=now)
        return event
