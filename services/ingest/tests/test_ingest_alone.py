"""`mlc run ingest` comes up before broker and database: 503 with a time to come back at, 200 once both are there."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest
from pydantic import SecretStr

from mlc_common.clock import SystemClock
from mlc_common.errors import ConfigurationError
from mlc_common.vault import Vault
from mlc_common.vault.keyring import create_key_file
from mlc_ingest.secrets import DistantVault, Secrets
from mlc_localstack import create_database, drop_database
from mlc_localstack.processes import free_port

from .stand_ins import ready, signed
from .test_ingest_crash import process

pytestmark = [pytest.mark.kafka, pytest.mark.postgres]

ORDER = b'{"id":7,"status":"processing","refunds":[]}'


@asynccontextmanager
async def passing_on(port: int, to: str) -> AsyncIterator[None]:
    """From now on, what connects to ``port`` reaches ``to``."""
    host, _, there = to.rpartition(":")
    open_now: set[asyncio.StreamWriter] = set()

    async def pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        open_now.add(writer)
        try:
            while data := await reader.read(65536):
                writer.write(data)
                await writer.drain()
        except ConnectionError:
            pass
        finally:
            writer.close()
            open_now.discard(writer)

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        far_reader, far_writer = await asyncio.open_connection(host, int(there))
        await asyncio.gather(pump(reader, far_writer), pump(far_reader, writer))

    server = await asyncio.start_server(connected, "127.0.0.1", port)
    try:
        yield
    finally:
        server.close()
        for writer in list(open_now):
            writer.close()
        await server.wait_closed()


async def test_it_answers_503_until_broker_and_database_are_there(
    kafka_bootstrap: str, database: str, key_file: Path, tenant: str, vault: Vault
) -> None:
    assert vault is not None
    kafka_port, postgres_port, at = free_port(), free_port(), urlsplit(database)
    login = f"{at.username}:{at.password}@" if at.password else f"{at.username}@"
    environment = {
        "MLC_TENANT": tenant,
        "KAFKA_BOOTSTRAP_SERVERS": f"127.0.0.1:{kafka_port}",
        "DATABASE_URL": f"postgresql://{login}127.0.0.1:{postgres_port}{at.path}",
        "MLC_VAULT_KEY_FILE": str(key_file),
        "MLC_INGEST_PORT": "0",
        "MLC_INGEST_PUBLISH_SECONDS": "0.3",
    }
    async with process(environment) as (running, url), httpx.AsyncClient(base_url=url) as client:
        answer = await client.post("/hooks/shop", content=ORDER, headers=signed(ORDER))
        assert (answer.status_code, answer.headers["retry-after"]) == (503, "10")
        assert (await client.get("/healthz")).status_code == 200
        assert (await client.get("/readyz")).status_code == 503
        # The broker tells its clients its own address, so that only the first question goes through here.
        async with (
            passing_on(postgres_port, f"{at.hostname}:{at.port}"),
            passing_on(kafka_port, kafka_bootstrap.partition(",")[0]),
        ):
            await ready(client)
            assert (await client.post("/hooks/shop", content=ORDER, headers=signed(ORDER))).status_code == 200
            assert running.returncode is None


async def test_a_database_without_tables_is_waited_for(postgres_dsn: str, tenant: str, key_file: Path) -> None:
    empty = await create_database(postgres_dsn, f"empty_{tenant}")
    source = DistantVault(empty, key_file, tenant)
    try:
        secrets = Secrets(source, SystemClock(), least_s=0)
        assert await secrets.newest("shop") is None
        assert not secrets.loaded
    finally:
        await source.close()
        await drop_database(postgres_dsn, f"empty_{tenant}")


async def test_keys_that_do_not_open_the_vault_end_it_even_where_no_webhook_secret_is_stored(
    database: str, vault: Vault, tenant: str, tmp_path: Path
) -> None:
    await vault.remove("shop")
    await vault.put("deltek", "password", SecretStr("not for the gateway"))
    create_key_file(other := tmp_path / "other.keys")
    source = DistantVault(database, other, tenant)
    try:
        with pytest.raises(ConfigurationError, match="which the vault key file lacks"):
            await Secrets(source, SystemClock()).run()
    finally:
        await source.close()
