"""A gateway over real HTTP: on a log in memory for what HTTP decides, on real Kafka and PostgreSQL for the rest."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Any, Protocol

import httpx
import pytest
from pydantic import SecretStr

from mlc_common.clock import SystemClock
from mlc_common.events import Envelope, Topics
from mlc_common.log import read_topic
from mlc_common.runtime import surroundings
from mlc_common.serving import serving
from mlc_common.settings import CommonSettings, load
from mlc_common.store import connections
from mlc_common.store.pool import Pool, connect
from mlc_common.telemetry import MetricsRegistry, health_app
from mlc_common.vault import KeyRing, Vault
from mlc_common.vault.keyring import create_key_file
from mlc_ingest import server
from mlc_ingest.app import run
from mlc_ingest.bodies import Bodies
from mlc_ingest.counting import Counting
from mlc_ingest.gateway import Gateway
from mlc_ingest.refusals import Refusals
from mlc_ingest.secrets import WEBHOOK_SECRET, Secrets

from .stand_ins import OTHER_SECRET, SECRET, KnownSecrets, MemoryLog, OnMemory

Start = Callable[..., AbstractAsyncContextManager[OnMemory]]


@pytest.fixture
def on_memory() -> Start:
    """Starts a gateway: ``async with on_memory(limit=…) as gateway``."""

    @asynccontextmanager
    async def start(
        *,
        limit: int = 64 * 1024,
        seconds: float = 5.0,
        memory: int = 1 << 20,
        connections: int = 100,
        pause: float = 0.05,
        load: bool = True,
    ) -> AsyncIterator[OnMemory]:
        clock, topics, log = SystemClock(), Topics("acme"), MemoryLog()
        source = KnownSecrets({"shop": (SECRET,), "other": (OTHER_SECRET,)})
        secrets = Secrets(source, clock, least_s=pause)
        if load:
            await secrets.newest("shop")
        refusals = Refusals(topics, log, clock, worker="w1")
        metrics = MetricsRegistry()
        bodies = Bodies(limit=limit, seconds=seconds, memory=memory)
        gateway = Gateway(
            topics=topics,
            secrets=secrets,
            log=log,
            bodies=bodies,
            refusals=refusals,
            counting=Counting(metrics),
            clock=clock,
            behind=health_app(_ready, metrics),
        )
        async with (
            serving(gateway, host="127.0.0.1", port=0, **server.options(connections)) as port,
            httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", timeout=20) as client,
        ):
            yield OnMemory(f"http://127.0.0.1:{port}", log, source, refusals, bodies, metrics, client)

    return start


async def _ready() -> bool:
    return True


@pytest.fixture
async def gateway(on_memory: Start) -> AsyncIterator[OnMemory]:
    """A gateway with the usual limits of these tests."""
    async with on_memory() as started:
        yield started


@pytest.fixture
def key_file(tmp_path: Path) -> Path:
    path = tmp_path / "vault.keys"
    create_key_file(path)
    return path


@pytest.fixture
async def pool(database: str) -> AsyncIterator[Pool]:
    opened = await connect(database, application="test", most=2)
    yield opened
    await opened.close()


@pytest.fixture
async def vault(pool: Pool, key_file: Path, tenant: str) -> Vault:
    """The tenant's vault, with one store ``shop`` and its webhook secret."""
    opened = Vault(pool, KeyRing.load(key_file), tenant)
    await connections.add(pool, "shop", "woocommerce", {"address": "https://shop.example"})
    await opened.put("shop", WEBHOOK_SECRET, SecretStr(SECRET))
    return opened


Run = Callable[..., AbstractAsyncContextManager[httpx.AsyncClient]]


@pytest.fixture
def service(database: str, vault: Vault, key_file: Path, tenant: str, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Starts the whole service: ``async with service(kafka_bootstrap, ingest_body_limit=…) as client``."""

    @asynccontextmanager
    async def start(bootstrap: str, **settings: Any) -> AsyncIterator[httpx.AsyncClient]:
        environment = {
            "MLC_TENANT": tenant,
            "KAFKA_BOOTSTRAP_SERVERS": bootstrap,
            "DATABASE_URL": database,
            "MLC_VAULT_KEY_FILE": str(key_file),
            "MLC_INGEST_PORT": "0",
            "MLC_INGEST_REFUSALS_SECONDS": "3600",
        }
        for name, value in (
            environment | {f"MLC_{name.upper()}": str(value) for name, value in settings.items()}
        ).items():
            monkeypatch.setenv(name, value)
        around = surroundings(load(CommonSettings), owner="test")
        running = asyncio.create_task(run(around))
        try:
            while not running.done() and "ingest" not in around.announced:
                await asyncio.sleep(0.01)
            if running.done():
                running.result()
            async with httpx.AsyncClient(base_url=around.announced["ingest"], timeout=20) as client:
                yield client
        finally:
            running.cancel()
            await asyncio.wait({running})
        assert running.cancelled()

    return start


class Read(Protocol):
    """Reads a topic to its end."""

    async def __call__(self, topic: str, bootstrap: str = "") -> list[Envelope]: ...


@pytest.fixture
def appended(kafka_bootstrap: str) -> Read:
    """What lies on a topic: ``await appended(topics.raw_orders)``; of the run's broker unless another is named."""

    async def read(topic: str, bootstrap: str = "") -> list[Envelope]:
        return [record.envelope() async for record in read_topic(bootstrap or kafka_bootstrap, topic)]

    return read
