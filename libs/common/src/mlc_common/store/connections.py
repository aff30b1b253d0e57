"""The connections of a tenant: which stores and ERPs, with their settings. Secrets are never here (see the vault)."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import asyncpg
from pydantic import ValidationError
from pydantic_core import ErrorDetails

from mlc_common.errors import ConfigurationError
from mlc_common.store.pool import Connection as Db
from mlc_common.store.pool import Pool
from mlc_common.vault.connections import Connection, ConnectionKind


async def add(pool: Pool | Db, connection_id: str, kind: str, settings: Mapping[str, Any]) -> Connection:
    """Add a connection.

    Raises:
        ConfigurationError: the id is taken, or id, kind or settings are not acceptable.
    """
    draft = check(connection_id, kind, settings)
    row = await pool.fetchrow(
        "insert into connections (id, kind, settings) values ($1, $2, $3::jsonb) on conflict do nothing returning *",
        draft.id,
        draft.kind.value,
        json.dumps(draft.settings),
    )
    if row is None:
        raise ConfigurationError(
            f"there is a connection {connection_id!r} already; take another id, or change that one"
        )
    return _connection(row)


async def get(pool: Pool | Db, connection_id: str) -> Connection:
    """The connection of this id.

    Raises:
        ConfigurationError: there is none.
    """
    row = await pool.fetchrow("select * from connections where id = $1", connection_id)
    if row is None:
        known = ", ".join(each.id for each in await list_all(pool)) or "none yet"
        raise ConfigurationError(
            f"there is no connection {connection_id!r} (known: {known}); add it with `mlc connection add`"
        )
    return _connection(row)


async def hold(db: Db, connection_id: str) -> Connection:
    """The connection of this id, which nobody else changes until the caller's transaction ends.

    Raises:
        ConfigurationError: there is none.
    """
    await db.execute("select 1 from connections where id = $1 for update", connection_id)
    return await get(db, connection_id)


async def list_all(pool: Pool | Db, kind: ConnectionKind | None = None) -> list[Connection]:
    """All connections, or those of one kind, by id."""
    rows = await pool.fetch(
        "select * from connections where $1::text is null or kind = $1 order by id",
        kind.value if kind else None,
    )
    return [_connection(row) for row in rows]


async def update(pool: Pool | Db, connection_id: str, settings: Mapping[str, Any]) -> Connection:
    """Replace the settings of a connection.

    Raises:
        ConfigurationError: there is no such connection, or the settings are not acceptable.
    """
    known = await get(pool, connection_id)
    draft = check(known.id, known.kind.value, settings)
    row = await pool.fetchrow(
        "update connections set settings = $2::jsonb, updated_at = now() where id = $1 returning *",
        connection_id,
        json.dumps(draft.settings),
    )
    return _connection(row) if row is not None else await get(pool, connection_id)


async def remove(pool: Pool, connection_id: str) -> bool:
    """Delete a connection's row; its secrets go with ``Vault.remove``. False where there was none."""
    found = await pool.fetchval("delete from connections where id = $1 returning 1", connection_id)
    return found is not None


def check(connection_id: str, kind: str, settings: Mapping[str, Any]) -> Connection:
    """The connection as it will be; the times are placeholders that the database sets.

    Raises:
        ConfigurationError: id, kind or settings are not acceptable.
    """
    unset = datetime(1970, 1, 1, tzinfo=UTC)
    try:
        return Connection.model_validate(
            {"id": connection_id, "kind": kind, "settings": dict(settings), "created_at": unset, "updated_at": unset}
        )
    except ValidationError as error:
        details = "; ".join(_detail(each) for each in error.errors(include_input=False))
        raise ConfigurationError(f"connection {connection_id!r} cannot be used: {details}") from None


def _detail(error: ErrorDetails) -> str:
    if error["loc"] == ("id",):
        return "its name must be 1 to 40 of a-z, 0-9, '-' and '_', beginning with a letter or digit"
    return f"{'.'.join(map(str, error['loc']))}: {error['msg'].removeprefix('Value error, ')}"


def _connection(row: asyncpg.Record) -> Connection:
    return Connection.model_validate({**row, "settings": json.loads(row["settings"])})
