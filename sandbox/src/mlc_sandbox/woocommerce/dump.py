"""The truth for tests: every order, refund, webhook and delivery of the store, from its own tables.

Nothing in it comes from what the server answered over HTTP. Amounts are strings, instants ISO 8601 in UTC.
"""

from __future__ import annotations

from typing import Any

from mlc_sandbox.woocommerce.delivery import Queue
from mlc_sandbox.woocommerce.model import Order, Refund
from mlc_sandbox.woocommerce.order_view import OrderView
from mlc_sandbox.woocommerce.shop import Shop


def dump(shop: Shop) -> dict[str, Any]:
    """All tables of a shop as JSON-able values."""
    store = shop.store
    return {
        "orders": [_order(shop, order) for order in store.orders.values()],
        "deleted_orders": [_order(shop, order, deleted=True) for order in store.deleted_orders.values()],
        "refunds": [_refund(shop, refund) for refund in store.refunds.values()],
        "deleted_refunds": [_refund(shop, refund) for refund in store.deleted_refunds.values()],
        "products": [
            {
                "id": product.id,
                "name": product.name,
                "sku": product.sku,
                "type": product.kind,
                "parent_id": product.parent_id,
                "price": product.price,
                "status": product.status,
                "stock_quantity": product.stock_quantity,
            }
            for product in store.products.values()
        ],
        "customers": [_without_links(shop.customers.view(one)) for one in store.customers.values()],
        "webhooks": webhooks(shop.queue),
        "queue": queue(shop.queue),
        "deliveries": deliveries(shop.queue),
        "settings": {
            "decimals": shop.settings.decimals,
            "currency": shop.settings.currency,
            "timezone": shop.settings.timezone,
            "prices_include_tax": shop.settings.prices_include_tax,
            "round_at_subtotal": shop.settings.round_at_subtotal,
            "auto_run": shop.settings.auto_run,
        },
    }


def webhooks(waiting: Queue) -> list[dict[str, Any]]:
    """All webhooks with what the REST API hides: failures in a row and whether a ping is owed."""
    return [
        {**_without_links(waiting.webhooks.view(hook)), "failures": hook.failures, "owes_ping": hook.owes_ping}
        for hook in waiting.webhooks.by_id.values()
    ]


def queue(waiting: Queue) -> list[dict[str, Any]]:
    """What waits, in the order it will run."""
    return [
        {"id": job.id, "webhook_id": job.webhook_id, "topic": job.topic, "argument": job.argument}
        for job in waiting.pending
    ]


def deliveries(waiting: Queue, *, with_body: bool = False) -> list[dict[str, Any]]:
    """What became of every delivery and ping so far."""
    return [one.describe(with_body=with_body) for one in waiting.log]


def _order(shop: Shop, order: Order, *, deleted: bool = False) -> dict[str, Any]:
    if deleted:
        # Its refunds are gone from the live table; the rest is shown as it was.
        refunds, order.refund_ids = order.refund_ids, []
        shown = OrderView(shop.store).order(order)
        order.refund_ids = refunds
        shown["refunds"] = [{"id": refund_id} for refund_id in refunds]
    else:
        shown = OrderView(shop.store).order(order)
    return _without_links(shown)


def _refund(shop: Shop, refund: Refund) -> dict[str, Any]:
    return _without_links(OrderView(shop.store).refund(refund, with_parent=True))


def _without_links(shown: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in shown.items() if name != "_links"}
