"""Products and variations: created, changed, trashed and deleted, with unique SKUs and the webhooks of each act.

Names are kept with HTML entities, as WordPress stores them. A product force-deleted fires nothing, and old orders
that hold it change silently. Facts sheet §12 and §15.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from mlc_sandbox.woocommerce.catalogue import Product
from mlc_sandbox.woocommerce.errors import BadParameter, Refusal, invalid_id, invalid_parameters
from mlc_sandbox.woocommerce.store import Store, write_meta

BARE_AMPERSAND = re.compile(r"&(?!#?\w+;)")
TEXTS = (
    "description",
    "short_description",
    "status",
    "slug",
    "regular_price",
    "sale_price",
    "tax_status",
    "tax_class",
    "backorders",
    "weight",
    "global_unique_id",
    "stock_status",
)
FLAGS = ("virtual", "downloadable", "manage_stock")
TYPES = ("simple", "grouped", "external", "variable", "variation")


class Products:
    """The products of one store.

    Args:
        store: Its tables.
    """

    def __init__(self, store: Store) -> None:
        self.store = store

    def find(self, product_id: int, *, status: int = 404, parent_id: int | None = None) -> Product:
        """One product, or one variation of ``parent_id``.

        Raises:
            Refusal: there is none.
        """
        product = self.store.products.get(product_id)
        if product is None or (parent_id is not None and product.parent_id != parent_id):
            kind = "product" if parent_id is None else "product_variation"
            raise invalid_id(kind, status)
        return product

    def create(self, body: Mapping[str, Any], *, parent_id: int = 0) -> Product:
        """A new product, or a variation of ``parent_id``.

        Raises:
            Refusal: the SKU is taken, or the parent unknown.
        """
        parent = self.find(parent_id) if parent_id else None
        self._check(body, 0)
        now = self.store.now()
        product = Product(self.store.next_post_id(), "Product", now, now)
        product.kind = "variation" if parent is not None else str(body.get("type", "simple"))
        product.parent_id = parent_id
        self._write(product, body)
        if parent is not None:
            parent.variations.append(product.id)
            parent.modified = now
            parent.stock_status = "instock"
        self.store.products[product.id] = product
        self.store.fire("product.created", product.id)
        return product

    def update(self, product_id: int, body: Mapping[str, Any], *, parent_id: int | None = None) -> Product:
        """Change a product.

        Raises:
            Refusal: no such product (400), or the SKU is taken.
        """
        product = self.find(product_id, status=400, parent_id=parent_id)
        self._check(body, product.id)
        self._write(product, body)
        product.modified = self.store.now()
        if product.parent_id in self.store.products:  # the parent is saved along, without a webhook
            self.store.products[product.parent_id].modified = product.modified
        self.store.fire("product.updated", product.id)
        return product

    def trash(self, product_id: int) -> Product:
        """Move a product to the trash; lines still find it there.

        Raises:
            Refusal: no such product, or it is there already (410).
        """
        product = self.find(product_id)
        if product.status == "trash":
            raise Refusal(410, "woocommerce_rest_already_trashed", "The product has already been deleted.")
        now = self.store.now()
        for key, value in (
            ("_wp_trash_meta_status", product.status),
            ("_wp_trash_meta_time", str(int(now.timestamp()))),
            ("_wp_desired_post_slug", product.slug),
        ):
            product.meta.append(self.store.meta(key, value))
        product.status, product.modified = "trash", now
        product.slug += "__trashed"
        self.store.fire("product.deleted", product.id)
        return product

    def delete(self, product_id: int, *, parent_id: int | None = None) -> Product:
        """Delete a product and its variations for good; nothing fires.

        Raises:
            Refusal: no such product.
        """
        product = self.find(product_id, parent_id=parent_id)
        for child in [product.id, *product.variations]:
            gone = self.store.products.pop(child, None)
            if gone is not None and self.store.skus.get(gone.sku) == child:
                del self.store.skus[gone.sku]
        return product

    def _check(self, body: Mapping[str, Any], own_id: int) -> None:
        kind = body.get("type", "simple")
        if kind not in TYPES:
            names = f"{', '.join(TYPES[:-1])}, and {TYPES[-1]}"
            raise invalid_parameters([BadParameter("type", "rest_not_in_enum", f"type is not one of {names}.")])
        sku = str(body.get("sku") or "")
        owner = self.store.skus.get(sku, own_id) if sku else own_id
        if owner != own_id:
            free = next(f"{sku}-{n}" for n in range(1, 1000) if f"{sku}-{n}" not in self.store.skus)
            text = "Invalid or duplicated SKU."
            raise Refusal(400, "product_invalid_sku", text, resource_id=owner, unique_sku=free)

    def _write(self, product: Product, body: Mapping[str, Any]) -> None:
        for name in TEXTS:
            if body.get(name) is not None:
                setattr(product, name, str(body[name]))
        for name in FLAGS:
            if body.get(name) is not None and body[name] != "parent":
                setattr(product, name, bool(body[name]))
        if "attributes" in body:
            product.attributes = [dict(item) for item in body["attributes"]]
        if "categories" in body:
            product.categories = [dict(item) for item in body["categories"]]
        self._name(product, body)
        self._write_sku(product, body)
        self._write_stock(product, body)
        write_meta(product.meta, body.get("meta_data"), self.store.meta)

    def _name(self, product: Product, body: Mapping[str, Any]) -> None:
        if product.is_variation:
            parent = self.store.products[product.parent_id]
            product.name = f"{parent.name} - {', '.join(str(item['option']) for item in product.attributes)}"
        elif body.get("name") is not None:
            product.name = BARE_AMPERSAND.sub("&amp;", str(body["name"]))
        if not product.slug:
            product.slug = re.sub(r"[^a-z0-9]+", "-", re.sub(r"&\w+;|<[^>]+>", "", product.name.lower())).strip("-")

    def _write_sku(self, product: Product, body: Mapping[str, Any]) -> None:
        if body.get("sku") is None:
            return
        if self.store.skus.get(product.sku) == product.id:
            del self.store.skus[product.sku]
        product.sku = str(body["sku"])
        if product.sku:
            self.store.skus[product.sku] = product.id

    def _write_stock(self, product: Product, body: Mapping[str, Any]) -> None:
        if product.manage_stock and body.get("stock_quantity") is not None:
            product.stock_quantity = int(body["stock_quantity"])
        if product.manage_stock and product.stock_quantity is None:
            product.stock_quantity = 0
        if product.manage_stock:
            enough = (product.stock_quantity or 0) > 0 or product.backorders != "no"
            product.stock_status = "instock" if enough else "outofstock"
        elif product.kind == "variable" and not product.variations:
            product.stock_status = "outofstock"
