"""The office of a test run, opened once: broker, database and vault are shared, connections and sandboxes are not."""

from __future__ import annotations

import secrets
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest
import pytest_asyncio

from mlc_common.runtime import open_runtime
from mlc_common.settings import CommonSettings
from mlc_common.vault.keyring import create_key_file
from mlc_localstack import create_database, drop_database

from .desk import Office, OpenDesk


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def office(
    kafka_bootstrap: str, postgres_dsn: str, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Office]:
    """A tenant of this run's own."""
    key: Path = tmp_path_factory.mktemp("vault") / "vault.key"
    create_key_file(key)
    name = f"test_{secrets.token_hex(8)}"
    settings = CommonSettings.model_validate(
        {
            "tenant": f"t{secrets.token_hex(6)}",
            "kafka_bootstrap_servers": kafka_bootstrap,
            "database_url": await create_database(postgres_dsn, name),
            "vault_key_file": key,
            "metrics_port": 0,
        }
    )
    async with open_runtime(settings, owner="test") as runtime, httpx.AsyncClient() as http:
        yield Office(runtime, http)
    await drop_database(postgres_dsn, name)


@pytest.fixture
def desk(office: Office) -> OpenDesk:
    """Opens a desk: see ``Office.desk``."""
    return office.desk
