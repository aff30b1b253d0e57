"""What crash and fencing tests share: a tenant without a mapper, one connection and one order for each case.

The commands are put on the log by the test; posters are real processes. The ERP is a sandbox in the test's own loop.
"""

from __future__ import annotations

import os
import secrets
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from pydantic import SecretStr

from mlc_common.events import MappingApplied
from mlc_common.log import ensure_topics
from mlc_common.runtime import Runtime, open_runtime
from mlc_common.settings import CommonSettings
from mlc_common.store import connections, mappings
from mlc_common.vault.keyring import create_key_file
from mlc_localstack import create_database, drop_database

from .one_order import OneOrder

SECRETS = {"password": "sandbox-password", "client_id": "sandbox-client", "client_secret": "sandbox-secret"}
CONTRACT: dict[str, Any] = {
    "fields": {"firm.external_key": {"enabled": True}},
    "http": {
        "max_rps": None,
        "absence_gap_s": 0.2,
        "read_timeout_s": 3.0,
        "post_timeout_s": 3.0,
        "queue_timeout_s": 1.0,
    },
}
SETTINGS: dict[str, Any] = {
    "database": "ACMEPROD",
    "username": "ML_CONNECTOR",
    "company": "00",
    "contract": CONTRACT,
    "visibility_delay_s": 0.2,
    "margin_s": 2.0,
    "allow_private": True,
    "allow_http": True,
}


@dataclass(frozen=True)
class Office:
    """A tenant whose posters a test starts.

    Attributes:
        environment: Settings of its processes.
        runtime: Its database and log.
    """

    folder: Path
    environment: dict[str, str]
    runtime: Runtime

    async def connected(self, erp: str, url: str, *orders: OneOrder, settings: Mapping[str, Any] | None = None) -> None:
        """A connection with a flow for each of these orders, and their commands on the log."""
        runtime = self.runtime
        await ensure_topics(runtime.settings.kafka_bootstrap_servers, [runtime.topics.commands(erp)])
        given = {"url": f"{url}/Acme/", **SETTINGS, **(settings or {})}
        await connections.add(runtime.pool, erp, "deltek", given)
        for secret, value in SECRETS.items():
            await runtime.vault.put(erp, secret, SecretStr(value))
        for order in orders:
            async with runtime.pool.acquire() as connection:
                await mappings.apply(connection, _applied(order.flow, erp))
            for envelope in order.commands():
                await runtime.log.publish(runtime.topics.commands(erp), envelope)

    async def at_rest(self) -> tuple[int, int, int]:
        """How many commands have arrived, orders are at work and events unpublished."""
        row = await self.runtime.pool.fetchrow(
            """
            select (select count(*) from posting_queue) as arrived, (select count(*) from outbox) as unpublished,
                (select count(*) from posting_orders where runnable or lease_until > now()) as at_work
            """
        )
        assert row is not None
        return row["arrived"], row["at_work"], row["unpublished"]


@asynccontextmanager
async def office(folder: Path, *, kafka: str, server_dsn: str, **environment: str) -> AsyncIterator[Office]:
    """A tenant of its own; its database is dropped in the end."""
    name = f"crash_{secrets.token_hex(6)}"
    create_key_file(folder / "vault.key")
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "LANG", "TMPDIR") if name in os.environ}
    ours = kept | {
        "MLC_TENANT": name.replace("_", "-"),
        "KAFKA_BOOTSTRAP_SERVERS": kafka,
        "DATABASE_URL": await create_database(server_dsn, name),
        "MLC_VAULT_KEY_FILE": str(folder / "vault.key"),
        "MLC_METRICS_PORT": "0",
        **environment,
    }
    settings = CommonSettings.model_validate(
        {
            "tenant": ours["MLC_TENANT"],
            "kafka_bootstrap_servers": kafka,
            "database_url": ours["DATABASE_URL"],
            "vault_key_file": folder / "vault.key",
        }
    )
    try:
        async with open_runtime(settings, owner="test") as runtime:
            yield Office(folder, ours, runtime)
    finally:
        await drop_database(server_dsn, name)


def _applied(flow: str, erp: str) -> MappingApplied:
    at = datetime(2026, 11, 1, tzinfo=UTC)
    return MappingApplied(flow=flow, store="shop", erp=erp, version="1", text="", by="test", at=at)
