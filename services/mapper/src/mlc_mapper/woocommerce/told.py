"""What an event tells about an order: the whole order, that it is gone, only that something happened, or nothing.

Webhook bodies are evidence of varying worth (WooCommerce facts §14, §15): an order, ``{"id":N}``, an action with an
id, an error object, or no JSON. None of them raises here.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from mlc_common import exactjson
from mlc_common.errors import Undecodable
from mlc_common.events import OrderSnapshot
from mlc_mapper.decision import NotAnOrder
from mlc_mapper.inputs import RawInput, WebhookSeen
from mlc_mapper.woocommerce import fields, text
from mlc_mapper.woocommerce.fields import Json
from mlc_mapper.woocommerce.order import Picture, StoreRefund
from mlc_mapper.woocommerce.reading import EPOCH, read_picture, read_refund


@dataclass(frozen=True, kw_only=True)
class OrderTold:
    """The whole order. ``fetched_at`` and the fields below it are set by snapshots, never by webhooks.

    Attributes:
        picture: The order.
        refunds: Its refunds with their lines.
        categories: Product or variation id to the slugs and ids of its categories, of the products that were read.
        account: Id and e-mail of the customer; None when the customer was not read.
        fetched_at: When the poller read it.
        fetch_id: The request that the snapshot answers.
        heard_at: When we heard of it, by webhook or by reading: the store has made it by then.
    """

    picture: Picture
    refunds: tuple[StoreRefund, ...] = ()
    categories: Mapping[int, tuple[str, ...]] = field(default_factory=dict)
    account: tuple[int, str] | None = None
    fetched_at: datetime | None = None
    fetch_id: UUID | None = None
    heard_at: datetime | None = None

    @property
    def order_id(self) -> int:
        """The order's id."""
        return self.picture.order_id


@dataclass(frozen=True, kw_only=True)
class GoneTold:
    """The store no longer has the order."""

    order_id: int
    fetched_at: datetime
    fetch_id: UUID | None = None


@dataclass(frozen=True, kw_only=True)
class HintTold:
    """Something happened to the order; what, only a fetch can tell."""

    order_id: int
    because: str


Told = OrderTold | GoneTold | HintTold


def read(event: RawInput) -> Told | NotAnOrder:
    """Read a raw event."""
    return _webhook(event) if isinstance(event, WebhookSeen) else read_snapshot(event.snapshot)


def read_snapshot(snapshot: OrderSnapshot) -> Told | NotAnOrder:
    """Read a snapshot of the poller, or a stored record of the same shape."""
    order_id = fields.optional_id(snapshot.order_id)
    if not order_id and snapshot.order is not None and not fields.optional_id(snapshot.order.get("id")):
        return NotAnOrder("the store lists an order without an id, for which nothing can be asked; repair it there")
    if not order_id:
        return NotAnOrder(f"a snapshot of order {snapshot.order_id[:40]!a}, which is no order id")
    if snapshot.order is None:
        return GoneTold(order_id=order_id, fetched_at=snapshot.fetched_at, fetch_id=snapshot.fetch_id)
    if snapshot.order.get("id") != order_id:
        return NotAnOrder(f"a snapshot of order {order_id} that holds order {snapshot.order.get('id')!a}")
    refunds = (read_refund(record) for record in snapshot.refunds)
    return OrderTold(
        picture=read_picture(snapshot.order, order_id),
        refunds=tuple(refund for refund in refunds if refund is not None),
        categories=_categories(snapshot.products),
        account=_account(snapshot.customer),
        fetched_at=snapshot.fetched_at,
        fetch_id=snapshot.fetch_id,
        heard_at=snapshot.fetched_at,
    )


def _webhook(event: WebhookSeen) -> Told | NotAnOrder:
    if event.topic and not event.topic.startswith(("order.", "action.")):
        return NotAnOrder(f"topic {event.topic[:80]!a} is not about orders")
    try:
        body = exactjson.loads(event.body)
    except Undecodable as error:
        return NotAnOrder(str(error))
    return _body(body, event.received_at) if isinstance(body, dict) else NotAnOrder("the body is no JSON object")


def _body(body: Json, received_at: datetime) -> Told | NotAnOrder:
    if "id" not in body and "arg" in body:
        return _action(body)
    if not fields.is_id(body.get("id")):
        return NotAnOrder(_no_order(body))
    order_id: int = body["id"]
    if len(body) == 1:
        return HintTold(order_id=order_id, because="deleted")
    picture = read_picture(body, order_id)
    if picture.modified == EPOCH:
        return HintTold(order_id=order_id, because="no modification time")
    return OrderTold(picture=picture, heard_at=received_at)


def _action(body: Json) -> Told | NotAnOrder:
    """``{"action":"woocommerce_order_refunded","arg":17}``: only hooks of orders carry an order's id."""
    action, order_id = text.plain(body.get("action")), fields.optional_id(body.get("arg"))
    if not action.startswith("woocommerce_order_") or not order_id:
        return NotAnOrder(f"action {action[:80]!a} names no order")
    return HintTold(order_id=order_id, because=action)


def _no_order(body: Json) -> str:
    code, data = body.get("code"), body.get("data")
    if isinstance(code, str) and isinstance(data, dict):
        status = data.get("status")
        return f"the store sent its error {code[:80]!a} ({status!a}) instead of an order; check the webhook's user"
    return "the body has no whole number as id"


def _categories(products: list[Json]) -> dict[int, tuple[str, ...]]:
    """Slugs and ids of the categories, by product id."""
    found: dict[int, tuple[str, ...]] = {}
    for product in products:
        product_id = fields.optional_id(product.get("id"))
        listed = product.get("categories")
        entries = [entry for entry in listed if isinstance(entry, dict)] if isinstance(listed, list) else []
        names = {text.plain(entry.get(key)) for entry in entries for key in ("slug", "id")} - {""}
        if product_id:
            found[product_id] = tuple(sorted(names))
    return found


def _account(customer: dict[str, Any] | None) -> tuple[int, str] | None:
    return None if customer is None else (fields.optional_id(customer.get("id")), text.plain(customer.get("email")))
