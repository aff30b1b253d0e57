"""Orders and refunds as WooCommerce's REST API answers them, and mappings, for the tests of the mapper.

Totals are added up from the lines unless a test states them, so that an order balances unless a test says otherwise.
"""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

import yaml

from mlc_common.events import OrderSnapshot
from mlc_mapper import examples
from mlc_mapper.inputs import SnapshotSeen, WebhookSeen
from mlc_mapper.mapping import Mapping, load
from mlc_mapper.preview import preview

Json = dict[str, Any]
NOW = datetime(2026, 11, 21, 1, 0, tzinfo=UTC)
RATES = {1: "US-NY-NY STATE-1", 2: "US-NY-NY CITY-2"}


def mapping(**changes: Any) -> Mapping:
    """The example mapping with changes; dictionaries are merged, everything else replaced, None removes."""
    return load(mapping_text(**changes))


def mapping_text(**changes: Any) -> str:
    """The text of the example mapping with changes."""
    base = yaml.load(examples.text(), Loader=yaml.BaseLoader)
    return yaml.safe_dump(_merged(base, changes), allow_unicode=True, sort_keys=False)


def _merged(base: Json, changes: Json) -> Json:
    out = dict(base)
    for name, value in changes.items():
        if value is None:
            out.pop(name, None)
        elif isinstance(value, dict) and isinstance(out.get(name), dict):
            out[name] = _merged(out[name], value)
        else:
            out[name] = value
    return out


STRICT = mapping(taxes={"default": None}, cut_over="2026-11-01")
"""Unknown taxes are held; orders of before November 2026 are not ours."""

NET_OF_DISCOUNT = mapping(discounts={"account": None})


def item(line_id: int, total: str, tax: str = "0.00", **more: Any) -> Json:
    """An item line. ``taxes`` maps rate ids to amounts; one rate gets the whole tax unless they are given."""
    line = _line(line_id, total, tax, more)
    base = {
        "name": "Blue Mug", "product_id": 11, "variation_id": 0, "quantity": 1, "sku": "MUG-BLUE",
        "subtotal": total, "meta_data": [],
    }  # fmt: skip
    return {**base, **line, **more}


def shipping(line_id: int, total: str, tax: str = "0.00", **more: Any) -> Json:
    """A shipping line."""
    return {"method_title": "Flat rate", "method_id": "flat_rate", **_line(line_id, total, tax, more), **more}


def fee(line_id: int, total: str, tax: str = "0.00", **more: Any) -> Json:
    """A fee line."""
    return {"name": "Gift wrap", "amount": "", **_line(line_id, total, tax, more), **more}


def _line(line_id: int, total: str, tax: str, more: Json) -> Json:
    taxes = more.pop("taxes", {1: tax} if Decimal(tax) else {})
    listed = [{"id": rate, "total": amount, "subtotal": amount} for rate, amount in taxes.items()]
    return {"id": line_id, "total": total, "total_tax": tax, "taxes": listed}


def order(
    *items: Json, order_id: int = 17, ship: tuple[Json, ...] = (), fees: tuple[Json, ...] = (), **more: Any
) -> Json:
    """A paid order of a guest."""
    lines = [*items, *ship, *fees]
    tax = sum((Decimal(line["total_tax"]) for line in lines), Decimal(0))
    total = sum((Decimal(line["total"]) for line in lines), tax)
    paid = more.pop("paid", "2026-11-21T00:03:15")
    modified = more.pop("modified", "2026-11-21T00:03:15")
    base = {
        "id": order_id, "number": str(order_id), "status": "processing", "currency": "USD", "customer_id": 0,
        "total": str(total), "total_tax": str(tax), "billing": BILLING, "line_items": list(items),
        "tax_lines": [{"rate_id": rate, "rate_code": code} for rate, code in RATES.items()],
        "shipping_lines": list(ship), "fee_lines": list(fees), "coupon_lines": [], "refunds": [],
        "date_created_gmt": "2026-11-21T00:03:15", "date_modified_gmt": modified, "date_paid_gmt": paid,
        "meta_data": [], "_links": {"self": [{"href": "https://shop.example/wp-json/wc/v3/orders/17"}]},
    }  # fmt: skip
    return {**base, **more}


BILLING = {
    "first_name": "Ada", "last_name": "Lovelace", "company": "Engines Ltd", "address_1": "1 Main St",
    "address_2": "Apt 4", "city": "New York", "state": "NY", "postcode": "10001", "country": "US",
    "email": "Ada@Example.test", "phone": "+1 212 555 0100",
}  # fmt: skip


def refund(refund_id: int, amount: str, *lines: Json, **more: Any) -> Json:
    """A refund; ``lines`` as ``back`` makes them."""
    base = {
        "id": refund_id, "amount": amount, "reason": "", "date_created_gmt": "2026-11-22T12:00:00",
        "line_items": [line for line in lines if "method_id" not in line and "amount" not in line],
        "shipping_lines": [line for line in lines if "method_id" in line],
        "fee_lines": [line for line in lines if "amount" in line],
        "tax_lines": [{"rate_id": rate, "rate_code": code} for rate, code in RATES.items()], "meta_data": [],
    }  # fmt: skip
    return {**base, **more}


def back(line: Json, total: str, tax: str = "0.00", *, line_id: int = 900, quantity: int = -1, **more: Any) -> Json:
    """A line of a refund that returns a part of an order's line, with the signs of WooCommerce."""
    taxes = more.pop("taxes", {1: tax} if Decimal(tax) else {})
    listed = [{"id": rate, "total": str(-Decimal(amount))} for rate, amount in taxes.items()]
    meta = [{"id": 1, "key": "_refunded_item_id", "value": str(line["id"])}]
    returned = {"id": line_id, "total": str(-Decimal(total)), "total_tax": str(-Decimal(tax)), "taxes": listed}
    return {**line, **returned, "quantity": quantity, "meta_data": meta, **more}


def with_refunds(body: Json, *refunds: Json, **more: Any) -> Json:
    """The order with the refunds' stubs."""
    stubs = [{"id": one["id"], "reason": "", "total": f"-{one['amount']}"} for one in refunds]
    return {**body, "refunds": stubs, **more}


def record(body: Json, *refunds: Json, **more: Any) -> Json:
    """A stored record: the order with its stubs, and the refunds."""
    return {"order": with_refunds(body, *refunds), "refunds": list(refunds), **more}


def shown(body: Json, *refunds: Json, by: Mapping | None = None, **more: Any) -> Json:
    """What the preview of a record shows."""
    return preview(record(body, *refunds, **more), by or STRICT)


def lines_of(document: Json) -> list[tuple[str, ...]]:
    """The lines of a document as (kind, source, net, tax, account)."""
    return [
        (line["kind"], line["source_line"], line["net"], line["tax"], line["account"]) for line in document["lines"]
    ]


def snapshot(
    body: Json | None, *refunds: Json, offset: int = 0, fetch_id: UUID | None = None, at: datetime = NOW, **more: Any
) -> SnapshotSeen:
    """The snapshot of an order (of order 17 when the store no longer has it)."""
    said = OrderSnapshot(
        connection="shop", order_id=str(body["id"] if body else 17), order=body, refunds=list(refunds),
        fetch_id=fetch_id, fetched_at=at, **more,
    )  # fmt: skip
    return SnapshotSeen(position=(0, offset), event_id=f"snapshot-{offset}", snapshot=said)


def webhook(body: bytes, *, topic: str = "order.updated", offset: int = 0) -> WebhookSeen:
    """A webhook with these bytes."""
    return WebhookSeen(position=(0, offset), event_id=f"webhook-{offset}", topic=topic, body=body, received_at=NOW)
