"""What all runs share: broker, database server, a migrated template, the forge; and a tenant for one run.

The servers are the chaos' own, because it restarts and kills them.
"""

from __future__ import annotations

import asyncio
import json
import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from chaos.processes import Forge, ForgedProcess, ForgedRehearsal
from chaos.schedule import World
from mlc_cli.demo.connecting import connect
from mlc_cli.mappings import reader
from mlc_cli.rehearsal import environment_of
from mlc_common.store import migrations
from mlc_localstack import KafkaServer, LocalStack, PostgresServer, create_database, drop_database, with_database
from mlc_localstack.processes import free_port

TEMPLATE = "mlc_chaos_template"

CONTRACT: dict[str, Any] = {
    "http": {
        "max_rps": None,
        "absence_gap_s": 0.2,
        "read_timeout_s": 2.0,
        "post_timeout_s": 2.0,
        "queue_timeout_s": 0.5,
        "breaker_open_s": 0.5,
    }
}
"""Nothing is left out, all is only quicker: a takeover takes seconds instead of minutes."""

ERP_SETTINGS = {
    "visibility_delay_s": "0.6",
    "margin_s": "0.7",
    "lease_s": "4",
    "writer_lease_s": "1",
    "sweep_s": "1.5",
}
SHOP_SETTINGS = {"timeout_s": "3", "breaker_open_s": "0.5"}

ENVIRONMENT = {
    "MLC_POLLER_INTERVAL_SECONDS": "0.8",
    "MLC_POLLER_SWEEP_SECONDS": "1",
    "MLC_POLLER_OVERLAP_SECONDS": "10",
    "MLC_POLLER_WEBHOOK_SECONDS": "1",
    "MLC_POLLER_LEASE_SECONDS": "1",
    "MLC_MAPPER_LEASE_SECONDS": "1",
    "MLC_INGEST_PUBLISH_SECONDS": "1.5",
    "MLC_AUDITOR_CHECKPOINT_SECONDS": "1",
    "MLC_KAFKA_SESSION_SECONDS": "2",
    "MLC_DATABASE_CONNECTIONS": "5",
    "MLC_DATABASE_STALLED_SECONDS": "2",
}


@dataclass
class Stand:
    """The servers, the forge, and where logs go."""

    folder: Path
    kafka: KafkaServer
    postgres: PostgresServer
    forge: Forge


@asynccontextmanager
async def standing(folder: Path) -> AsyncIterator[Stand]:
    """Servers of our own, in this folder, until the block ends."""
    folder.mkdir(parents=True, exist_ok=True)
    async with (
        LocalStack(folder / "stack", environment={}, durable=False) as servers,
        Forge(folder / "forge.log") as forge,
    ):
        await drop_database(servers.dsn, TEMPLATE)
        await create_database(servers.dsn, TEMPLATE)
        await migrations.apply(with_database(servers.dsn, TEMPLATE))
        yield Stand(folder, servers.kafka, servers.postgres, forge)


@asynccontextmanager
async def tenant(stand: Stand, folder: Path, world: World) -> AsyncIterator[ForgedRehearsal]:
    """A tenant of its own, connected, with fresh sandboxes; no part runs yet.

    Args:
        stand: Where.
        folder: An empty folder for keys and logs.
        world: How its sandboxes behave.
    """
    name, port = f"chaos-{secrets.token_hex(4)}", free_port()
    folder.mkdir(parents=True)
    database = f"mlc_{name.replace('-', '_')}"
    dsn = await create_database(stand.postgres.dsn, database, template=TEMPLATE)
    ours = environment_of(folder, stand.kafka.bootstrap_servers, dsn, name) | ENVIRONMENT
    ours |= {"MLC_INGEST_PORT": str(port), "MLC_PUBLIC_URL": f"http://127.0.0.1:{port}"}
    shop = {"auto_run": True, "delivery_timeout": 2, "delivery_concurrency": world.delivery_concurrency}
    erp = {"rate_limit": None, "duplicate_guard": world.duplicate_guard}
    rig = ForgedRehearsal(
        folder,
        ours,
        _sandbox(stand, folder, "woocommerce", shop),
        _sandbox(stand, folder, "deltek", erp),
        httpx.AsyncClient(timeout=30),
        forge=stand.forge,
    )
    try:
        await asyncio.gather(rig.shop.start(), rig.erp.start())
        text = mapping_of(world)
        await connect(rig, mapping=text, contract=CONTRACT, erp_settings=ERP_SETTINGS, shop_settings=SHOP_SETTINGS)
        yield rig
    finally:
        processes = [*rig.parts.values(), rig.shop, rig.erp]
        await asyncio.gather(*(process.kill() for process in processes), return_exceptions=True)
        await rig.http.aclose()
        await drop_database(stand.postgres.dsn, database)


def mapping_of(world: World) -> str:
    """The shipped example, with what this world wants of it."""
    example: str = reader("example")()
    wanted = example.replace("after_posting: adjust", f"after_posting: {world.after_posting}")
    assert f"after_posting: {world.after_posting}" in wanted, "the example of a mapping says otherwise now"
    return wanted


def _sandbox(stand: Stand, folder: Path, system: str, config: dict[str, Any]) -> ForgedProcess:
    path = folder / f"{system}.json"
    path.write_text(json.dumps(config), encoding="utf-8")
    arguments = ["-m", "mlc_sandbox", system, "--config", str(path)]
    return ForgedProcess(system, arguments, {}, folder / f"{system}.log", forge=stand.forge, folder=folder)
