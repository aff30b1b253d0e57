"""What the demo's shopper does: varied orders, refunds, a cancellation, an edit before payment, lost webhooks.

Every kind of sale that makes accountants worry is here: guests, coupons, prices with and without tax, fees that are
negative, gift wrap, free goods, another currency, a product deleted after the sale, entities in names.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

from mlc_cli.rehearsal import Rehearsal

WEBHOOK_TOPICS = ("order.created", "order.updated", "order.deleted", "order.restored")

_TOKYO = {"country": "JP", "city": "Tokyo", "state": "JP13", "postcode": "100-0001", "email": "hanako@example.test"}
_OXFORD = {"country": "GB", "city": "Oxford", "state": "", "postcode": "OX1 1AA", "company": "Smith & Söhne <Ltd>"}
_LOSE_EVERY = 6
_DELIVERIES_AN_ORDER = 2

KINDS: tuple[dict[str, Any], ...] = (
    {"items": [{"sku": "MUG-BLUE", "quantity": 2}], "shipping": "7.95"},
    {"items": [{"sku": "TEA-1", "quantity": 3}], "customer": "grace@example.test"},
    {"items": [{"sku": "POSTER-ND", "quantity": 1}, {"sku": "MUG-BLUE", "quantity": 1}], "coupons": ["ten"]},
    {"items": [{"sku": "ÜN-ß/1", "quantity": 7}], "billing": _OXFORD, "shipping": "19.00"},
    {"items": [{"sku": "CHAIR-7", "quantity": 1}], "shipping": "49.00", "prices_include_tax": True},
    {
        "items": [{"sku": "TEA-1", "quantity": 2}],
        "fees": [{"name": "Store credit", "total": "-5.00", "tax_status": "none"}],
    },
    {"items": [{"sku": "MUG-BLUE", "quantity": 1}], "fees": [{"name": "Gift wrap", "total": "3.00"}]},
    {"items": [{"sku": "SAMPLE", "quantity": 1}]},
    {"items": [{"sku": "EBOOK-1", "quantity": 1}, {"sku": "CONSULT-H", "quantity": 2}]},
    {"items": [{"sku": "DONATION", "quantity": 1}], "customer": "grace@example.test"},
    {
        "items": [{"sku": "MUG-BLUE", "quantity": 1, "subtotal": "1200", "total": "1200"}],
        "currency": "JPY",
        "billing": _TOKYO,
    },
    {"items": [{"sku": "POSTER-ND", "quantity": 3}], "status": "on-hold", "set_paid": False},
    {"items": [{"sku": "BREAD", "quantity": 3}], "shipping": "4.44"},
)


async def shop(rig: Rehearsal, orders: int) -> AsyncIterator[int]:
    """Place the orders, one after the other, and do to some of them what customers do; yields each order's id.

    Every sixth order's webhooks are lost on purpose, so that only the poll can find it.
    """
    for number in range(orders):
        if number % _LOSE_EVERY == _LOSE_EVERY - 1:
            await rig.act("queue/drop", count=_DELIVERIES_AN_ORDER)
        order = await rig.act("orders", **KINDS[number % len(KINDS)])
        await rig.act("queue/settle")
        await _afterwards(rig, number, order)
        yield int(order["id"])


async def _afterwards(rig: Rehearsal, number: int, order: dict[str, Any]) -> None:
    """Refund by line, by amount, twice; cancel; pay late; delete the product; each for one order in some."""
    path, lines = f"orders/{order['id']}", order["line_items"]
    match number % 25:
        case 0:
            await rig.act(f"{path}/refunds", lines=[{"id": lines[0]["id"], "quantity": 1}], reason="Chipped")
        case 2:
            await rig.act(f"{path}/refunds", amount="5.00", reason="Goodwill")
        case 4:
            await rig.act(f"{path}/refunds", lines=[{"id": lines[0]["id"], "quantity": 1}], reason="Returned")
            await rig.act(f"{path}/refunds", amount="10.00", reason="Carrier was late")
        case 8:
            await rig.act(f"{path}/refunds", everything=True, reason="Cancelled by the buyer")
        case 11:
            await rig.act(f"{path}/edit", lines=[{"index": 0, "quantity": 2}])
            await rig.act(f"{path}/status", status="processing")
        case 13:
            await rig.act(f"{path}/cancel")
        case 16:
            product = await rig.act(
                "products", name="Last one & gone", regular_price="12.50", sku=f"GONE-{order['id']}"
            )
            sold = await rig.act("orders", items=[{"product_id": product["id"], "quantity": 2}])
            await rig.http.delete(f"{rig.shop_url}/_sandbox/products/{product['id']}")
            await rig.act(f"orders/{sold['id']}/refunds", lines=[{"id": sold["line_items"][0]["id"], "quantity": 1}])
        case 20:
            held = [{"sku": "MUG-BLUE", "quantity": 1, "subtotal": "1210", "total": "1210"}]
            await rig.act("orders", items=held, currency="JPY")  # New York's tax on it is finer than one yen
    await rig.act("queue/settle")
