"""Applies the line lists of a request to an order: adds, changes and removes lines of all kinds.

Entries without an id add a line (so re-sending a GET body doubles them); ``quantity: 0`` or a null name or product
removes one. Changing a quantity alone leaves the total as it is: the client must send both. Facts sheet §8.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from decimal import Decimal
from typing import Any, TypeVar

from mlc_sandbox.woocommerce.catalogue import Coupon, Product
from mlc_sandbox.woocommerce.errors import BadParameter, Refusal, invalid_parameters
from mlc_sandbox.woocommerce.model import CouponLine, FeeLine, Order, ProductLine, ShippingLine
from mlc_sandbox.woocommerce.money import amount, number, total
from mlc_sandbox.woocommerce.store import Store, write_meta
from mlc_sandbox.woocommerce.taxes import base_place, find_rates, inclusive_tax

LISTS = ("line_items", "shipping_lines", "fee_lines")
AnyLine = TypeVar("AnyLine", ProductLine, ShippingLine, FeeLine)


class LineWriter:
    """Writes lines of orders of one store.

    Args:
        store: Its tables.
    """

    def __init__(self, store: Store) -> None:
        self.store = store
        self.inclusive = False

    def check(self, body: Mapping[str, Any]) -> None:
        """Refuse what the schema refuses before anything happens.

        Raises:
            Refusal: a list is no list, or a quantity is no whole number.
        """
        for name in LISTS:
            if name in body and not isinstance(body[name], list):
                raise invalid_parameters([_not_of_type(name, name, "array")])
            for index, item in enumerate(body.get(name) or []):
                if not isinstance(item, dict):
                    raise invalid_parameters([_not_of_type(name, f"{name}[{index}]", "object")])
        for index, item in enumerate(body.get("line_items") or []):
            quantity = item.get("quantity", 1)
            if quantity is not None and amount(quantity) % 1:
                where = f"line_items[{index}][quantity]"
                raise invalid_parameters([_not_of_type("line_items", where, "integer")])

    def apply(self, order: Order, body: Mapping[str, Any]) -> bool:
        """Change the order's lines; True when any list was sent, so that totals must follow.

        Raises:
            Refusal: a line is not of this order, or lacks what a new one needs.
        """
        lines, self.inclusive = order.lines, order.prices_include_tax
        for item in body.get("line_items") or []:
            self._one(lines.products, item, ProductLine, self._write_product)
        for item in body.get("shipping_lines") or []:
            self._one(lines.shipping, item, ShippingLine, self._write_shipping)
        for item in body.get("fee_lines") or []:
            self._one(lines.fees, item, FeeLine, self._write_fee)
        return any(name in body for name in LISTS)

    def coupons(self, order: Order, given: list[Mapping[str, Any]]) -> None:
        """Make the order's coupons those that were sent.

        Raises:
            Refusal: a coupon does not exist; the order stays behind as a draft, as in the real thing.
        """
        codes = [str(item.get("code", "")).lower() for item in given]
        kept = [line for line in order.lines.coupons if line.code in codes]
        for code in codes:
            if any(line.code == code for line in kept):
                continue
            coupon = self.store.coupons.get(code)
            if coupon is None:
                order.status = "checkout-draft"
                text = f"Coupon &quot;{code}&quot; cannot be applied because it does not exist."
                raise Refusal(400, "woocommerce_rest_invalid_coupon", text, new_draft_order_id=order.id)
            kept.append(self._coupon_line(coupon))
            coupon.used_by.append(str(order.customer_id or order.billing["email"]))
        order.lines.coupons = kept

    def _coupon_line(self, coupon: Coupon) -> CouponLine:
        kind = None if coupon.discount_type == "fixed_cart" else coupon.discount_type
        info: list[Any] = [coupon.id, coupon.code, kind, number(coupon.amount)]
        if coupon.free_shipping:
            info.append(True)
        line = CouponLine(
            self.store.next_item_id(),
            coupon.code,
            coupon.id,
            discount_type=coupon.discount_type,
            nominal_amount=coupon.amount,
            free_shipping=coupon.free_shipping,
        )
        line.meta.append(self.store.line_meta("coupon_info", json.dumps(info, separators=(",", ":"))))
        return line

    def _one(self, lines: list[AnyLine], item: Mapping[str, Any], kind: type[AnyLine], write: Any) -> None:
        line_id = int(item.get("id") or 0)
        if not line_id:
            if not _is_null(item):
                line = kind(0)
                write(line, item, new=True)
                line.id = self.store.next_item_id()
                lines.append(line)
            return
        found = next((line for line in lines if line.id == line_id), None)
        if found is None:
            text = "Order item ID provided is not associated with order."
            raise Refusal(400, "woocommerce_rest_invalid_item_id", text)
        if _is_null(item) or item.get("quantity", 1) == 0:
            lines.remove(found)
        else:
            write(found, item, new=False)

    def _write_product(self, line: ProductLine, item: Mapping[str, Any], *, new: bool) -> None:
        product = self._product(item, new=new)
        line.quantity = int(item.get("quantity", line.quantity))
        if product is not None:
            self._take_product(line, product)
        line.name = str(item.get("name", line.name))
        line.tax_class = str(item.get("tax_class", line.tax_class))
        if new and product is not None:
            line.total = line.subtotal = self._net_price(product, line.quantity)
        if "subtotal" in item:
            line.subtotal = amount(item["subtotal"])
        if "total" in item:
            line.total = amount(item["total"])
        line.subtotal = max(line.subtotal, line.total) if line.total > 0 else line.subtotal
        write_meta(line.meta, item.get("meta_data"), self.store.line_meta)

    def _take_product(self, line: ProductLine, product: Product) -> None:
        parent = self.store.products.get(product.parent_id) if product.is_variation else None
        line.name = product.name
        line.product_id = product.parent_id if product.is_variation else product.id
        line.variation_id = product.id if product.is_variation else 0
        line.tax_class = parent.tax_class if parent is not None else product.tax_class
        line.tax_status = product.tax_status
        for chosen in product.attributes if product.is_variation else []:
            key = str(chosen["name"]).lower().replace(" ", "-")
            line.meta.append(self.store.line_meta(key, chosen["option"], chosen["name"]))

    def _product(self, item: Mapping[str, Any], *, new: bool) -> Product | None:
        if item.get("sku"):
            found = self.store.skus.get(str(item["sku"]), 0)
        elif item.get("variation_id") or item.get("product_id"):
            found = int(item.get("variation_id") or item["product_id"])
        elif new:
            raise Refusal(400, "woocommerce_rest_required_product_reference", "Product ID or SKU is required.")
        else:
            return None
        return self.store.products.get(found)

    def _net_price(self, product: Product, quantity: int) -> Decimal:
        """The price without tax; a price typed with tax loses the tax of the store's own place."""
        settings = self.store.settings
        price = amount(product.price) * max(quantity, 0)
        if not self.inclusive or not settings.calc_taxes or product.tax_status != "taxable":
            return price
        rates = find_rates(self.store.tax_rates.values(), base_place(settings), product.tax_class)
        return price - total(inclusive_tax(price, rates, settings.tax_precision).values())

    def _write_shipping(self, line: ShippingLine, item: Mapping[str, Any], *, new: bool) -> None:
        if new and not item.get("method_id"):
            raise Refusal(400, "woocommerce_rest_invalid_shipping_item", "Shipping method ID is required.")
        line.method_id = str(item.get("method_id", line.method_id))
        line.method_title = str(item.get("method_title", line.method_title))
        line.instance_id = str(item.get("instance_id", line.instance_id))
        line.total = amount(item.get("total", line.total))
        write_meta(line.meta, item.get("meta_data"), self.store.line_meta)

    def _write_fee(self, line: FeeLine, item: Mapping[str, Any], *, new: bool) -> None:
        if new and not item.get("name"):
            raise Refusal(400, "woocommerce_rest_invalid_fee_item", "Fee name is required.")
        line.name = str(item.get("name", line.name))
        line.tax_class = str(item.get("tax_class", line.tax_class))
        line.tax_status = str(item.get("tax_status", line.tax_status))
        line.total = amount(item.get("total", line.total))
        write_meta(line.meta, item.get("meta_data"), self.store.line_meta)


def _is_null(item: Mapping[str, Any]) -> bool:
    return any(key in item and item[key] is None for key in ("product_id", "method_id", "method_title", "name", "code"))


def _not_of_type(name: str, where: str, kind: str) -> BadParameter:
    return BadParameter(name, "rest_invalid_type", f"{where} is not of type {kind}.", {"param": where})
