"""Nothing depends on a webhook having arrived: the poller finds orders, silent changes, and webhooks that died."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
import pytest_asyncio

from . import books
from .tenants import NEVER_S, Tenant
from .waiting import until

pytestmark = [
    pytest.mark.asyncio(loop_scope="session"),
    pytest.mark.xdist_group("in-parts"),
    pytest.mark.kafka,
    pytest.mark.postgres,
]

DISABLED_AFTER = 7
"""Failures in a row after which WooCommerce switches a webhook off."""

OFTEN = {
    "MLC_POLLER_INTERVAL_SECONDS": "0.2",
    "MLC_POLLER_SWEEP_SECONDS": "0.3",
    "MLC_POLLER_WEBHOOK_SECONDS": "0.2",
}


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def polled(tenant_in_parts: Tenant) -> AsyncIterator[Tenant]:
    """A tenant whose poller looks all the time; it goes back to sleep after."""
    await tenant_in_parts.restart("poller", **OFTEN)
    yield tenant_in_parts
    await tenant_in_parts.restart("poller")


async def test_orders_and_refunds_whose_webhooks_were_lost_are_found(polled: Tenant) -> None:
    await polled.rig.act("queue/drop", count=2)
    order = await polled.sell()
    await polled.rig.act("queue/drop", count=1)
    refund = await polled.on_order(order["id"], "refunds", amount="1.00")
    assert books.deliveries(await polled.rig.shop_truth(), order["id"]) == []
    await polled.booked(order["id"], {"IN": "3.33", f"R{refund['id']}": "-1.00"})


async def test_webhook_and_poll_of_the_same_orders_at_once_make_one_invoice_each(polled: Tenant) -> None:
    orders = await asyncio.gather(*(polled.sell(settle=False) for _ in range(12)))
    for order in orders:
        await polled.booked(order["id"], {"IN": "3.33"})
    await polled.at_rest()
    for order in orders:
        await polled.booked(order["id"], {"IN": "3.33"})
        assert len(await polled.commands(order["id"], 1)) == 1


async def test_an_order_too_large_for_the_gateway_is_found_by_polling(polled: Tenant) -> None:
    order = await polled.sell(meta_data=[{"key": "_wishes", "value": "x" * 2_200_000}])
    answers = {answer for _, answer in books.deliveries(await polled.rig.shop_truth(), order["id"])}
    assert answers == {413}
    await polled.booked(order["id"], {"IN": "3.33"})


async def test_a_deleted_refund_is_found_by_the_sweep_and_invoiced_again(
    tenant_in_parts: Tenant, polled: Tenant
) -> None:
    tenant = tenant_in_parts
    await tenant.restart("poller", **OFTEN | {"MLC_POLLER_INTERVAL_SECONDS": NEVER_S})
    try:
        order = await tenant.sell()
        refund = await tenant.on_order(order["id"], "refunds", amount="1.00")
        await tenant.booked(order["id"], {"IN": "3.33", f"R{refund['id']}": "-1.00"})
        await tenant.delete(f"orders/{order['id']}/refunds/{refund['id']}")
        back = {f"R{refund['id']}": "-1.00", f"R{refund['id']}-A1": "1.00"}
        await tenant.booked(order["id"], {"IN": "3.33"} | back)
    finally:
        await tenant.restart("poller", **OFTEN)


async def test_a_webhook_that_the_store_switched_off_is_revived_and_nothing_is_missing(polled: Tenant) -> None:
    gateway = polled.rig.parts["ingest"]
    await polled.rig.parts["poller"].stop()
    await gateway.stop()
    orders = [await polled.sell() for _ in range(DISABLED_AFTER)]
    hooks = {hook["topic"]: hook["status"] for hook in (await polled.rig.shop_truth())["webhooks"]}
    assert (hooks["order.created"], hooks["order.updated"]) == ("disabled", "disabled")
    await gateway.start()
    await polled.restart("poller", **OFTEN)
    await polled.webhooks_active()
    for order in orders:
        await polled.booked(order["id"], {"IN": "3.33"})
    later = await polled.sell()
    answers = books.deliveries(await polled.rig.shop_truth(), later["id"])
    assert sorted(answers) == [("order.created", 200), ("order.updated", 200)]


async def test_a_twin_of_our_webhook_is_removed(polled: Tenant) -> None:
    twin = {"topic": "order.updated", "delivery_url": polled.hook_url, "secret": "another"}
    path = f"{polled.rig.shop_url}/wp-json/wc/v3/webhooks"
    made = (await polled.rig.http.post(path, params=polled.keys, json=twin)).json()
    assert made["status"] == "active"

    async def look() -> bool:
        hooks = (await polled.rig.shop_truth())["webhooks"]
        return made["id"] not in [hook["id"] for hook in hooks]

    await until(look, "the twin is gone")
    await polled.webhooks_active()


@asynccontextmanager
async def no_webhooks(tenant: Tenant) -> AsyncIterator[None]:
    """The store's queue stands still meanwhile."""
    await tenant.rig.act("settings", auto_run=False)
    try:
        yield
    finally:
        await tenant.rig.act("settings", auto_run=True)


async def test_a_poller_ended_in_the_middle_of_a_walk_leaves_nothing_out(polled: Tenant) -> None:
    async with no_webhooks(polled):
        slow = await polled.fault("shop", kind="delay", method="GET", path="/refunds", seconds=30, times=-1)
        first = await polled.sell(settle=False)
        refund = await polled.on_order(first["id"], "refunds", amount="1.00", settle=False)
        others = [await polled.sell(settle=False) for _ in range(3)]

        async def look() -> bool:
            return await polled.hits("shop", slow) > 0

        await until(look, "the walk has come to the order with a refund")
        await polled.rig.parts["poller"].stop()
        await polled.heal("shop")
        await polled.restart("poller", **OFTEN)
        await polled.booked(first["id"], {"IN": "3.33", f"R{refund['id']}": "-1.00"})
        for order in others:
            await polled.booked(order["id"], {"IN": "3.33"})


async def test_of_two_pollers_one_works_and_the_other_takes_over_when_it_dies(polled: Tenant) -> None:
    first = polled.rig.parts["poller"]
    second = polled.rig.part("poller", **OFTEN)
    polled.rig.parts["the first poller"] = first
    await second.start()
    async with no_webhooks(polled):
        assert await leader(polled) == first.pid
        await first.kill()
        order = await polled.sell(settle=False)
        await polled.booked(order["id"], {"IN": "3.33"})
        assert await leader(polled) == second.pid


async def leader(tenant: Tenant) -> int:
    """The process that holds the lease on the shop."""
    owner = await tenant.pool.fetchval("select owner from leases where name = 'poller:shop' and lease_until > now()")
    return int(owner.split(":")[1])
