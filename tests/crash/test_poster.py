"""The poster is killed at every step of the engine and started again: one invoice, one credit, one firm, to the cent.

Every case is a connection of its own to one ERP, so that all posters can die side by side; one poster then takes up
what all of them left. Leases of the dead are made to run out by hand: they last minutes.
"""

from __future__ import annotations

import asyncio
import os
import secrets
import signal
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest
import pytest_asyncio
from pydantic import SecretStr

from mlc_cli.rehearsal import Process
from mlc_common.crash import POINTS
from mlc_common.events import MappingApplied
from mlc_common.log import ensure_topics
from mlc_common.runtime import Runtime, open_runtime
from mlc_common.settings import CommonSettings
from mlc_common.store import connections, mappings
from mlc_common.vault.keyring import create_key_file
from mlc_localstack import create_database, drop_database
from mlc_sandbox.deltek.app import create_app
from mlc_sandbox.server import serve

from ..e2e.waiting import settled
from .one_order import OneOrder

pytestmark = [
    pytest.mark.asyncio(loop_scope="session"),
    pytest.mark.xdist_group("poster-crash"),
    pytest.mark.kafka,
    pytest.mark.postgres,
    pytest.mark.crash,
]

OURS = tuple(point for point in POINTS if point.startswith(("intake.", "post.", "party.", "outbox.")))
OF_THE_CREDIT = ("post.after_create:2", "post.after_finalise:2")
CASES = (*OURS, *OF_THE_CREDIT)
AT_ONCE = 3

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


@dataclass(frozen=True)
class Aftermath:
    """What is there when everything has come to rest.

    Attributes:
        ended: How each case's first poster ended.
        orders: What each case ordered.
        truth: The ERP's own tables.
    """

    ended: dict[str, int]
    orders: dict[str, OneOrder]
    truth: dict[str, Any]


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def aftermath(
    tmp_path_factory: pytest.TempPathFactory, kafka_bootstrap: str, postgres_dsn: str
) -> AsyncIterator[Aftermath]:
    """Every case's poster was killed, and one poster took everything up."""
    folder, name = tmp_path_factory.mktemp("poster-crash"), f"crash_{secrets.token_hex(6)}"
    create_key_file(folder / "vault.key")
    environment = {
        "MLC_TENANT": name.replace("_", "-"),
        "KAFKA_BOOTSTRAP_SERVERS": kafka_bootstrap,
        "DATABASE_URL": await create_database(postgres_dsn, name),
        "MLC_VAULT_KEY_FILE": str(folder / "vault.key"),
        "MLC_METRICS_PORT": "0",
    }
    settings = CommonSettings.model_validate(
        {
            "tenant": environment["MLC_TENANT"],
            "kafka_bootstrap_servers": kafka_bootstrap,
            "database_url": environment["DATABASE_URL"],
            "vault_key_file": folder / "vault.key",
        }
    )
    app = create_app({"rate_limit": None, "firm_external_key": True, "start": "2026-11-20T09:00:00+00:00"})
    async with serve(app) as erp, open_runtime(settings, owner="test") as runtime, httpx.AsyncClient() as http:
        orders = {case: OneOrder(f"flow-{number}", 1001 + number) for number, case in enumerate(CASES)}
        await ensure_topics(kafka_bootstrap, [runtime.topics.commands(_erp(case)) for case in CASES])
        for case, order in orders.items():
            await _connected(runtime, case, order, erp.url)
        ended = await _killed(folder, environment)
        await _taken_up(folder, environment, runtime)
        truth = (await http.get(f"{erp.url}/_sandbox/dump")).json()
    yield Aftermath(ended, orders, truth)
    await drop_database(postgres_dsn, name)


def _erp(case: str) -> str:
    return f"erp-{CASES.index(case)}"


async def _connected(runtime: Runtime, case: str, order: OneOrder, url: str) -> None:
    """A connection and a flow of the case's own, with its commands on the log."""
    erp = _erp(case)
    given = {
        "url": f"{url}/Acme/",
        "database": "ACMEPROD",
        "username": "ML_CONNECTOR",
        "company": "00",
        "contract": CONTRACT,
        "visibility_delay_s": 0.2,
        "margin_s": 2.0,
        "allow_private": True,
        "allow_http": True,
    }
    await connections.add(runtime.pool, erp, "deltek", given)
    for secret, value in SECRETS.items():
        await runtime.vault.put(erp, secret, SecretStr(value))
    applied = MappingApplied(
        flow=order.flow, store="shop", erp=erp, version="1", text="", by="test", at=datetime(2026, 11, 1, tzinfo=UTC)
    )
    async with runtime.pool.acquire() as connection:
        await mappings.apply(connection, applied)
    for envelope in order.commands():
        await runtime.log.publish(runtime.topics.commands(erp), envelope)


async def _killed(folder: Path, environment: dict[str, str]) -> dict[str, int]:
    """How each case's poster ended, which serves nothing but its case."""
    turn = asyncio.Semaphore(AT_ONCE)

    async def killed(case: str) -> int:
        async with turn:
            poster = _poster(folder, environment | {"CRASH_AT": case, "MLC_POSTER_CONNECTIONS": _erp(case)})
            await poster.launch()
            try:
                async with asyncio.timeout(60):
                    return await poster.ended()
            except TimeoutError:
                return await poster.stop()

    return dict(zip(CASES, await asyncio.gather(*map(killed, CASES)), strict=True))


async def _taken_up(folder: Path, environment: dict[str, str], runtime: Runtime) -> None:
    """Let one poster serve all connections until nothing more can be done."""
    for table in ("posting_orders", "leases"):
        await runtime.pool.execute(f"update {table} set lease_until = '-infinity'")
    poster = _poster(folder, environment)
    await poster.start()
    try:
        await settled(lambda: _at_rest(runtime), (2 * len(CASES), 0, 0), "arrived, at work and unpublished")
    finally:
        await poster.stop()


async def _at_rest(runtime: Runtime) -> tuple[int, int, int]:
    row = await runtime.pool.fetchrow(
        """
        select (select count(*) from posting_queue) as arrived, (select count(*) from outbox) as unpublished,
            (select count(*) from posting_orders where runnable or lease_until > now()) as at_work
        """
    )
    assert row is not None
    return row["arrived"], row["at_work"], row["unpublished"]


def _poster(folder: Path, environment: dict[str, str]) -> Process:
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "LANG", "TMPDIR") if name in os.environ}
    arguments = ["-m", "mlc_cli", "run", "poster-deltek", "--json"]
    return Process("poster", arguments, kept | environment, folder / "poster.log")


@pytest.mark.parametrize("case", CASES)
async def test_a_poster_killed_at_any_step_leaves_one_invoice_one_credit_and_one_firm(
    aftermath: Aftermath, case: str
) -> None:
    order, truth = aftermath.orders[case], aftermath.truth
    assert aftermath.ended[case] == -signal.SIGKILL
    rows = [row for row in truth["ledger"] if row["Batch"] in order.books and row["AutoEntry"] == "N"]
    booked = {
        batch: sorted((row["Account"], row["TransactionAmount"]) for row in rows if row["Batch"] == batch)
        for batch in order.books
    }
    assert booked == order.books
    assert truth["ar"][f"STORE.WEB01|{order.invoice.number}"]["Balance"] == "81.00"
    assert [firm["Name"] for firm in truth["firms"] if firm["custMLKey"] == f"WC01:{order.number}"] == [
        f"Buyer {order.number}"
    ]


async def test_all_that_the_posters_left_is_posted_and_nothing_is_left_over(aftermath: Aftermath) -> None:
    assert aftermath.truth["drafts"] == []
    posted = sorted(file["batch"] for file in aftermath.truth["posted_files"])
    assert posted == sorted(batch for order in aftermath.orders.values() for batch in order.books)
