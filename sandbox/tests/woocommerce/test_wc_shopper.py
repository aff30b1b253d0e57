"""People acting in the shop through the control API, and the dump that tells the truth about it."""

from __future__ import annotations

import asyncio
import json
import signal
import sys
from decimal import Decimal
from pathlib import Path
from typing import Any

import httpx
import pytest

from .conftest import Market

TWO_MUGS = {"items": [{"sku": "MUG-BLUE", "quantity": 2}], "shipping": "7.95"}


async def order_of(market: Market, order_id: int) -> dict[str, Any]:
    found: dict[str, Any] = await market.told("GET", f"orders/{order_id}")
    return found


async def test_a_storefront_order_is_paid_and_knows_its_browser(market: Market) -> None:
    order = await market.act("orders", TWO_MUGS)
    assert (order["status"], order["total"], order["created_via"]) == ("processing", "33.75", "checkout")
    assert (order["customer_id"], order["customer_ip_address"], len(order["cart_hash"])) == (0, "127.0.0.1", 32)
    items = order["shipping_lines"][0]["meta_data"][0]
    assert (items["key"], items["value"]) == ("Items", "Blue Mug &times; 2")


async def test_a_customers_order_has_the_customers_address_and_makes_it_a_paying_one(market: Market) -> None:
    order = await market.act("orders", {"items": [{"sku": "TEA-1"}], "customer": "grace@example.test"})
    assert (order["billing"]["company"], order["total"]) == ("Navy", "9.25")
    customer = await market.told("GET", f"customers/{order['customer_id']}")
    assert customer["is_paying_customer"] is True
    refused = await market.client.post(f"{market.url}/_sandbox/orders", json={"customer": "nobody@example.test"})
    assert refused.status_code == 400


async def test_a_refund_by_line_returns_its_share_of_price_and_taxes_and_the_goods(market: Market) -> None:
    order = await market.act("orders", TWO_MUGS)
    line = order["line_items"][0]["id"]
    refund = await market.act(f"orders/{order['id']}/refunds", {"lines": [{"id": line, "quantity": 1}]})
    assert (refund["amount"], refund["line_items"][0]["quantity"]) == ("12.74", -1)
    assert [tax["total"] for tax in refund["line_items"][0]["taxes"]] == ["-0.47", "-0.57"]
    after = await order_of(market, order["id"])
    assert after["refunds"] == [{"id": refund["id"], "reason": "", "total": "-12.74", "total_tax": "-1.04"}]
    rows = {row["key"]: row["value"] for row in after["line_items"][0]["meta_data"]}
    assert rows == {"_reduced_stock": "1", "_restock_refunded_items": "1"}
    assert (after["status"], after["total"]) == ("processing", "33.75")


async def test_refunding_everything_line_by_line_leaves_nothing_and_flips_the_status(market: Market) -> None:
    wish = {**TWO_MUGS, "fees": [{"name": "Credit", "total": "-5.00", "tax_status": "none"}]}
    order = await market.act("orders", wish)
    await market.act(f"orders/{order['id']}/refunds", {"lines": [{"index": 0, "quantity": 1}]})
    rest = await market.act(f"orders/{order['id']}/refunds", {"everything": True})
    after = await order_of(market, order["id"])
    assert after["status"] == "refunded"
    assert Decimal(after["total"]) + sum(Decimal(stub["total"]) for stub in after["refunds"]) == 0
    assert (rest["fee_lines"][0]["total"], rest["meta_data"][0]["value"]) == ("5.00", "full")


async def test_an_amount_only_refund_has_no_lines_and_setting_refunded_returns_the_rest(market: Market) -> None:
    order = await market.act("orders", TWO_MUGS)
    await market.act(f"orders/{order['id']}/refunds", {"amount": "3.75", "reason": "late"})
    await market.act(f"orders/{order['id']}/status", {"status": "refunded"})
    refunds = await market.told("GET", f"orders/{order['id']}/refunds?order=asc")
    assert [(one["amount"], one["reason"], one["line_items"]) for one in refunds] == [
        ("3.75", "late", []),
        ("30.00", "Order fully refunded.", []),
    ]
    stubs = (await order_of(market, order["id"]))["refunds"]
    assert {stub["total_tax"] for stub in stubs} == {"0.00"}


async def test_a_zero_refund_shows_a_negative_zero(market: Market) -> None:
    order = await market.act("orders", TWO_MUGS)
    await market.act(f"orders/{order['id']}/refunds", {"amount": "0"})
    assert (await order_of(market, order["id"]))["refunds"][0]["total"] == "-0.00"


async def test_a_gateway_that_can_pays_back_by_itself(market: Market) -> None:
    order = await market.act("orders", {**TWO_MUGS, "payment_method": "stripe"})
    refund = await market.told("POST", f"orders/{order['id']}/refunds", {"amount": "1"})
    assert refund["refunded_payment"] is True


async def test_editing_a_line_scales_its_price(market: Market) -> None:
    order = await market.act("orders", {**TWO_MUGS, "status": "pending"})
    edited = await market.act(f"orders/{order['id']}/edit", {"lines": [{"index": 0, "quantity": 3}]})
    line = edited["line_items"][0]
    assert (line["quantity"], line["total"], line["total_tax"], edited["total"]) == (3, "35.10", "3.11", "46.48")


async def test_cancelling_puts_the_goods_back(market: Market) -> None:
    store = market.app.state.store
    mug = store.products[store.skus["MUG-BLUE"]]
    before = mug.stock_quantity
    order = await market.act("orders", TWO_MUGS)
    assert mug.stock_quantity == before - 2
    await market.act(f"orders/{order['id']}/cancel")
    assert mug.stock_quantity == before


async def test_cash_on_delivery_is_paid_at_completed_only(market: Market) -> None:
    wish = {**TWO_MUGS, "payment_method": "cod", "status": "processing"}
    order = await market.act("orders", wish)
    assert order["date_paid"] is None
    completed = await market.act(f"orders/{order['id']}/status", {"status": "completed"})
    assert completed["date_paid"] == completed["date_completed"] is not None


async def test_the_admin_pages_restore_an_order_aloud(market: Market) -> None:
    await market.hook("order.restored")
    order = await market.act("orders", TWO_MUGS)
    await market.act(f"orders/{order['id']}/trash")
    restored = await market.act(f"orders/{order['id']}/restore")
    await market.act("queue/run")
    assert restored["status"] == "processing"
    assert [got.header("X-WC-Webhook-Topic") for got in market.receiver.deliveries()] == ["order.restored"]


async def test_the_dump_tells_orders_refunds_webhooks_and_deliveries_from_the_tables(market: Market) -> None:
    webhook_id = await market.hook("order.updated")
    kept, gone = (await market.act("orders", TWO_MUGS), await market.act("orders", TWO_MUGS))
    refund = await market.act(f"orders/{kept['id']}/refunds", {"amount": "1.00"})
    await market.act(f"orders/{gone['id']}/refunds", {"amount": "2.00"})
    await market.act(f"orders/{gone['id']}", method="DELETE")
    await market.act("queue/run", {"limit": 1})
    await market.act("faults", {"kind": "status", "times": -1})
    truth = await market.act("dump", method="GET")
    assert [(order["id"], order["total"]) for order in truth["orders"]] == [(kept["id"], "33.75")]
    assert [order["id"] for order in truth["deleted_orders"]] == [gone["id"]]
    assert [(one["parent_id"], one["amount"]) for one in truth["refunds"]] == [(kept["id"], refund["amount"])]
    assert [one["amount"] for one in truth["deleted_refunds"]] == ["2.00"]
    (hook,) = truth["webhooks"]
    assert (hook["id"], hook["failures"], hook["owes_ping"]) == (webhook_id, 0, False)
    assert [(one["kind"], one["answered"]) for one in truth["deliveries"]] == [("ping", 200), ("delivery", 200)]
    assert [job["argument"] for job in truth["queue"]] == [gone["id"]]


async def test_a_page_cache_keeps_an_old_order_until_the_url_changes(market: Market) -> None:
    order = await market.act("orders", {**TWO_MUGS, "status": "pending"})
    await market.act("faults", {"kind": "stale_get", "match": {"path": "/orders/"}, "times": -1})
    path = f"orders/{order['id']}"
    await market.told("GET", path)
    await market.told("PUT", path, {"status": "processing"})
    assert (await market.told("GET", path))["status"] == "pending"
    assert (await market.told("GET", f"{path}?_=1"))["status"] == "processing"


async def test_a_login_page_with_200_is_no_json(market: Market) -> None:
    await market.act("faults", {"kind": "replace_body", "match": {"path": "^/wp-json"}})
    answer = await market.rest("GET", "orders")
    assert (answer.status_code, answer.headers["content-type"]) == (200, "text/html; charset=UTF-8")
    with pytest.raises(json.JSONDecodeError):
        answer.json()


async def test_calls_are_counted_by_template(market: Market) -> None:
    order = await market.act("orders", TWO_MUGS)
    await order_of(market, order["id"])
    counted = await market.act("calls", method="GET")
    assert counted["calls"] == [{"method": "GET", "path": "/wp-json/wc/v3/orders/{id}", "count": 1}]


@pytest.mark.parametrize(
    ("path", "body", "status"),
    [
        ("orders/999/cancel", {}, 400),
        ("orders", {"items": [{"sku": "TEA-1"}], "coupons": ["nosuch"]}, 400),
        ("orders/999/dance", {}, 400),
        ("queue/dance", {}, 400),
        ("queue/reorder", {"order": "random"}, 400),
        ("settings", {"colour": "red"}, 400),
        ("users/1", {"state": "angry"}, 400),
    ],
)
async def test_control_requests_that_make_no_sense_are_refused(
    market: Market, path: str, body: Any, status: int
) -> None:
    answer = await market.client.post(f"{market.url}/_sandbox/{path}", json=body)
    assert answer.status_code == status


async def test_the_store_lives_under_a_path_where_its_home_url_has_one(market: Market) -> None:
    await market.act("settings", {"home_url": f"{market.url}/shop"})
    inside = await market.client.get(f"{market.url}/shop/wp-json/")
    assert inside.json()["home"] == f"{market.url}/shop"


async def test_it_runs_as_a_process_that_tells_its_address_and_ends_when_told(tmp_path: Path) -> None:
    config = tmp_path / "config.json"
    config.write_text('{"currency": "EUR", "auto_run": true}')
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "mlc_sandbox", "woocommerce", "--config", str(config)),
        stdout=asyncio.subprocess.PIPE,
    )
    assert process.stdout is not None
    told = json.loads(await asyncio.wait_for(process.stdout.readline(), 20))
    assert told["sandbox"] == "woocommerce"
    async with httpx.AsyncClient() as client:
        order = (await client.post(f"{told['url']}/_sandbox/orders", json=TWO_MUGS)).json()
    assert order["currency"] == "EUR"
    process.send_signal(signal.SIGTERM)
    assert await asyncio.wait_for(process.wait(), 10) == 0
