"""R1: the poster is killed at every step of the engine and started again: one invoice, one credit, one firm, exact.

Every case is a connection of its own to one ERP, so that all posters can die side by side; one poster then takes up
what all of them left. Leases of the dead are made to run out by hand: they last minutes.
"""

from __future__ import annotations

import asyncio
import signal
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import httpx
import pytest
import pytest_asyncio

from mlc_cli.rehearsal import Process
from mlc_common.crash import POINTS
from mlc_sandbox.deltek.app import create_app
from mlc_sandbox.server import serve

from ..e2e.waiting import settled
from .one_order import OneOrder
from .posters import Office, office

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
    folder = tmp_path_factory.mktemp("poster-crash")
    app = create_app({"rate_limit": None, "firm_external_key": True, "start": "2026-11-20T09:00:00+00:00"})
    async with (
        serve(app) as erp,
        office(folder, kafka=kafka_bootstrap, server_dsn=postgres_dsn) as desk,
        httpx.AsyncClient() as http,
    ):
        orders = {case: OneOrder(f"flow-{number}", 1001 + number) for number, case in enumerate(CASES)}
        for case, order in orders.items():
            await desk.connected(_erp(case), erp.url, order)
        ended = await _killed(desk)
        await _taken_up(desk)
        truth = (await http.get(f"{erp.url}/_sandbox/dump")).json()
    yield Aftermath(ended, orders, truth)


def _erp(case: str) -> str:
    return f"erp-{CASES.index(case)}"


async def _killed(desk: Office) -> dict[str, int]:
    """How each case's poster ended, which serves nothing but its case."""
    turn = asyncio.Semaphore(AT_ONCE)

    async def killed(case: str) -> int:
        async with turn:
            poster = _poster(desk, CRASH_AT=case, MLC_POSTER_CONNECTIONS=_erp(case))
            await poster.launch()
            try:
                async with asyncio.timeout(60):
                    return await poster.ended()
            except TimeoutError:
                return await poster.stop()

    return dict(zip(CASES, await asyncio.gather(*map(killed, CASES)), strict=True))


async def _taken_up(desk: Office) -> None:
    """Let one poster serve all connections until nothing more can be done."""
    for table in ("posting_orders", "leases"):
        await desk.runtime.pool.execute(f"update {table} set lease_until = '-infinity'")
    poster = _poster(desk)
    await poster.start()
    try:
        await settled(desk.at_rest, (2 * len(CASES), 0, 0), "arrived, at work and unpublished")
    finally:
        await poster.stop()


def _poster(desk: Office, **environment: str) -> Process:
    arguments = ["-m", "mlc_cli", "run", "poster-deltek", "--json"]
    return Process("poster", arguments, desk.environment | environment, desk.folder / "poster.log")


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
