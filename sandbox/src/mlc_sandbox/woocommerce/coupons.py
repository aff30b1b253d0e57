"""Coupons, as far as orders need them: created, changed, deleted and shown."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mlc_sandbox.woocommerce.catalogue import Coupon
from mlc_sandbox.woocommerce.errors import Refusal, invalid_id
from mlc_sandbox.woocommerce.links import item_links
from mlc_sandbox.woocommerce.money import amount, money
from mlc_sandbox.woocommerce.store import Store


class Coupons:
    """The coupons of one store.

    Args:
        store: Its tables.
    """

    def __init__(self, store: Store) -> None:
        self.store = store

    def find(self, coupon_id: int, *, status: int = 404) -> Coupon:
        """One coupon.

        Raises:
            Refusal: there is none.
        """
        found = next((one for one in self.store.coupons.values() if one.id == coupon_id), None)
        if found is None:
            raise invalid_id("shop_coupon", status)
        return found

    def create(self, body: Mapping[str, Any]) -> Coupon:
        """A new coupon; its code is kept in lower case.

        Raises:
            Refusal: the code is taken.
        """
        code = str(body["code"]).lower()
        if code in self.store.coupons:
            raise Refusal(400, "woocommerce_rest_coupon_code_already_exists", "The coupon code already exists")
        now = self.store.now()
        coupon = Coupon(self.store.next_post_id(), code, now, now, amount("0"))
        self._write(coupon, body)
        self.store.coupons[code] = coupon
        self.store.fire("coupon.created", coupon.id)
        return coupon

    def update(self, coupon_id: int, body: Mapping[str, Any]) -> Coupon:
        """Change a coupon.

        Raises:
            Refusal: there is none.
        """
        coupon = self.find(coupon_id, status=400)
        self._write(coupon, body)
        coupon.modified = self.store.now()
        self.store.fire("coupon.updated", coupon.id)
        return coupon

    def delete(self, coupon_id: int) -> Coupon:
        """Delete a coupon for good; nothing fires.

        Raises:
            Refusal: there is none.
        """
        coupon = self.find(coupon_id)
        del self.store.coupons[coupon.code]
        return coupon

    def view(self, coupon: Coupon) -> dict[str, Any]:
        """The coupon as the REST API shows it."""
        decimals = self.store.settings.decimals
        nothing: dict[str, Any] = dict.fromkeys(("usage_limit", "usage_limit_per_user", "limit_usage_to_x_items"), None)
        return {
            "id": coupon.id,
            "code": coupon.code,
            "amount": money(coupon.amount, decimals),
            "status": coupon.status,
            **self.store.stamps("date_created", coupon.created),
            **self.store.stamps("date_modified", coupon.modified),
            "discount_type": coupon.discount_type,
            "description": coupon.description,
            "date_expires": None,
            "date_expires_gmt": None,
            "usage_count": len(coupon.used_by),
            "individual_use": False,
            "product_ids": [],
            "excluded_product_ids": [],
            **nothing,
            "free_shipping": coupon.free_shipping,
            "product_categories": [],
            "excluded_product_categories": [],
            "exclude_sale_items": False,
            "minimum_amount": money(amount("0"), decimals),
            "maximum_amount": money(amount("0"), decimals),
            "email_restrictions": [],
            "used_by": list(coupon.used_by),
            "meta_data": [],
            "_links": item_links(self.store, "coupons", coupon.id),
        }

    def _write(self, coupon: Coupon, body: Mapping[str, Any]) -> None:
        if body.get("amount") is not None:
            coupon.amount = amount(body["amount"])
        coupon.discount_type = str(body.get("discount_type", coupon.discount_type))
        coupon.description = str(body.get("description", coupon.description))
        coupon.free_shipping = bool(body.get("free_shipping", coupon.free_shipping))
