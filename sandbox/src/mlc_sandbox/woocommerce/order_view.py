"""Writes orders and refunds as the REST API shows them: key order, money strings, line oddities.

Key order and forms are those of captured bodies (a test compares them). A line's product is looked up when it is
shown: a deleted product reads back as 0 with no SKU, silently. Rules: facts sheet §7 and §9.
"""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import Any

from mlc_sandbox.woocommerce.currencies import symbol_of
from mlc_sandbox.woocommerce.dates import gmt
from mlc_sandbox.woocommerce.links import item_links
from mlc_sandbox.woocommerce.model import (
    PAID_STATUSES,
    CouponLine,
    FeeLine,
    Meta,
    Order,
    ProductLine,
    Refund,
    ShippingLine,
    TaxLine,
)
from mlc_sandbox.woocommerce.money import money, number, quotient, raw, round_half_up
from mlc_sandbox.woocommerce.store import Store

EDITABLE = ("pending", "on-hold", "auto-draft")
PAYABLE = ("pending", "failed", "checkout-draft")


class OrderView:
    """Shows orders and refunds of one store.

    Args:
        store: Its tables.
        dp: Decimals asked for by the client; None = the store's setting.
    """

    def __init__(self, store: Store, dp: int | None = None) -> None:
        self.store = store
        self.decimals = store.settings.decimals
        self.dp = self.decimals if dp is None else dp

    def order(self, order: Order) -> dict[str, Any]:
        """The whole order as ``GET /orders/{id}`` answers it."""
        store = self.store
        return {
            "id": order.id,
            "parent_id": order.parent_id,
            "status": order.status,
            "currency": order.currency,
            "version": order.version,
            "prices_include_tax": order.prices_include_tax,
            "date_created": store.local(order.created),
            "date_modified": store.local(order.modified),
            **self._totals(order),
            "customer_id": order.customer_id,
            "order_key": order.order_key,
            "billing": dict(order.billing),
            "shipping": dict(order.shipping),
            "payment_method": order.payment_method,
            "payment_method_title": order.payment_method_title,
            "transaction_id": order.transaction_id,
            "customer_ip_address": order.ip_address,
            "customer_user_agent": order.user_agent,
            "created_via": order.created_via,
            "customer_note": order.customer_note,
            "date_completed": store.local(order.completed),
            "date_paid": store.local(order.paid),
            "cart_hash": order.cart_hash,
            "number": order.number or str(order.id),
            "meta_data": meta_rows(order.meta),
            **self._lines(order),
            "refunds": [self._stub(store.refunds[refund_id]) for refund_id in self._newest_first(order)],
            "payment_url": f"{store.home_url}/checkout/order-pay/{order.id}/?pay_for_order=true&key={order.order_key}",
            "is_editable": order.status in EDITABLE,
            "needs_payment": order.status in PAYABLE and order.total > 0,
            "needs_processing": needs_processing(order, store),
            "date_created_gmt": gmt(order.created),
            "date_modified_gmt": gmt(order.modified),
            "date_completed_gmt": gmt(order.completed),
            "date_paid_gmt": gmt(order.paid),
            "currency_symbol": symbol_of(order.currency),
            "_links": self._order_links(order),
        }

    def refund(self, refund: Refund, *, with_parent: bool = False) -> dict[str, Any]:
        """A refund; ``with_parent`` as the list of all refunds shows it."""
        lines = refund.lines
        path = f"orders/{refund.order_id}/refunds"
        links = item_links(self.store, path, refund.id, allow=("GET", "DELETE"))
        return {
            "id": refund.id,
            **({"parent_id": refund.order_id} if with_parent else {}),
            **self.store.stamps("date_created", refund.created),
            "amount": money(refund.amount, self.dp),
            "reason": refund.reason,
            "refunded_by": refund.refunded_by,
            "refunded_payment": refund.refunded_payment,
            "meta_data": meta_rows(refund.meta),
            "line_items": [self._product(line) for line in lines.products],
            "shipping_lines": [self._shipping(line) for line in lines.shipping],
            "tax_lines": [self._tax(line) for line in lines.taxes],
            "fee_lines": [self._fee(line) for line in lines.fees],
            "_links": {**links, "up": [{"href": f"{self.store.rest_url}/orders/{refund.order_id}"}]},
        }

    def _totals(self, order: Order) -> dict[str, str]:
        return {
            "discount_total": self._total(order.discount_total),
            "discount_tax": self._total(order.discount_tax),
            "shipping_total": self._total(order.shipping_total),
            "shipping_tax": self._total(order.shipping_tax),
            "cart_tax": self._total(order.cart_tax),
            "total": self._total(order.total),
            "total_tax": self._total(order.total_tax),
        }

    def _total(self, value: Decimal) -> str:
        """An order's total is rounded to the store's setting of today when it is loaded; ``dp`` only adds zeros."""
        return money(round_half_up(value, self.decimals), self.dp)

    def _lines(self, order: Order) -> dict[str, Any]:
        lines = order.lines
        return {
            "line_items": [self._product(line) for line in lines.products],
            "tax_lines": [self._tax(line) for line in lines.taxes],
            "shipping_lines": [self._shipping(line) for line in lines.shipping],
            "fee_lines": [self._fee(line) for line in lines.fees],
            "coupon_lines": [self._coupon(line) for line in lines.coupons],
        }

    def _product(self, line: ProductLine) -> dict[str, Any]:
        product = self.store.product_of_line(line.product_id, line.variation_id)
        parent = self.store.products.get(line.product_id) if line.variation_id else None
        gone = product is None
        return {
            "id": line.id,
            "name": line.name,
            "product_id": 0 if gone else line.product_id,
            "variation_id": 0 if gone else line.variation_id,
            "quantity": line.quantity,
            "tax_class": line.tax_class,
            "subtotal": money(line.subtotal, self.dp),
            "subtotal_tax": money(line.subtotal_tax, self.dp),
            "total": money(line.total, self.dp),
            "total_tax": money(line.total_tax, self.dp),
            "taxes": [
                {"id": rate, "total": money(tax, self.dp), "subtotal": self._subtotal_tax(line, rate)}
                for rate, tax in line.taxes.items()
            ],
            "meta_data": line_meta_rows(line.meta),
            "sku": product.sku or (parent.sku if parent else "") if product else None,
            "global_unique_id": product.global_unique_id if product else None,
            # WooCommerce computes this one as a float; nobody may use it for accounting.
            "price": quotient(line.total, line.quantity),
            "image": {"id": 0 if gone or parent else "", "src": ""},
            "parent_name": parent.name if parent else None,
        }

    def _subtotal_tax(self, line: ProductLine, rate_id: int) -> str:
        return money(line.subtotal_taxes[rate_id], self.dp) if rate_id in line.subtotal_taxes else ""

    def _tax(self, line: TaxLine) -> dict[str, Any]:
        return {
            "id": line.id,
            "rate_code": line.rate_code,
            "rate_id": line.rate_id,
            "label": line.label,
            "compound": line.compound,
            "tax_total": money(line.tax_total, self.dp),
            "shipping_tax_total": money(line.shipping_tax_total, self.dp),
            "rate_percent": number(line.rate_percent),
            "meta_data": [],
        }

    def _shipping(self, line: ShippingLine) -> dict[str, Any]:
        return {
            "id": line.id,
            "method_title": line.method_title,
            "method_id": line.method_id,
            "instance_id": line.instance_id,
            "total": money(line.total, self.dp),
            "total_tax": money(line.total_tax, self.dp),
            "taxes": self._plain_taxes(line.taxes),
            "tax_status": line.tax_status,
            "meta_data": line_meta_rows(line.meta),
        }

    def _fee(self, line: FeeLine) -> dict[str, Any]:
        return {
            "id": line.id,
            "name": line.name,
            "tax_class": line.tax_class,
            "tax_status": line.tax_status,
            "amount": line.amount,
            "total": money(line.total, self.dp),
            "total_tax": money(line.total_tax, self.dp),
            "taxes": self._plain_taxes(line.taxes),
            "meta_data": line_meta_rows(line.meta),
        }

    def _plain_taxes(self, taxes: dict[int, Decimal]) -> list[dict[str, Any]]:
        return [{"id": rate_id, "total": money(tax, self.dp), "subtotal": ""} for rate_id, tax in taxes.items()]

    def _coupon(self, line: CouponLine) -> dict[str, Any]:
        return {
            "id": line.id,
            "code": line.code,
            "discount": raw(line.discount),
            "discount_tax": raw(line.discount_tax),
            "meta_data": line_meta_rows(line.meta),
            "discount_type": line.discount_type,
            "nominal_amount": number(line.nominal_amount),
            "free_shipping": line.free_shipping,
        }

    def _stub(self, refund: Refund) -> dict[str, Any]:
        # The minus is put before the text, also before nothing.
        return {
            "id": refund.id,
            "reason": refund.reason,
            "total": "-" + money(refund.amount, self.dp),
            "total_tax": money(refund.total_tax, self.dp),
        }

    def _newest_first(self, order: Order) -> list[int]:
        created: dict[int, datetime] = {
            refund_id: self.store.refunds[refund_id].created for refund_id in order.refund_ids
        }
        return sorted(order.refund_ids, key=lambda refund_id: -created[refund_id].timestamp())

    def _order_links(self, order: Order) -> dict[str, Any]:
        root = self.store.rest_url
        links = item_links(self.store, "orders", order.id)
        links["email_templates"] = [{"embeddable": True, "href": f"{root}/orders/{order.id}/actions/email_templates"}]
        if order.customer_id:
            links["customer"] = [{"href": f"{root}/customers/{order.customer_id}"}]
        if order.parent_id:
            links["up"] = [{"href": f"{root}/orders/{order.parent_id}"}]
        return links


def meta_rows(rows: list[Meta]) -> list[dict[str, Any]]:
    """Meta data of an order, a product or a customer."""
    return [{"id": row.id, "key": row.key, "value": row.value} for row in rows]


def line_meta_rows(rows: list[Meta]) -> list[dict[str, Any]]:
    """Meta data of a line, with what a person would see."""
    return [
        {
            "id": row.id,
            "key": row.key,
            "value": row.value,
            "display_key": row.label or row.key,
            "display_value": row.value,
        }
        for row in rows
    ]


def needs_processing(order: Order, store: Store) -> bool:
    """Whether anything of it must be shipped or done: not all virtual and downloadable, as far as products exist."""
    for line in order.lines.products:
        product = store.product_of_line(line.product_id, line.variation_id)
        if product is not None and not (product.virtual and product.downloadable):
            return True
    return False


def is_paid(order: Order) -> bool:
    """Whether its status is one of WooCommerce's paid ones."""
    return order.status in PAID_STATUSES
