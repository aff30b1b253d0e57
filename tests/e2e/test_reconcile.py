"""`mlc reconcile` on a whole tenant: the demo's sales are all accounted for, and damage to the ERP's books is named.

What is expected comes from the sandboxes' own tables alone.
"""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import AsyncIterator
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import pytest
import pytest_asyncio

from mlc_cli.demo import shopping
from mlc_common.clock import SystemClock
from mlc_common.events import ReconcileCompleted, decode
from mlc_common.runtime import open_runtime
from mlc_common.settings import CommonSettings, load
from mlc_reconciler import app as reconciler

from .tenants import BREAD, DONATION, Tenant, opened
from .waiting import settled, until

pytestmark = [
    pytest.mark.asyncio(loop_scope="session"),
    pytest.mark.xdist_group("reconcile"),
    pytest.mark.kafka,
    pytest.mark.postgres,
]

NEW_YORK = ZoneInfo("America/New_York")
ORDERS = 21
"""So many that every kind is among them: the last is held."""


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def shopped(
    tmp_path_factory: pytest.TempPathFactory, kafka_bootstrap: str, postgres_dsn: str
) -> AsyncIterator[Tenant]:
    """The demo's tenant after the demo's shopping, at rest; a third of the webhooks' orders were found by polling."""
    folder = tmp_path_factory.mktemp("reconcile")
    async with opened(
        folder, kafka=kafka_bootstrap, server_dsn=postgres_dsn, MLC_POLLER_INTERVAL_SECONDS="1"
    ) as tenant:
        async for _ in shopping.shop(tenant.rig, ORDERS):
            pass
        await tenant.polls(1 + await polls_so_far(tenant))
        await tenant.at_rest()
        yield tenant


async def polls_so_far(tenant: Tenant) -> int:
    """How many walks of orders the log tells of."""
    return sum(b'"what":"orders"' in event.data for event in await tenant.log(tenant.topics.control))


async def reconcile(tenant: Tenant, *arguments: str, **environment: str) -> tuple[int, dict[str, Any]]:
    """Exit status and JSON of the command; with ``--all`` the verdicts one by one, as ``items``."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *("-m", "mlc_cli", "reconcile", *arguments, "--json"),
        env=tenant.rig.environment | environment,
        cwd=tenant.rig.folder,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, err = await process.communicate()
    assert out, err.decode()
    *items, said = [json.loads(line) for line in out.splitlines()]
    return process.returncode or 0, said | {"items": [one["item"] for one in items]}


def named(said: dict[str, Any]) -> set[tuple[str, str]]:
    """Verdict and id of everything that is not explained."""
    return {(one["verdict"], one["id"]) for one in said["unexplained_items"]}


def in_the_books(truth: dict[str, Any]) -> Decimal:
    """The sum of all posted files, whatever their currency."""
    return sum((Decimal(line["Amount"]) for file in truth["posted_files"] for line in file["details"]), Decimal(0))


async def test_every_order_and_refund_of_the_demo_is_accounted_for(shopped: Tenant) -> None:
    status, said = await reconcile(shopped)
    shop, erp = await shopped.rig.shop_truth(), await shopped.rig.erp_truth()
    assert (status, said["unexplained"], said["unexplained_items"]) == (0, 0, [])
    assert sum(row["orders"] for row in said["totals"]) == len(shop["orders"])
    assert sum(row["refunds"] for row in said["totals"]) == len(shop["refunds"])
    assert sum(row["documents"] for row in said["totals"]) == 0
    assert sum(Decimal(row["books"]) for row in said["totals"]) == in_the_books(erp)
    store = sum((Decimal(order["total"]) for order in shop["orders"]), Decimal(0))
    store -= sum((Decimal(refund["amount"]) for refund in shop["refunds"]), Decimal(0))
    assert sum(Decimal(row["store"]) for row in said["totals"]) == store
    held = {order for order in map(str, (one["id"] for one in shop["orders"])) if await shopped.held(int(order))}
    assert {one["order"] for one in said["held_items"]} == held != set()
    assert all(row["difference"] in ("0", "0.00") for row in said["verdicts"] if row["verdict"] == "posted")
    events = [event for event in await shopped.log(shopped.topics.audit) if event.type == ReconcileCompleted.event_type]
    last = decode(events[-1], ReconcileCompleted)
    assert (last.flow, last.unexplained, last.counts) == ("web", 0, said["counts"])
    assert (last.since.isoformat(), last.until.isoformat()) == (said["from"], said["to"])
    paid = [order for order in shop["orders"] if order["date_paid_gmt"]]
    assert sum(sum(row["by_verdict"].values()) for row in said["payments"]) == len(paid)


class NextDay(SystemClock):
    """A clock that is a day ahead: the morning on which today is compared."""

    def now(self) -> datetime:
        return super().now() + timedelta(days=1)


async def test_what_the_part_compares_by_itself_every_morning_is_an_event_like_that_of_a_person(
    shopped: Tenant, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in shopped.rig.environment.items():
        monkeypatch.setenv(name, value)
    # The tenant's own reconciler has noted by now that today is done with, or notes it in a moment.
    query = "select note from leases where name = 'reconciler:web' and note <> ''"
    await until(lambda: shopped.pool.fetchval(query), "the schedule has begun")
    async with open_runtime(load(CommonSettings), owner="tomorrow", clock=NextDay()) as runtime:
        part = asyncio.create_task(reconciler.run(runtime))
        try:
            event = await until(lambda: by_schedule(shopped), "the daily comparison")
            assert event is not None
            assert not part.done()
            assert 'mlc_reconcile_unexplained{flow="web"} 0.0' in runtime.metrics.render()[1].decode()
        finally:
            part.cancel()
            await asyncio.gather(part, return_exceptions=True)
    assert (event.until - event.since).days == 6
    days = ("--from", event.since.isoformat(), "--to", event.until.isoformat())
    status, said = await reconcile(shopped, *days)
    assert (status, said["counts"], said["unexplained"]) == (0, event.counts, event.unexplained)
    assert event.counts["posted"] > 0
    assert event.details == []
    assert date.fromisoformat(await shopped.pool.fetchval(query)) == event.until + timedelta(days=1)


async def by_schedule(tenant: Tenant) -> ReconcileCompleted | None:
    """What the newest comparison that nobody asked for has found."""
    events = [event for event in await tenant.log(tenant.topics.audit) if event.type == ReconcileCompleted.event_type]
    found = [each for each in (decode(event, ReconcileCompleted) for event in events) if each.by == "schedule"]
    return found[-1] if found else None


async def test_what_was_edited_and_what_was_taken_back_after_posting_is_right_as_a_whole(shopped: Tenant) -> None:
    edited, refunded = await shopped.sell(items=[BREAD]), await shopped.sell(items=[DONATION])
    refund = await shopped.on_order(refunded["id"], "refunds", amount="10.00")
    credit = f"CM-WC01-{refunded['id']}-R{refund['id']}"
    await shopped.booked(refunded["id"], {"IN": "25.00", f"R{refund['id']}": "-10.00"})
    await shopped.booked(edited["id"], {"IN": "3.33"})
    await shopped.on_order(edited["id"], "edit", lines=[{"index": 0, "quantity": 3}])
    await shopped.delete(f"orders/{refunded['id']}/refunds/{refund['id']}")  # silently; the polls see it
    await settled(lambda: owed(shopped, edited["id"]), Decimal("9.99"), "the edit's difference")
    await settled(lambda: owed(shopped, refunded["id"]), Decimal("25.00"), "the deleted refund's difference")
    status, said = await reconcile(shopped, "--all", MLC_RECONCILER_PATIENCE_MINUTES="0")
    became = {item["id"]: (item["verdict"], item["books"]) for item in said["items"]}
    assert status == 0
    assert became[str(edited["id"])] == ("posted", "9.99")
    assert became[str(refunded["id"])] == ("posted", "25.00")
    assert became[credit] == ("excluded", "0.00")


async def owed(tenant: Tenant, order_id: int) -> Decimal:
    """What the ERP's files put on the receivable for an order."""
    return sum((await tenant.books(order_id)).values(), Decimal(0))


async def test_whatever_somebody_does_to_the_books_is_named_and_nothing_else(shopped: Tenant) -> None:
    """R1's independent checker, as a command: removed, doubled, altered, invented, and put under our number."""
    orders = [await shopped.sell() for _ in range(5)]
    ids = [str(order["id"]) for order in orders]
    refund = await shopped.on_order(orders[1]["id"], "refunds", amount="1.00")
    for number, order in enumerate(orders):
        await shopped.booked(order["id"], {"IN": "3.33"} | ({f"R{refund['id']}": "-1.00"} if number == 1 else {}))
    tell = shopped.rig.tell_erp
    await tell("books/remove", batch=f"IN-WC01-{ids[0]}")
    await tell("books/repeat", batch=f"CM-WC01-{ids[1]}-R{refund['id']}")
    await tell("books/alter", batch=f"IN-WC01-{ids[2]}", by="0.01")
    await tell("foreign-invoices", WBS1="STORE.WEB01", Invoice=f"WA{orders[3]['id']:05d}", Amount="5.00")
    await tell("foreign-invoices", WBS1="STORE.WEB01", Invoice="WA99999", Amount="5.00", Batch="IN-WC01-99999")
    month = f"{datetime.now(NEW_YORK):%Y-%m}-01"  # the sandbox dates what a person enters on the first of the period
    status, said = await reconcile(shopped, "--from", month)
    assert status == 1
    assert named(said) == {
        ("missing", ids[0]),
        ("differs", str(refund["id"])),
        ("differs", ids[2]),
        ("differs", "HAND-0001"),
        ("without_sale", "IN-WC01-99999"),
    }
    sentences = {one["id"]: one["sentence"] for one in said["unexplained_items"]}
    assert "is posted 2 times" in sentences[str(refund["id"])]
    assert "the store says 3.33 USD, the books 3.34 USD, 0.01 USD too much" in sentences[ids[2]]
