"""Creates, changes, trashes and deletes orders, and says which webhooks hear of it.

Every write bumps ``date_modified`` and fires ``order.updated``, also one that changes nothing; putting a trashed order
back by status and deleting one for good fire nothing. Facts sheet §8 and §15.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mlc_sandbox.woocommerce.discounts import apply_coupons
from mlc_sandbox.woocommerce.errors import BadParameter, Refusal, invalid_id, invalid_parameters
from mlc_sandbox.woocommerce.model import BILLING, SHIPPING, STATUSES, Order
from mlc_sandbox.woocommerce.order_lines import LineWriter
from mlc_sandbox.woocommerce.refunds import Refunds
from mlc_sandbox.woocommerce.statuses import Statuses
from mlc_sandbox.woocommerce.stock import Stock
from mlc_sandbox.woocommerce.store import Store, write_meta
from mlc_sandbox.woocommerce.totals import Calculator

KIND = "shop_order"
TEXTS = {
    "currency": "currency",
    "customer_note": "customer_note",
    "payment_method": "payment_method",
    "payment_method_title": "payment_method_title",
    "transaction_id": "transaction_id",
    "customer_ip_address": "ip_address",
    "customer_user_agent": "user_agent",
    "cart_hash": "cart_hash",
    "number": "number",
}
ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"


class Orders:
    """The orders of one store.

    Args:
        store: Its tables.
    """

    def __init__(self, store: Store) -> None:
        self.store = store
        self.stock = Stock(store)
        self.statuses = Statuses(store, self.stock)
        self.refunds = Refunds(store, self.statuses)
        self.writer = LineWriter(store)

    def find(self, order_id: int, *, status: int = 404) -> Order:
        """One order, also a trashed one.

        Raises:
            Refusal: there is none; ``status`` 400 to write.
        """
        order = self.store.orders.get(order_id)
        if order is None:
            raise invalid_id(KIND, status, "Invalid ID." if status == 404 else "ID is invalid.")
        return order

    def create(
        self,
        body: Mapping[str, Any],
        *,
        created_via: str = "rest-api",
        prices_include_tax: bool | None = None,
        updated_first: bool = False,
    ) -> Order:
        """A new order with final totals.

        Args:
            body: As of ``POST /orders``.
            created_via: checkout, store-api, rest-api, admin.
            prices_include_tax: As the store's setting unless said.
            updated_first: Queue ``order.updated`` before ``order.created``, as a storefront order does.

        Raises:
            Refusal: the body is wrong; an unknown coupon leaves a draft behind.
        """
        self._check(body)
        order = self._blank(created_via, prices_include_tax)
        self._write_fields(order, body)
        self.writer.apply(order, body)
        self.store.orders[order.id] = order
        topics = ["order.created", "order.updated"]
        for topic in reversed(topics) if updated_first else topics:
            self.store.fire(topic, order.id)
        Calculator(self.store, order).calculate()
        if body.get("coupon_lines"):
            self._use_coupons(order, body["coupon_lines"])
        if body.get("status"):
            self.statuses.change(order, body["status"])
        if body.get("set_paid") is True:
            self.statuses.pay(order, str(body.get("transaction_id") or ""))
        order.modified = self.store.now()
        return order

    def update(self, order_id: int, body: Mapping[str, Any]) -> Order:
        """Change an order; also a body that says nothing counts as a change.

        Raises:
            Refusal: no such order (400), or the body is wrong.
        """
        order = self.find(order_id, status=400)
        self._check(body)
        was_trashed = order.status == "trash"
        self._write_fields(order, body)
        touched = self.writer.apply(order, body)
        if touched or "billing" in body or "shipping" in body:
            Calculator(self.store, order).calculate()
        if "coupon_lines" in body:
            self._use_coupons(order, body["coupon_lines"] or [])
        if not (was_trashed and body.get("status")):
            self.store.fire("order.updated", order.id)
        if body.get("status"):
            self.statuses.change(order, body["status"])
        if body.get("set_paid") is True and order.status in ("pending", "failed", "checkout-draft"):
            self.statuses.pay(order, str(body.get("transaction_id") or ""))
        order.modified = self.store.now()
        order.version = self.store.settings.wc_version
        return order

    def trash(self, order_id: int) -> Order:
        """Move an order to the trash.

        Raises:
            Refusal: no such order, or it is there already (410).
        """
        order = self.find(order_id)
        if order.status == "trash":
            text = "The shop_order has already been deleted."
            raise Refusal(410, "woocommerce_rest_already_trashed", text)
        now = self.store.now()
        order.meta.append(self.store.meta("_wp_trash_meta_status", f"wc-{order.status}"))
        order.meta.append(self.store.meta("_wp_trash_meta_time", str(int(now.timestamp()))))
        order.status, order.modified = "trash", now
        self.stock.count_sales(order)
        self.store.fire("order.deleted", order.id)
        return order

    def restore(self, order_id: int) -> Order:
        """Take an order out of the trash in the admin pages: this one fires ``order.restored``."""
        order = self.find(order_id)
        before = next((row for row in order.meta if row.key == "_wp_trash_meta_status"), None)
        if order.status == "trash" and before is not None:
            order.status, order.modified = str(before.value).removeprefix("wc-"), self.store.now()
            order.meta = [row for row in order.meta if not row.key.startswith("_wp_trash_meta_")]
            self.store.fire("order.restored", order.id)
        return order

    def delete(self, order_id: int) -> Order:
        """Delete an order and its refunds for good; nothing fires.

        Raises:
            Refusal: no such order.
        """
        order = self.find(order_id)
        self.stock.forget_sales(order)
        for refund_id in order.refund_ids:
            self.store.deleted_refunds[refund_id] = self.store.refunds.pop(refund_id)
        self.store.deleted_orders[order.id] = self.store.orders.pop(order.id)
        return order

    def _blank(self, created_via: str, prices_include_tax: bool | None) -> Order:
        store, settings = self.store, self.store.settings
        now, order_id = store.now(), store.next_post_id()
        inclusive = settings.prices_include_tax if prices_include_tax is None else prices_include_tax
        token = store.secret_token("order", order_id)
        key = "wc_order_" + "".join(ALPHABET[int(token[i : i + 2], 16) % 62] for i in range(0, 26, 2))
        order = Order(order_id, "pending", settings.currency, settings.wc_version, inclusive, now, now, key)
        order.created_via = created_via
        return order

    def _check(self, body: Mapping[str, Any]) -> None:
        status = body.get("status")
        if status and status not in STATUSES:
            names = f"{', '.join(STATUSES[:-1])}, and {STATUSES[-1]}"
            raise invalid_parameters([BadParameter("status", "rest_not_in_enum", f"status is not one of {names}.")])
        for name in ("billing", "shipping"):
            if name in body and not isinstance(body[name], dict):
                wrong = BadParameter(name, "rest_invalid_type", f"{name} is not of type object.", {"param": name})
                raise invalid_parameters([wrong])
        self.writer.check(body)
        customer_id = body.get("customer_id")
        if customer_id and int(customer_id) not in self.store.customers:
            raise Refusal(400, "woocommerce_rest_invalid_customer_id", "Customer ID is invalid.")

    def _write_fields(self, order: Order, body: Mapping[str, Any]) -> None:
        for name, attribute in TEXTS.items():
            if body.get(name) is not None:
                setattr(order, attribute, str(body[name]))
        if body.get("customer_id") is not None:
            order.customer_id = int(body["customer_id"])
        if body.get("parent_id") is not None:
            order.parent_id = int(body["parent_id"])
        for name, keys, address in (("billing", BILLING, order.billing), ("shipping", SHIPPING, order.shipping)):
            given = body.get(name) or {}
            address.update({key: str(given[key]) for key in keys if given.get(key) is not None})
        write_meta(order.meta, body.get("meta_data"), self.store.meta)

    def _use_coupons(self, order: Order, given: Any) -> None:
        self.writer.coupons(order, given)
        apply_coupons(Calculator(self.store, order), self.store.coupons)
