"""Acts as people do in a shop: buys in the storefront, refunds, edits and deletes in the admin pages.

Everything goes through the same desks as the REST API, so totals and webhooks follow the same rules; only what a
browser does by itself (sharing a refund out over units, scaling a line) is worked out here.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from mlc_sandbox.woocommerce.catalogue import Customer
from mlc_sandbox.woocommerce.model import FeeLine, Order, ProductLine, Refund, ShippingLine
from mlc_sandbox.woocommerce.money import ZERO, amount, money, raw, round_half_up, total
from mlc_sandbox.woocommerce.shop import Shop

GUEST = {
    "first_name": "Ada",
    "last_name": "Lovelace",
    "company": "Engines Ltd",
    "address_1": "1 Main St",
    "address_2": "Apt 4",
    "city": "New York",
    "state": "NY",
    "postcode": "10001",
    "country": "US",
    "email": "ada@example.test",
    "phone": "+1 212 555 0100",
}
PASSED_ON = (
    "status",
    "currency",
    "customer_note",
    "payment_method",
    "payment_method_title",
    "transaction_id",
    "meta_data",
    "number",
)
AnyLine = ProductLine | FeeLine | ShippingLine


class Shopper:
    """People at work in one shop.

    Args:
        shop: Where.
    """

    def __init__(self, shop: Shop) -> None:
        self.shop = shop
        self.store = shop.store

    def place_order(self, wish: Mapping[str, Any]) -> Order:
        """Check out.

        Args:
            wish: ``items`` [{sku | product_id | variation_id, quantity, total?, subtotal?}], ``coupons``, ``fees``,
                ``shipping`` (an amount or lines), ``customer`` (id or e-mail; none = guest), ``billing``,
                ``set_paid`` (default true), ``status``, ``payment_method``, ``currency``, ``prices_include_tax``,
                ``created_via`` (default checkout), ``customer_note``, ``meta_data``.

        Raises:
            Refusal: the store refuses it, for example for an unknown coupon.
        """
        customer = self._customer(wish.get("customer"))
        body: dict[str, Any] = {name: wish[name] for name in PASSED_ON if name in wish}
        body["billing"] = {**self._address(customer), **(wish.get("billing") or {})}
        body["shipping"] = {**body["billing"], **(wish.get("shipping_address") or {})}
        body["customer_id"] = customer.id if customer is not None else 0
        body["line_items"] = [dict(item) for item in wish.get("items", [])]
        body["fee_lines"] = [dict(fee) for fee in wish.get("fees", [])]
        body["shipping_lines"] = _shipping_lines(wish.get("shipping"))
        body["coupon_lines"] = [{"code": code} for code in wish.get("coupons", [])]
        body.setdefault("payment_method", "bacs")
        body.setdefault("payment_method_title", "Direct bank transfer")
        body["set_paid"] = bool(wish.get("set_paid", "status" not in wish))
        order = self.shop.orders.create(
            body,
            created_via=str(wish.get("created_via", "checkout")),
            prices_include_tax=wish.get("prices_include_tax"),
            updated_first=self.store.settings.checkout_order == "updated_first",
        )
        self._browser(order)
        return order

    def refund(self, order_id: int, wish: Mapping[str, Any]) -> Refund:
        """Give money back as the admin pages do.

        Args:
            order_id: Of which order.
            wish: ``amount`` alone for an amount-only refund; or ``lines`` [{id | index, quantity, amount?, tax?}];
                or ``everything`` for all that is left, line by line; ``reason``; ``restock`` (default true).

        Raises:
            Refusal: more than remains.
            ValueError: a line is unknown.
        """
        order = self.shop.orders.find(order_id)
        lines = self._everything(order) if wish.get("everything") else wish.get("lines", [])
        body: dict[str, Any] = {
            "reason": wish.get("reason", ""),
            "api_refund": bool(wish.get("by_gateway", False)),
            "api_restock": bool(wish.get("restock", True)),
            "line_items": [self._refund_line(order, line) for line in lines],
        }
        if wish.get("amount") is not None:
            body["amount"] = str(wish["amount"])
        elif not lines:
            body["amount"] = raw(self.shop.orders.refunds.remaining(order))
        return self.shop.orders.refunds.create(order_id, body)

    def edit(self, order_id: int, wish: Mapping[str, Any]) -> Order:
        """Change an order in the admin pages.

        Args:
            order_id: Which one.
            wish: ``lines`` [{id | index, quantity}] scale a line with its price (0 removes it); everything else as of
                ``PUT /orders/{id}``.

        Raises:
            Refusal: the store refuses it.
            ValueError: a line is unknown.
        """
        order = self.shop.orders.find(order_id)
        body = {name: value for name, value in wish.items() if name != "lines"}
        if "lines" in wish:
            body["line_items"] = [self._scaled(order, change) for change in wish["lines"]]
        return self.shop.orders.update(order_id, body)

    def _browser(self, order: Order) -> None:
        """What only a storefront knows: address, browser, cart, and what shipping says about its goods."""
        order.ip_address = order.ip_address or "127.0.0.1"
        order.user_agent = order.user_agent or "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"
        order.cart_hash = order.cart_hash or hashlib.md5(f"cart-{order.id}".encode()).hexdigest()
        names = ", ".join(f"{line.name} &times; {line.quantity}" for line in order.lines.products)
        for charge in order.lines.shipping:
            charge.meta.append(self.store.line_meta("Items", names))

    def _customer(self, given: Any) -> Customer | None:
        if not given:
            return None
        if isinstance(given, str):
            found = self.shop.customers.by_email(given)
            if found is None:
                raise ValueError(f"no customer has the e-mail {given}; create it first")
            return found
        return self.shop.customers.find(int(given))

    def _address(self, customer: Customer | None) -> dict[str, str]:
        if customer is None:
            return dict(GUEST)
        return {**customer.billing, "email": customer.billing["email"] or customer.email}

    def _scaled(self, order: Order, change: Mapping[str, Any]) -> dict[str, Any]:
        line = _line(order, change)
        quantity = int(change["quantity"])
        if not isinstance(line, ProductLine) or not quantity or not line.quantity:
            return {"id": line.id, "quantity": quantity}
        share = Decimal(quantity) / line.quantity
        totals = {"subtotal": raw(line.subtotal * share), "total": raw(line.total * share)}
        return {"id": line.id, "quantity": quantity, **totals}

    def _everything(self, order: Order) -> list[dict[str, Any]]:
        return [{"id": line.id, "quantity": self._left(order, line)} for line in order.lines.refundable()]

    def _left(self, order: Order, line: AnyLine) -> int:
        if not isinstance(line, ProductLine):
            return 0
        return line.quantity + sum(
            back.quantity for back in self._returned(order, line) if isinstance(back, ProductLine)
        )

    def _returned(self, order: Order, line: AnyLine) -> list[AnyLine]:
        """The refund lines that point at a sold line."""
        refunds = [self.store.refunds[refund_id] for refund_id in order.refund_ids]
        lines = [back for refund in refunds for back in refund.lines.refundable()]
        return [back for back in lines if any(row.value == str(line.id) for row in back.meta)]

    def _refund_line(self, order: Order, wish: Mapping[str, Any]) -> dict[str, Any]:
        """Units of a line with their share of its price and taxes, to the cent, never more than is left of it."""
        line = _line(order, wish)
        quantity = int(wish.get("quantity") or 0)
        units = line.quantity if isinstance(line, ProductLine) else 1
        share = Decimal(quantity) / units if isinstance(line, ProductLine) and units else Decimal(1)
        returned = self._returned(order, line)
        left = self._cents(line.total) + total(back.total for back in returned)
        value = self._part(line.total, share, left)
        taxes = {}
        for rate_id, tax in line.taxes.items():
            left_of_tax = self._cents(tax) + total(back.taxes.get(rate_id, ZERO) for back in returned)
            taxes[rate_id] = self._part(tax, share, left_of_tax)
        if "amount" in wish:
            value = amount(wish["amount"])
            taxes = {int(rate): amount(tax) for rate, tax in (wish.get("tax") or {}).items()}
        return {
            "id": line.id,
            "quantity": quantity,
            "refund_total": money(value, self.store.settings.decimals),
            "refund_tax": [{"id": rate_id, "refund_total": str(tax)} for rate_id, tax in taxes.items()],
        }

    def _part(self, whole: Decimal, share: Decimal, left: Decimal) -> Decimal:
        part = self._cents(whole * share)
        return max(part, left) if whole < 0 else min(part, left)

    def _cents(self, value: Decimal) -> Decimal:
        return round_half_up(value, self.store.settings.decimals)


def _line(order: Order, wish: Mapping[str, Any]) -> AnyLine:
    lines = order.lines.refundable()
    if "id" not in wish:
        return lines[int(wish.get("index", 0))]
    found = next((line for line in lines if line.id == int(wish["id"])), None)
    if found is None:
        raise ValueError(f"order {order.id} has no line {wish['id']}; it has {[line.id for line in lines]}")
    return found


def _shipping_lines(given: Any) -> list[dict[str, Any]]:
    if not given:
        return []
    if isinstance(given, list):
        return [dict(line) for line in given]
    return [{"method_id": "flat_rate", "method_title": "Flat rate", "total": str(given)}]
