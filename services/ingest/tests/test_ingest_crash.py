"""Killed between publish and answer: the event is on the log, the store saw no 200, and a repeat has the same id."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import pytest

from mlc_common.events import Topics
from mlc_common.vault import Vault

from .conftest import Read
from .stand_ins import SECRET, ready, signed

pytestmark = [pytest.mark.crash, pytest.mark.kafka, pytest.mark.postgres]

ORDER = b'{"id":727,"status":"processing","refunds":[]}'


@asynccontextmanager
async def process(environment: dict[str, str]) -> AsyncIterator[tuple[asyncio.subprocess.Process, str]]:
    """``mlc run ingest``, and where it listens."""
    running = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "mlc_cli",
        "run",
        "ingest",
        "--json",
        env={"PATH": os.environ["PATH"], "MLC_METRICS_PORT": "0", **environment},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    assert running.stdout is not None
    try:
        line = await asyncio.wait_for(running.stdout.readline(), 30)
        yield running, json.loads(line)["ingest"]
    finally:
        if running.returncode is None:
            running.send_signal(signal.SIGTERM)
        await asyncio.wait_for(running.communicate(), 30)


async def test_what_was_appended_before_a_kill_stays_and_is_recognised(
    kafka_bootstrap: str, database: str, key_file: Path, tenant: str, vault: Vault, appended: Read
) -> None:
    environment = {
        "MLC_TENANT": tenant,
        "KAFKA_BOOTSTRAP_SERVERS": kafka_bootstrap,
        "DATABASE_URL": database,
        "MLC_VAULT_KEY_FILE": str(key_file),
        "MLC_INGEST_PORT": "0",
    }
    assert vault is not None
    async with process(environment | {"CRASH_AT": "ingest.after_publish"}) as (running, url):
        async with httpx.AsyncClient(base_url=url) as client:
            await ready(client)
            with pytest.raises(httpx.TransportError):
                await client.post("/hooks/shop", content=ORDER, headers=signed(ORDER))
        await asyncio.wait_for(running.wait(), 10)
    assert running.returncode == -signal.SIGKILL
    [first] = await appended(Topics(tenant).raw_orders)
    assert first.data == ORDER

    async with process(environment) as (running, url), httpx.AsyncClient(base_url=url) as client:
        await ready(client)
        assert (await client.post("/hooks/shop", content=ORDER, headers=signed(ORDER))).status_code == 200
        assert (await client.post("/hooks/shop", content=ORDER, headers=signed(ORDER, "wrong"))).status_code == 401
    assert running.returncode == 0
    assert [each.id for each in await appended(Topics(tenant).raw_orders)] == [first.id, first.id]
    assert len(await appended(Topics(tenant).audit)) == 1  # told before it ended


@pytest.mark.parametrize("level", ["debug", "info"])
async def test_logs_hold_no_secret_no_body_and_no_signature(
    level: str, kafka_bootstrap: str, database: str, key_file: Path, tenant: str, vault: Vault
) -> None:
    environment = {
        "MLC_TENANT": tenant,
        "KAFKA_BOOTSTRAP_SERVERS": kafka_bootstrap,
        "DATABASE_URL": database,
        "MLC_VAULT_KEY_FILE": str(key_file),
        "MLC_INGEST_PORT": "0",
        "MLC_LOG_LEVEL": level,
    }
    assert vault is not None
    body = b'{"id":1,"billing":{"email":"grace@example.test","first_name":"planted-name"}}'
    headers = signed(body)
    async with process(environment) as (running, url):
        async with httpx.AsyncClient(base_url=url) as client:
            await ready(client)
            for chosen in (headers, signed(body, "planted-wrong-secret")):
                await client.post("/hooks/shop", content=body, headers=chosen)
            await client.post("/hooks/planted-connection", content=body, headers=headers)
        running.send_signal(signal.SIGTERM)
        _, said = await asyncio.wait_for(running.communicate(), 30)
    assert b"ingest.log_connected" in said
    for planted in (SECRET, "planted", "grace@", headers["X-WC-Webhook-Signature"]):
        assert planted.encode() not in said
