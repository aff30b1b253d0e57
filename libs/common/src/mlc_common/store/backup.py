"""Connections and sealed secrets as one small file: the only records of a tenant that its log does not hold.

Secrets stay sealed: without the vault's key file nothing in the file can be opened, and the key file is never in it.
"""

from __future__ import annotations

import base64
import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import asyncpg
from pydantic import BaseModel, ConfigDict, ValidationError

from mlc_common.audit.telling import tell
from mlc_common.errors import ConfigurationError
from mlc_common.events import ConnectionChanged, Topics
from mlc_common.store.pool import Connection, Pool
from mlc_common.vault.connections import differing, subject_of
from mlc_common.vault.envelope import Binding, Sealed, open_sealed
from mlc_common.vault.keyring import KeyRing

_DAMAGED = "the backup is damaged; take another one"
_BYTES = ("wrapped_key", "wrap_nonce", "nonce", "ciphertext")


class Backup(BaseModel):
    """The file.

    Attributes:
        format: Of the file.
        tenant: Whose it is: secrets open for no other.
        at: When it was made.
    """

    model_config = ConfigDict(frozen=True)

    format: int = 1
    tenant: str
    at: datetime
    connections: list[dict[str, Any]]
    secrets: list[dict[str, Any]]


@dataclass(frozen=True)
class Restoring:
    """How a backup is restored: over what is there or not, and in whose name, for the audit."""

    topics: Topics
    by: str
    at: datetime
    replace: bool = False


@dataclass(frozen=True)
class _Known:
    """A connection, or who else owns secrets: kind, settings, and how many values of each secret are valid."""

    kind: str
    settings: Mapping[str, Any]
    secrets: Mapping[str, int]


async def make(pool: Pool, tenant: str, at: datetime) -> Backup:
    """Read everything at one moment."""
    async with pool.acquire() as db, db.transaction(isolation="repeatable_read", readonly=True):
        connections = await db.fetch("select id, kind, settings, created_at, updated_at from connections order by id")
        secrets = await db.fetch("select * from vault_secrets order by connection, name, version")
    return Backup(
        tenant=tenant,
        at=at,
        connections=[{**row, "settings": json.loads(row["settings"])} for row in connections],
        secrets=[{name: _text(value) for name, value in row.items()} for row in secrets],
    )


def read(text: str, tenant: str) -> Backup:
    """The backup in a file.

    Raises:
        ConfigurationError: it is none, or another tenant's.
    """
    try:
        backup = Backup.model_validate_json(text)
    except ValidationError:
        raise ConfigurationError("this is no backup; give a file that `mlc backup` wrote") from None
    if backup.format != 1:
        raise ConfigurationError(f"the backup has format {backup.format}, which this version does not know; update it")
    if backup.tenant != tenant:
        raise ConfigurationError(
            f"the backup is of tenant {backup.tenant!r}, not of {tenant!r}; its secrets would not open"
        )
    return backup


async def restore(pool: Pool, backup: Backup, ring: KeyRing, how: Restoring) -> None:
    """Write connections and secrets back, all or nothing; the audit is told of each in the same transaction.

    Args:
        pool: Of the tenant, migrated.
        backup: What to write.
        ring: The keys that must open every secret of it.
        how: Whether to drop what is there, and who asks.

    Raises:
        ConfigurationError: there are connections or secrets already, a row is none, a key is missing or wrong, or the
            tables are being rebuilt.
    """
    connections, secrets = _rows(backup)
    for row in secrets:
        name = Binding(backup.tenant, row[0], row[1], row[2])
        open_sealed(Sealed(*row[3:8]), name, ring)
    async with pool.acquire() as db, db.transaction():
        await db.execute("lock table connections, vault_secrets in exclusive mode")
        before = await _known(db)
        if how.replace:
            await db.execute("delete from vault_secrets")
            await db.execute("delete from connections")
        query = "select exists (select 1 from connections) or exists (select 1 from vault_secrets)"
        if await db.fetchval(query):
            raise ConfigurationError(
                "this database has connections already; --replace drops them for those of the backup"
            )
        try:
            await db.executemany(
                """
                insert into connections (id, kind, settings, created_at, updated_at) values ($1, $2, $3::jsonb, $4, $5)
                """,
                connections,
            )
            await db.executemany(
                """
                insert into vault_secrets (connection, name, version, key_id, wrapped_key, wrap_nonce, nonce,
                    ciphertext, created_at, rotated_at) values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)
                """,
                secrets,
            )
        except (asyncpg.DataError, asyncpg.IntegrityConstraintViolationError):
            raise ConfigurationError(_DAMAGED) from None
        await _tell(db, before, await _known(db), how)


async def _known(db: Connection) -> dict[str, _Known]:
    """What there is, by the connection's name (the auditor's signing key has an owner of its own)."""
    secrets: dict[str, Counter[str]] = {}
    for row in await db.fetch("select connection, name from vault_secrets order by connection, name"):
        secrets.setdefault(row["connection"], Counter())[row["name"]] += 1
    rows = await db.fetch("select id, kind, settings from connections")
    found = {row["id"]: _Known(row["kind"], json.loads(row["settings"]), secrets.get(row["id"], {})) for row in rows}
    return {owner: _Known("", {}, values) for owner, values in secrets.items()} | found


async def _tell(db: Connection, before: Mapping[str, _Known], after: Mapping[str, _Known], how: Restoring) -> None:
    none = _Known("", {}, {})
    for name in sorted(before.keys() | after.keys()):
        old, new = before.get(name, none), after.get(name, none)
        was, becomes = differing(old.settings, new.settings)
        event = ConnectionChanged(
            connection=name,
            kind=new.kind or old.kind,
            change="restored" if name in after else "dropped",
            before=was,
            after=becomes,
            secrets={secret: new.secrets.get(secret, 0) for secret in sorted({*old.secrets, *new.secrets})},
            by=how.by,
            at=how.at,
        )
        await tell(db, how.topics, event, subject=subject_of(name), at=how.at)


def _rows(backup: Backup) -> tuple[list[Sequence[Any]], list[Sequence[Any]]]:
    try:
        return [_connection(row) for row in backup.connections], [_secret(row) for row in backup.secrets]
    except (KeyError, ValueError, TypeError):
        raise ConfigurationError(_DAMAGED) from None


def _text(value: Any) -> Any:
    return base64.b64encode(value).decode() if isinstance(value, bytes) else value


def _connection(row: Mapping[str, Any]) -> Sequence[Any]:
    return (row["id"], row["kind"], json.dumps(row["settings"]), _time(row["created_at"]), _time(row["updated_at"]))


def _secret(row: Mapping[str, Any]) -> Sequence[Any]:
    sealed = [base64.b64decode(row[name], validate=True) for name in _BYTES]
    times = [_time(row[name]) for name in ("created_at", "rotated_at")]
    return (row["connection"], row["name"], row["version"], row["key_id"], *sealed, *times)


def _time(text: str) -> datetime:
    return datetime.fromisoformat(text).astimezone(UTC)
