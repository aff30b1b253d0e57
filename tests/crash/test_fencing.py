"""A poster is frozen at every step, another takes over, the first wakes up and goes on: never two posted documents.

R16: a fenced poster that wakes up does not post. Where it stands right before a write, behind every check of ours, it
does send; then the ERP's refusal, the recount and the sweep must make it harmless, also at a tenant that guards the
names of unposted files only. R1 is for posters that do not wake up (test_poster.py).
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import pytest
import pytest_asyncio
from chaos.processes import Forge, ForgedProcess

from mlc_common.crash import POINTS
from mlc_sandbox.deltek.app import create_app
from mlc_sandbox.server import serve

from ..e2e.waiting import settled, until
from .one_order import OneOrder
from .posters import Office, office

pytestmark = [
    pytest.mark.asyncio(loop_scope="session"),
    pytest.mark.xdist_group("fencing"),
    pytest.mark.kafka,
    pytest.mark.postgres,
    pytest.mark.crash,
]

GUARDS = ("always", "unposted")
"""Whether the tenant refuses the name of every file that there ever was, or of those that wait to be posted."""

EVERYWHERE = tuple(point for point in POINTS if point.startswith(("intake.", "post.", "party.", "outbox.")))
SENDING = ("post.after_look", "post.after_intent", "post.before_send", "post.after_create", "post.before_release")
"""Where it may still send something when it wakes up; the third time: of the credit."""

CASES = (
    *((point, "always") for point in EVERYWHERE),
    *((f"{point}:2", "always") for point in ("post.before_send", "post.before_release")),
    *((point, "unposted") for point in SENDING),
)
PAIR, PAIR_ORDERS = "pair", 12
SHORT: dict[str, Any] = {"margin_s": 0.5, "sweep_s": 0.5}
CALM_S = 0.3


@dataclass(frozen=True)
class Aftermath:
    """What is there when everybody has woken up and everything has come to rest.

    Attributes:
        stood: Cases whose poster did stand still, while another posted their order.
        orders: What each case ordered.
        pair: What two posters posted together.
        truths: The ERP's own tables, by what the tenant guards.
    """

    stood: set[tuple[str, str]]
    orders: dict[tuple[str, str], OneOrder]
    pair: list[OneOrder]
    truths: dict[str, dict[str, Any]]


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def aftermath(
    tmp_path_factory: pytest.TempPathFactory, kafka_bootstrap: str, postgres_dsn: str
) -> AsyncIterator[Aftermath]:
    """Every case's poster stood still, one other took everything up, and then all woke up."""
    folder = tmp_path_factory.mktemp("fencing")
    quick = {"MLC_KAFKA_SESSION_SECONDS": "6", "MLC_DATABASE_STALLED_SECONDS": "3"}
    async with AsyncExitStack() as stack:
        urls = {}
        for guard in GUARDS:
            config = {"rate_limit": None, "firm_external_key": True, "duplicate_guard": guard}
            app = create_app(config | {"start": "2026-11-20T09:00:00+00:00"})
            urls[guard] = (await stack.enter_async_context(serve(app))).url
        desk = await stack.enter_async_context(office(folder, kafka=kafka_bootstrap, server_dsn=postgres_dsn, **quick))
        forge = await stack.enter_async_context(Forge(folder / "forge.log"))
        http = await stack.enter_async_context(httpx.AsyncClient(timeout=30))
        yield await Scene(desk, forge, http, urls).play()


class Scene:
    """The posters of all cases, and what they do one after the other."""

    def __init__(self, desk: Office, forge: Forge, http: httpx.AsyncClient, urls: dict[str, str]) -> None:
        self._desk, self._forge, self._http, self._urls = desk, forge, http, urls
        self._orders = {case: OneOrder(f"flow-{number}", 1001 + number) for number, case in enumerate(CASES)}
        self._pair = [OneOrder(f"pair-{number}", 2001 + number) for number in range(PAIR_ORDERS)]
        self._commands = 2 * (len(CASES) + PAIR_ORDERS)
        self._started: list[ForgedProcess] = []

    async def play(self) -> Aftermath:
        """Freeze, take over, wake up."""
        try:
            for case, order in self._orders.items():
                await self._desk.connected(_erp(case), self._urls[case[1]], order, settings=SHORT)
            await self._desk.connected(PAIR, self._urls["always"], *self._pair, settings=SHORT)
            frozen = {case: self._poster(FREEZE_AT=case[0], MLC_POSTER_CONNECTIONS=_erp(case)) for case in CASES}
            await asyncio.gather(*(self._stands_still(poster) for poster in frozen.values()))
            await self._taken_over()
            stood = {case for case, poster in frozen.items() if poster.stands_still()}
            for poster in frozen.values():
                poster.thaw()
            await self._calm(frozen.values())
            return Aftermath(stood, self._orders, self._pair, {guard: await self._truth(guard) for guard in GUARDS})
        finally:
            await asyncio.gather(*(poster.kill() for poster in self._started))

    async def _stands_still(self, poster: ForgedProcess) -> None:
        await poster.launch()

        async def stands() -> bool:
            assert poster.running, poster.log.read_text()[-2000:]
            return poster.stands_still()

        await until(stands, f"{poster.name} stands still")

    async def _taken_over(self) -> None:
        """Two posters for everything that the frozen ones left, and for orders of their own.

        Leases of the frozen are made to run out by hand: they last minutes.
        """
        for table in ("posting_orders", "leases"):
            await self._desk.runtime.pool.execute(f"update {table} set lease_until = '-infinity'")
        both = [self._poster(), self._poster()]
        await asyncio.gather(*(poster.launch() for poster in both))
        await settled(self._desk.at_rest, (self._commands, 0, 0), "arrived, at work and unpublished", within=90)

    async def _calm(self, woken: Any) -> None:
        """Until whoever woke up has done what it wanted to: it answers, and the ERP is asked for nothing more."""
        await asyncio.gather(*(until(partial(self._answers, poster), "it answers") for poster in woken))
        await settled(self._desk.at_rest, (self._commands, 0, 0), "arrived, at work and unpublished")
        for guard in GUARDS:
            await until(partial(self._tidy, guard), f"drafts of ours are cleared away ({guard})")

    async def _answers(self, poster: ForgedProcess) -> bool:
        assert poster.running, poster.log.read_text()[-2000:]
        return poster.was_up

    async def _tidy(self, guard: str) -> bool:
        """Whether no draft is there, and none comes within a moment."""
        for _ in range(2):
            if (await self._truth(guard))["drafts"]:
                return False
            await asyncio.sleep(CALM_S)
        return True

    async def _truth(self, guard: str) -> dict[str, Any]:
        found: dict[str, Any] = (await self._http.get(f"{self._urls[guard]}/_sandbox/dump")).json()
        return found

    def _poster(self, **environment: str) -> ForgedProcess:
        number, folder = len(self._started), self._desk.folder
        self._started.append(
            ForgedProcess(
                f"poster {number} {environment}",
                ["-m", "mlc_cli", "run", "poster-deltek", "--json"],
                self._desk.environment | environment,
                Path(folder / f"poster-{number}.log"),
                forge=self._forge,
                folder=folder,
            )
        )
        return self._started[-1]


def _erp(case: tuple[str, str]) -> str:
    return f"erp-{CASES.index(case)}"


def booked(truth: dict[str, Any], order: OneOrder) -> dict[str, list[tuple[str, str]]]:
    """What stands in the ledger of an order: account and amount per batch."""
    rows = [row for row in truth["ledger"] if row["Batch"] in order.books and row["AutoEntry"] == "N"]
    return {
        batch: sorted((row["Account"], row["TransactionAmount"]) for row in rows if row["Batch"] == batch)
        for batch in order.books
    }


@pytest.mark.parametrize("case", CASES, ids="-".join)
async def test_a_poster_that_wakes_up_after_another_took_over_doubles_nothing(
    aftermath: Aftermath, case: tuple[str, str]
) -> None:
    """R16: a fenced poster that wakes up does not post."""
    order, truth = aftermath.orders[case], aftermath.truths[case[1]]
    assert case in aftermath.stood, "it must have stood still until another had posted its order"
    assert booked(truth, order) == order.books
    assert truth["ar"][f"STORE.WEB01|{order.invoice.number}"]["Balance"] == "81.00"
    firms = [firm["Name"] for firm in truth["firms"] if firm["custMLKey"] == f"WC01:{order.number}"]
    assert firms == [f"Buyer {order.number}"]


async def test_two_posters_at_once_post_every_document_once(aftermath: Aftermath) -> None:
    """R16: two poster processes of one connection, while partitions move between them."""
    for order in aftermath.pair:
        assert booked(aftermath.truths["always"], order) == order.books


@pytest.mark.parametrize("guard", GUARDS)
async def test_nothing_is_left_over_and_nothing_is_posted_twice(aftermath: Aftermath, guard: str) -> None:
    """R16: what a woken poster sent in vain is cleared away."""
    truth = aftermath.truths[guard]
    ours = [order for (_, of), order in aftermath.orders.items() if of == guard]
    ours += aftermath.pair if guard == "always" else []
    assert truth["drafts"] == []
    assert {row["Batch"] for row in truth["ledger"]} == {batch for order in ours for batch in order.books}
