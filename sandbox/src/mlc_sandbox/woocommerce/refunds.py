"""Refunds: by line or by amount only, the errors WooCommerce really gives, and the silence of deleting one.

The server does not check that the amount equals its lines. A sum above what remains is a 500 with a bare number in
``data``. Facts sheet §9; captures refund-partial-by-line and refund-created-then-deleted.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from mlc_sandbox.woocommerce.errors import Refusal, invalid_id
from mlc_sandbox.woocommerce.model import FeeLine, Lines, Order, ProductLine, Refund, ShippingLine, TaxLine
from mlc_sandbox.woocommerce.money import ZERO, amount, money, total
from mlc_sandbox.woocommerce.statuses import Statuses
from mlc_sandbox.woocommerce.store import Store, write_meta
from mlc_sandbox.woocommerce.totals import Calculator

CANNOT = "woocommerce_rest_cannot_create_order_refund"


class Refunds:
    """The refunds of one store.

    Args:
        store: Its tables.
        statuses: To flip an order that is refunded in full.
    """

    def __init__(self, store: Store, statuses: Statuses) -> None:
        self.store = store
        self.statuses = statuses
        statuses.on_refunded = self.refund_rest

    def remaining(self, order: Order) -> Decimal:
        """What has not been given back yet."""
        return order.total - total(self.store.refunds[refund_id].amount for refund_id in order.refund_ids)

    def create(self, order_id: int, body: Mapping[str, Any], *, by: int = 1) -> Refund:
        """Refund by a request's body.

        Raises:
            Refusal: unknown order, too much, or the gateway cannot pay back; all answered 500.
        """
        order = self.store.orders.get(order_id)
        if order is None:
            raise Refusal(500, "woocommerce_rest_invalid_order_id", "Invalid order ID.", data=404)
        value = self._amount(body)
        if value < 0:
            text = "Refund amount must be greater than zero."
            raise Refusal(500, "woocommerce_rest_invalid_order_refund", text, data=400)
        if value > self.remaining(order):
            raise Refusal(500, CANNOT, "Invalid refund amount.", data=500)
        by_gateway = bool(body.get("api_refund", True))
        if by_gateway and order.payment_method not in self.store.settings.refunding_gateways:
            raise Refusal(500, CANNOT, self._no_gateway(order), data=500)
        refund = self._record(order, value, str(body.get("reason") or ""), by=by, paid_back=by_gateway)
        write_meta(refund.meta, body.get("meta_data"), self.store.meta)
        self._lines(order, refund, body.get("line_items") or [], restock=bool(body.get("api_restock", True)))
        self._after(order, refund)
        return refund

    def refund_rest(self, order: Order) -> None:
        """What a merchant gets by setting the status to refunded: an amount-only refund of what remains."""
        rest = self.remaining(order)
        if rest <= 0:
            return
        refund = self._record(order, rest, "Order fully refunded.", by=1, paid_back=False)
        refund.kind = refund.meta[0].value = "full"
        self.store.fire("order.updated", order.id)
        self.store.fire("action.woocommerce_order_refunded", order.id)

    def find(self, order_id: int, refund_id: int) -> Refund:
        """One refund of one order.

        Raises:
            Refusal: the order is unknown, or the refund is another order's.
        """
        refund = self.store.refunds.get(refund_id)
        if refund is None or refund.order_id != order_id:
            raise invalid_id("shop_order_refund", 404)
        return refund

    def delete(self, order_id: int, refund_id: int) -> Refund:
        """Forget a refund: no webhook, no new date, no other status."""
        refund = self.find(order_id, refund_id)
        self.store.deleted_refunds[refund_id] = self.store.refunds.pop(refund_id)
        self.store.orders[order_id].refund_ids.remove(refund_id)
        return refund

    def _amount(self, body: Mapping[str, Any]) -> Decimal:
        if body.get("amount") is not None:
            return amount(body["amount"])
        lines = body.get("line_items") or []
        return total(
            amount(line.get("refund_total")) + total(amount(tax.get("refund_total")) for tax in _taxes(line))
            for line in lines
        )

    def _no_gateway(self, order: Order) -> str:
        if order.payment_method:
            return "The payment gateway for this order does not support automatic refunds."
        return "The payment gateway for this order does not exist."

    def _record(self, order: Order, value: Decimal, reason: str, *, by: int, paid_back: bool) -> Refund:
        store = self.store
        full = value == self.remaining(order)
        kind = "full" if full else "partial"
        refund = Refund(store.next_post_id(), order.id, store.now(), value, reason, by, paid_back, kind)
        refund.meta.append(store.meta("_refund_type", kind))
        store.refunds[refund.id] = refund
        order.refund_ids.append(refund.id)
        return refund

    def _lines(self, order: Order, refund: Refund, given: list[Mapping[str, Any]], *, restock: bool) -> None:
        sold = {line.id: line for line in order.lines.refundable()}
        for wish in given:
            line = sold.get(int(wish.get("id") or 0))
            quantity = int(wish.get("quantity") or 0)
            taxes = {int(tax["id"]): amount(tax.get("refund_total")) for tax in _taxes(wish) if "id" in tax}
            back = amount(wish.get("refund_total"))
            if line is None or not (quantity or back or taxes):
                continue
            self._add(refund.lines, line, quantity, back, taxes)
            if restock and isinstance(line, ProductLine) and quantity > 0:
                self.statuses.stock.restock(line, quantity)
        self._tax_lines(order, refund)

    def _add(
        self,
        lines: Lines,
        sold: ProductLine | FeeLine | ShippingLine,
        quantity: int,
        back: Decimal,
        taxes: dict[int, Decimal],
    ) -> None:
        negative = {rate_id: -tax for rate_id, tax in taxes.items()}
        link = self.store.line_meta("_refunded_item_id", str(sold.id))
        returned = dataclasses.replace(
            sold,
            id=self.store.next_item_id(),
            total=-back,
            total_tax=total(negative.values()),
            taxes=negative,
            meta=[link],
        )
        if isinstance(returned, ProductLine):
            returned.quantity = -quantity
            returned.subtotal, returned.subtotal_tax = returned.total, returned.total_tax
            returned.subtotal_taxes = dict(negative)
            lines.products.append(returned)
        elif isinstance(returned, FeeLine):
            lines.fees.append(returned)
        else:
            lines.shipping.append(returned)

    def _tax_lines(self, order: Order, refund: Refund) -> None:
        """The refund's own tax lines, summed over its lines."""
        rounded = Calculator(self.store, order).round_line_tax
        lines = refund.lines
        cart: dict[int, Decimal] = {}
        shipping: dict[int, Decimal] = {}
        for line in lines.refundable():
            sums = shipping if isinstance(line, ShippingLine) else cart
            for rate_id, tax in line.taxes.items():
                sums[rate_id] = sums.get(rate_id, ZERO) + rounded(tax)
        known = {row.rate_id: row for row in order.lines.taxes}
        for rate_id in {**cart, **shipping}:
            named = known.get(rate_id) or TaxLine(0, rate_id, "", "Tax", False, ZERO)
            lines.taxes.append(
                dataclasses.replace(
                    named,
                    id=self.store.next_item_id(),
                    tax_total=cart.get(rate_id, ZERO),
                    shipping_tax_total=shipping.get(rate_id, ZERO),
                )
            )

    def _after(self, order: Order, refund: Refund) -> None:
        store = self.store
        if self.remaining(order) <= 0:
            self.statuses.change(order, "refunded")
        order.modified = store.now()
        store.fire("order.updated", order.id)
        store.fire("action.woocommerce_order_refunded", order.id)
        store.add_note(order.id, f"Refunded {money(refund.amount, store.settings.decimals)}.")


def _taxes(line: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    given = line.get("refund_tax") or []
    return given if isinstance(given, list) else []
