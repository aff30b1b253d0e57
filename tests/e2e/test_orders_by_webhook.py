"""From the shop's webhook to the ERP's books, order by order, as the shopper and the merchant make them happen.

R7: the same webhook many times, and webhook and snapshot of one order, make one document.
The poller reads nothing here but what the mapper asks it for: what is posted came by webhook.
"""

from __future__ import annotations

import asyncio
from decimal import Decimal

import pytest

from mlc_common.events import RAW_WEBHOOK

from . import books
from .tenants import BREAD, DONATION, Tenant

pytestmark = [
    pytest.mark.asyncio(loop_scope="session"),
    pytest.mark.xdist_group("by-webhook"),
    pytest.mark.kafka,
    pytest.mark.postgres,
]


async def test_a_paid_order_becomes_a_posted_invoice_to_the_cent(tenant_by_webhook: Tenant) -> None:
    tenant = tenant_by_webhook
    # Two mugs at 11.70 and shipping 7.95; New York State 4 % on both, New York City 4.875 % on the mugs alone.
    order = await tenant.sell(items=[{"sku": "MUG-BLUE", "quantity": 2}], shipping="7.95")
    assert order["total"] == "33.75"
    await tenant.booked(order["id"], {"IN": "33.75"})
    truth = await tenant.rig.erp_truth()
    accounts = {account: str(amount) for account, amount in books.lines(truth, f"IN-WC01-{order['id']}").items()}
    assert accounts == {"401.00": "23.40", "404.00": "7.95", "221.00": "2.40"}
    assert {event.type for event in await tenant.log_of(tenant.topics.raw_orders, order["id"])} == {RAW_WEBHOOK}


async def test_the_same_webhook_twenty_times_makes_one_invoice(tenant_by_webhook: Tenant) -> None:
    tenant = tenant_by_webhook
    order = await tenant.sell()
    (body, headers), *_ = await tenant.delivered(order["id"])
    answers = await asyncio.gather(*(tenant.send(body, headers) for _ in range(20)))
    assert answers == [200] * 20
    await tenant.at_rest()
    await tenant.booked(order["id"], {"IN": "3.33"})
    raw = await tenant.log_of(tenant.topics.raw_orders, order["id"])
    assert len(raw) == 22, "each was taken"
    assert len({event.id for event in raw}) == 1, "and recognised by its content"
    assert len(await tenant.commands(order["id"], 1)) == 1


async def test_twin_webhooks_that_deliver_everything_twice_make_one_invoice(tenant_by_webhook: Tenant) -> None:
    tenant = tenant_by_webhook
    await tenant.rig.act("queue/duplicate", count=2)
    order = await tenant.sell()
    answers = books.deliveries(await tenant.rig.shop_truth(), order["id"])
    assert sorted(answers) == [("order.created", 200)] * 2 + [("order.updated", 200)] * 2
    await tenant.booked(order["id"], {"IN": "3.33"})
    await tenant.at_rest()
    assert len(await tenant.commands(order["id"], 1)) == 1


@pytest.mark.parametrize(("first", "second"), [("created", "updated"), ("updated", "created")])
async def test_created_and_updated_may_come_in_either_order(tenant_by_webhook: Tenant, first: str, second: str) -> None:
    tenant = tenant_by_webhook
    await tenant.rig.act("settings", checkout_order=f"{first}_first")
    order = await tenant.sell()
    topics = [topic for topic, _ in books.deliveries(await tenant.rig.shop_truth(), order["id"])]
    assert topics == [f"order.{first}", f"order.{second}"]
    await tenant.booked(order["id"], {"IN": "3.33"})


async def test_an_old_body_that_comes_after_the_newer_one_changes_nothing(tenant_by_webhook: Tenant) -> None:
    tenant = tenant_by_webhook
    order = await tenant.sell(status="on-hold", set_paid=False)
    unpaid, *_ = await tenant.delivered(order["id"])
    await tenant.on_order(order["id"], "edit", lines=[{"index": 0, "quantity": 2}])
    await tenant.on_order(order["id"], "status", status="processing")
    await tenant.booked(order["id"], {"IN": "6.66"})
    assert await tenant.send(*unpaid) == 200
    await tenant.at_rest()
    await tenant.booked(order["id"], {"IN": "6.66"})
    assert await tenant.held(order["id"]) == {}


async def test_two_changes_in_one_second_are_settled_by_a_snapshot(tenant_by_webhook: Tenant) -> None:
    tenant = tenant_by_webhook
    async with tenant.one_second():
        order = await tenant.sell(status="on-hold", set_paid=False)
        await tenant.on_order(order["id"], "status", status="processing")
        await tenant.booked(order["id"], {"IN": "3.33"})


async def test_two_refunds_in_one_second_are_two_credits(tenant_by_webhook: Tenant) -> None:
    tenant = tenant_by_webhook
    order = await tenant.sell(items=[BREAD, DONATION])
    await tenant.booked(order["id"], {"IN": "28.33"})
    async with tenant.one_second():
        loaf = order["line_items"][0]["id"]
        first = await tenant.on_order(order["id"], "refunds", lines=[{"id": loaf, "quantity": 1}])
        second = await tenant.on_order(order["id"], "refunds", amount="5.00")
        back = {f"R{first['id']}": "-3.33", f"R{second['id']}": "-5.00"}
        await tenant.booked(order["id"], {"IN": "28.33", **back})


async def test_the_refund_of_a_held_order_waits_behind_its_invoice(tenant_by_webhook: Tenant) -> None:
    tenant = tenant_by_webhook
    order = await tenant.sell(items=[DONATION], currency="BRL")  # no currency of the mapping
    refund = await tenant.on_order(order["id"], "refunds", amount="10.00")
    await tenant.commands(order["id"], 2)
    await tenant.is_held(order["id"], {"invoice": "currency_not_mapped"})
    await tenant.at_rest()
    assert await tenant.books(order["id"]) == {}
    await tenant.on_order(order["id"], "edit", currency="USD")
    await tenant.booked(order["id"], {"IN": "25.00", f"R{refund['id']}": "-10.00"})
    assert await tenant.held(order["id"]) == {}


async def test_an_order_never_paid_posts_nothing_however_it_ends(tenant_by_webhook: Tenant) -> None:
    tenant = tenant_by_webhook
    order = await tenant.sell(status="on-hold", set_paid=False)
    await tenant.on_order(order["id"], "cancel")
    await tenant.on_order(order["id"], "trash")
    await tenant.at_rest()
    await tenant.booked(order["id"], {})
    assert await tenant.log_of(tenant.topics.commands("deltek"), order["id"]) == []


async def test_an_order_cancelled_after_posting_is_credited_for_what_refunds_left(tenant_by_webhook: Tenant) -> None:
    tenant = tenant_by_webhook
    order = await tenant.sell(items=[DONATION, BREAD])
    refund = await tenant.on_order(order["id"], "refunds", amount="10.00")
    await tenant.booked(order["id"], {"IN": "28.33", f"R{refund['id']}": "-10.00"})
    await tenant.on_order(order["id"], "cancel")
    await tenant.booked(order["id"], {"IN": "28.33", f"R{refund['id']}": "-10.00", "X1": "-18.33"})
    assert books.balance(await tenant.rig.erp_truth(), order["id"]) == 0


async def test_five_edits_after_posting_are_adjusted_to_the_cent(tenant_by_webhook: Tenant) -> None:
    tenant = tenant_by_webhook
    order = await tenant.sell()
    wanted = {"IN": "3.33"}
    await tenant.booked(order["id"], wanted)
    for ordinal, (quantity, difference) in enumerate(
        [(2, "3.33"), (5, "9.99"), (1, "-13.32"), (3, "6.66"), (2, "-3.33")], start=1
    ):
        await tenant.on_order(order["id"], "edit", lines=[{"index": 0, "quantity": quantity}])
        wanted[f"A{ordinal}"] = difference
        await tenant.booked(order["id"], wanted)
    assert books.balance(await tenant.rig.erp_truth(), order["id"]) == Decimal("6.66")


async def test_an_order_that_comes_back_after_its_cancellation_is_invoiced_again(tenant_by_webhook: Tenant) -> None:
    tenant = tenant_by_webhook
    order = await tenant.sell()
    await tenant.booked(order["id"], {"IN": "3.33"})
    await tenant.on_order(order["id"], "cancel")
    await tenant.booked(order["id"], {"IN": "3.33", "X1": "-3.33"})
    await tenant.on_order(order["id"], "status", status="processing")
    await tenant.booked(order["id"], {"IN": "3.33", "X1": "-3.33", "A2": "3.33"})


async def test_an_order_changed_and_changed_back_within_one_second_is_as_it_was(tenant_by_webhook: Tenant) -> None:
    tenant = tenant_by_webhook
    order = await tenant.sell()
    await tenant.booked(order["id"], {"IN": "3.33"})
    async with tenant.one_second():
        await tenant.on_order(order["id"], "edit", lines=[{"index": 0, "quantity": 2}])
        await tenant.booked(order["id"], {"IN": "3.33", "A1": "3.33"})
        await tenant.on_order(order["id"], "edit", lines=[{"index": 0, "quantity": 1}])
        await tenant.booked(order["id"], {"IN": "3.33", "A1": "3.33", "A2": "-3.33"})


async def test_an_edit_that_changes_no_money_after_posting_holds_nothing(tenant_by_webhook: Tenant) -> None:
    tenant = tenant_by_webhook
    order = await tenant.sell()
    await tenant.booked(order["id"], {"IN": "3.33"})
    await tenant.on_order(order["id"], "edit", billing={"city": "Albany", "first_name": "Augusta"})
    await tenant.on_order(order["id"], "status", status="completed")
    await tenant.at_rest()
    await tenant.booked(order["id"], {"IN": "3.33"})
    assert await tenant.held(order["id"]) == {}


async def test_a_posted_order_put_into_the_trash_is_held_and_restoring_it_ends_that(tenant_by_webhook: Tenant) -> None:
    tenant = tenant_by_webhook
    order = await tenant.sell()
    await tenant.booked(order["id"], {"IN": "3.33"})
    await tenant.on_order(order["id"], "trash")
    await tenant.is_held(order["id"], {"invoice": "order_deleted"})
    await tenant.on_order(order["id"], "restore")
    await tenant.is_held(order["id"], {})
    await tenant.booked(order["id"], {"IN": "3.33"})


async def test_a_refund_is_credited_although_the_product_is_deleted(tenant_by_webhook: Tenant) -> None:
    tenant = tenant_by_webhook
    product = await tenant.rig.act("products", name="Last &amp; gone", regular_price="12.50", tax_status="none")
    order = await tenant.sell(items=[{"product_id": product["id"], "quantity": 2}])
    await tenant.booked(order["id"], {"IN": "25.00"})
    await tenant.delete(f"products/{product['id']}")
    line = order["line_items"][0]["id"]
    refund = await tenant.on_order(order["id"], "refunds", lines=[{"id": line, "quantity": 1}])
    await tenant.booked(order["id"], {"IN": "25.00", f"R{refund['id']}": "-12.50"})


async def test_an_order_gone_before_its_delivery_is_a_dead_letter_and_the_next_goes_through(
    tenant_by_webhook: Tenant,
) -> None:
    tenant = tenant_by_webhook
    await tenant.rig.act("settings", auto_run=False)
    try:
        gone = await tenant.sell(settle=False)
        await tenant.delete(f"orders/{gone['id']}")
        next_one = await tenant.sell(settle=False)
        await tenant.rig.act("queue/run")
    finally:
        await tenant.rig.act("settings", auto_run=True)
    assert {answer for _, answer in books.deliveries(await tenant.rig.shop_truth(), gone["id"])} == {200}
    await tenant.booked(next_one["id"], {"IN": "3.33"})
    await tenant.at_rest()
    letters = [event for event in await tenant.log(tenant.topics.dead_letter) if b"invalid_id" in event.data]
    assert len(letters) == 2
    assert all("instead of an order" in letter.extensions["reason"] for letter in letters)
    await tenant.booked(gone["id"], {})
