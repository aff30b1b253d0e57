"""Orders, refunds, customers, products: what snapshots are made of. Facts §7, §9, §11, §12.

Reads only. What is gone is None; everything else that goes wrong is an error.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from mlc_vendors.woocommerce.errors import NotFound
from mlc_vendors.woocommerce.models import OrderAnswer
from mlc_vendors.woocommerce.paging import LARGEST_PAGE, identity, pages_of, read_all
from mlc_vendors.woocommerce.rest import RestAnswer
from mlc_vendors.woocommerce.session import StoreSession
from mlc_vendors.woocommerce.walk import OrderWalk

JsonObject = dict[str, Any]

PRODUCT_FIELDS = ("id", "name", "sku", "type", "status", "parent_id", "variations", "categories", "tax_class")
"""``description`` and ``price_html`` make products large, and nobody reads them (§19)."""


class Orders(StoreSession):
    """Orders and their refunds."""

    async def read_order(self, order_id: int) -> OrderAnswer:
        """One order, also a trashed one, with the bytes that it came in.

        Raises:
            NotFound: the store has no such order (any more).
        """
        answer = await self._rest.get(f"/orders/{order_id}", template="orders.get")
        return OrderAnswer(answer.raw, answer.object("GET orders.get"))

    async def get_order(self, order_id: int) -> JsonObject | None:
        """One order, also a trashed one; None when the store no longer has it."""
        try:
            return (await self.read_order(order_id)).order
        except NotFound:
            return None

    def walk_orders(
        self,
        modified_after: datetime,
        *,
        overlap_s: float = 0.0,
        fields: Sequence[str] = (),
        trash: bool = False,
        resume: datetime | None = None,
    ) -> OrderWalk:
        """Orders modified after an instant (by the store's clock), oldest first; see ``OrderWalk``.

        Args:
            modified_after: Strictly; with a time zone.
            overlap_s: Begin this much earlier.
            fields: What to read of each; nothing = whole orders. ``id`` and ``date_modified_gmt`` always come.
            trash: Also those in the trash.
            resume: Where an earlier walk had come to.
        """
        read = pages_of(self._rest, "/orders", template="orders.list")
        return OrderWalk(
            read,
            modified_after,
            overlap_s=overlap_s,
            size=self._page_size,
            fields=fields,
            trash=trash,
            resume=resume,
        )

    async def refunds_of(self, order_id: int) -> list[JsonObject]:
        """All refunds of an order with their lines; none for an unknown order."""
        read = pages_of(self._rest, f"/orders/{order_id}/refunds", template="orders.refunds")
        return [row async for row in read_all(read)]

    async def list_refunds(self, created_after: datetime | None = None) -> AsyncIterator[JsonObject]:
        """Refunds of the whole store, each with its order as ``parent_id``.

        Args:
            created_after: Strictly, by the store's clock; None = all.

        Raises:
            RouteMissing: WooCommerce before 9.0.
        """
        params = [] if created_after is None else [("after", _gmt(created_after)), ("dates_are_gmt", "true")]
        read = pages_of(self._rest, "/refunds", template="refunds.list")
        async for row in read_all(read, params):
            yield row


class Masters(StoreSession):
    """Customers and products."""

    async def get_customer(self, customer_id: int) -> JsonObject | None:
        """One registered customer; None when the store no longer has it (orders then say 0)."""
        return await self._object_or_none(f"/customers/{customer_id}", "customers.get")

    async def get_product(self, product_id: int) -> JsonObject | None:
        """One product or variation, whole; None when the store no longer has it."""
        return await self._object_or_none(f"/products/{product_id}", "products.get")

    async def get_products(
        self, product_ids: Sequence[int], *, fields: Sequence[str] = PRODUCT_FIELDS
    ) -> list[JsonObject]:
        """Products by id, those that are left; variations are not listed by this endpoint."""
        read = pages_of(self._rest, "/products", template="products.list")
        wanted = sorted(set(product_ids))
        found: dict[int | str, JsonObject] = {}
        for start in range(0, len(wanted), LARGEST_PAGE):
            chosen = ",".join(map(str, wanted[start : start + LARGEST_PAGE]))
            params = [("include", chosen), ("_fields", ",".join(dict.fromkeys(("id", *fields))))]
            async for row in read_all(read, params):
                found[identity(row)] = row
        return [found[product_id] for product_id in wanted if product_id in found]

    async def product_categories(self) -> list[JsonObject]:
        """All categories: ``id``, ``name``, ``slug``, ``parent``."""
        read = pages_of(self._rest, "/products/categories", template="products.categories")
        return [row async for row in read_all(read, [("_fields", "id,name,slug,parent")])]

    async def _object_or_none(self, path: str, template: str) -> JsonObject | None:
        try:
            answer: RestAnswer = await self._rest.get(path, template=template)
        except NotFound:
            return None
        return answer.object(f"GET {template}")


def _gmt(instant: datetime) -> str:
    """UTC without a zone, whole seconds, never later than given."""
    return (instant.astimezone(UTC) - timedelta(microseconds=instant.microsecond)).strftime("%Y-%m-%dT%H:%M:%S")
