"""Writes products and variations as the REST API shows them; a variation has two shapes, by path.

Under ``/products/{id}`` and in webhooks a variation looks like a product of type ``variation``; under its parent it has
its own shape. Captures product-simple-create-get-update and product-variable-and-variations.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Any
from urllib.parse import quote_plus

from mlc_sandbox.woocommerce.catalogue import Product
from mlc_sandbox.woocommerce.links import item_links
from mlc_sandbox.woocommerce.money import amount, money
from mlc_sandbox.woocommerce.order_view import meta_rows
from mlc_sandbox.woocommerce.store import Store

NO_SALE_DATES = dict.fromkeys(
    ("date_on_sale_from", "date_on_sale_from_gmt", "date_on_sale_to", "date_on_sale_to_gmt"), None
)
NO_SIZE = {"length": "", "width": "", "height": ""}


class ProductView:
    """Shows products of one store.

    Args:
        store: Its tables.
    """

    def __init__(self, store: Store) -> None:
        self.store = store

    def product(self, product: Product, *, edit: bool = False) -> dict[str, Any]:
        """The product shape; ``edit`` as the answer to a write shows it."""
        links = item_links(self.store, "products", product.id)
        if product.parent_id:
            links["up"] = [{"href": f"{self.store.rest_url}/products/{product.parent_id}"}]
        return {
            **self._naming(product, edit),
            **self._pricing(product),
            **self._handling(product),
            **self._relations(product, edit),
            "price_html": self._price_html(product),
            "related_ids": [],
            "meta_data": meta_rows(product.meta),
            "stock_status": product.stock_status,
            "has_options": product.kind == "variable",
            "post_password": "",
            "global_unique_id": product.global_unique_id,
            **(self._editing(product) if edit else {}),
            "_links": links,
        }

    def variation(self, product: Product, *, edit: bool = False) -> dict[str, Any]:
        """The shape under ``/products/{parent}/variations``."""
        path = f"products/{product.parent_id}/variations"
        links = item_links(self.store, path, product.id)
        links["up"] = [{"href": f"{self.store.rest_url}/products/{product.parent_id}"}]
        return {
            "id": product.id,
            "type": "variation",
            **self.store.stamps("date_created", product.created),
            **self.store.stamps("date_modified", product.modified),
            "description": product.description,
            "permalink": self._permalink(product),
            "sku": self._sku(product),
            "global_unique_id": product.global_unique_id,
            "price": product.price,
            "regular_price": product.regular_price,
            "sale_price": product.sale_price,
            **NO_SALE_DATES,
            "on_sale": bool(product.sale_price),
            "status": product.status,
            "purchasable": bool(product.price),
            "virtual": product.virtual,
            "downloadable": product.downloadable,
            "downloads": [],
            "download_limit": -1,
            "download_expiry": -1,
            "tax_status": product.tax_status,
            "tax_class": "parent" if edit else "",
            "manage_stock": self._manages_stock(product),
            "stock_quantity": self._stock(product),
            "stock_status": product.stock_status,
            "backorders": product.backorders,
            "backorders_allowed": product.backorders != "no",
            "backordered": False,
            "low_stock_amount": None,
            "weight": product.weight,
            "dimensions": dict(NO_SIZE),
            "shipping_class": "",
            "shipping_class_id": 0,
            "image": None,
            "gallery_image_ids": [],
            "attributes": self._attributes(product),
            "menu_order": 0,
            "meta_data": meta_rows(product.meta),
            "name": ", ".join(str(chosen["option"]) for chosen in product.attributes),
            "parent_id": product.parent_id,
            "_links": links,
        }

    def _naming(self, product: Product, edit: bool) -> dict[str, Any]:
        text = product.description
        return {
            "id": product.id,
            "name": product.name,
            "slug": product.slug,
            "permalink": self._permalink(product),
            **self.store.stamps("date_created", product.created),
            **self.store.stamps("date_modified", product.modified),
            "type": product.kind,
            "status": product.status,
            "featured": False,
            "catalog_visibility": "visible",
            "description": text if edit or not text else f"{text}\n",
            "short_description": product.short_description,
            "sku": self._sku(product),
        }

    def _pricing(self, product: Product) -> dict[str, Any]:
        prices = self._variation_prices(product)
        price = format(min(prices), "f") if prices else product.price
        on_sale = any(self.store.products[child].sale_price for child in product.variations if self._has(child))
        return {
            "price": price,
            "regular_price": product.regular_price,
            "sale_price": product.sale_price,
            **NO_SALE_DATES,
            "on_sale": bool(product.sale_price) or on_sale,
            "purchasable": bool(price),
            "total_sales": str(product.total_sales) if product.is_variation else product.total_sales,
            "virtual": product.virtual,
            "downloadable": product.downloadable,
            "downloads": [],
            "download_limit": -1,
            "download_expiry": -1,
            "external_url": "",
            "button_text": "",
        }

    def _handling(self, product: Product) -> dict[str, Any]:
        return {
            "tax_status": product.tax_status,
            "tax_class": product.tax_class,
            "manage_stock": self._manages_stock(product),
            "stock_quantity": self._stock(product),
            "backorders": product.backorders,
            "backorders_allowed": product.backorders != "no",
            "backordered": False,
            "low_stock_amount": None,
            "sold_individually": False,
            "weight": product.weight,
            "dimensions": dict(NO_SIZE),
            "shipping_required": not product.virtual,
            "shipping_taxable": not product.virtual,
            "shipping_class": "",
            "shipping_class_id": 0,
            "reviews_allowed": not product.is_variation,
        }

    def _relations(self, product: Product, edit: bool) -> dict[str, Any]:
        return {
            "average_rating": "0" if edit else "0.00",
            "rating_count": 0,
            "upsell_ids": [],
            "cross_sell_ids": [],
            "parent_id": product.parent_id,
            "purchase_note": "",
            "categories": [] if product.is_variation else [dict(category) for category in product.categories],
            "brands": [],
            "tags": [],
            "images": [],
            "attributes": self._attributes(product),
            "default_attributes": [],
            "variations": [child for child in product.variations if self._has(child)],
            "grouped_products": [],
            "menu_order": 0,
        }

    def _editing(self, product: Product) -> dict[str, Any]:
        return {
            "permalink_template": f"{self.store.home_url}/product/%pagename%/",
            "generated_slug": product.slug.removesuffix("__trashed"),
        }

    def _attributes(self, product: Product) -> list[dict[str, Any]]:
        if product.is_variation:
            return [
                {"id": 0, "name": chosen["name"], "slug": str(chosen["name"]).lower(), "option": chosen["option"]}
                for chosen in product.attributes
            ]
        return [
            {
                "id": 0,
                "name": offered["name"],
                "slug": offered["name"],
                "position": 0,
                "visible": bool(offered.get("visible", True)),
                "variation": bool(offered.get("variation", False)),
                "options": list(offered.get("options", [])),
            }
            for offered in product.attributes
        ]

    def _permalink(self, product: Product) -> str:
        parent = self.store.products.get(product.parent_id) if product.is_variation else None
        if product.status == "trash":
            return f"{self.store.home_url}/?post_type=product&p={product.id}"
        url = f"{self.store.home_url}/product/{(parent or product).slug}/"
        if parent is None:
            return url
        chosen = [(str(item["name"]).lower(), str(item["option"])) for item in product.attributes]
        return url + "?" + "&".join(f"attribute_{quote_plus(name)}={quote_plus(option)}" for name, option in chosen)

    def _sku(self, product: Product) -> str:
        """A variation without a SKU of its own shows its parent's."""
        parent = self.store.products.get(product.parent_id) if product.is_variation else None
        return product.sku or (parent.sku if parent is not None else "")

    def _manages_stock(self, product: Product) -> bool | str:
        parent = self.store.products.get(product.parent_id) if product.is_variation else None
        if parent is not None and parent.manage_stock and not product.manage_stock:
            return "parent"
        return product.manage_stock

    def _stock(self, product: Product) -> int | None:
        if self._manages_stock(product) == "parent":
            return self.store.products[product.parent_id].stock_quantity
        return product.stock_quantity if product.manage_stock else None

    def _has(self, child: int) -> bool:
        return child in self.store.products

    def _variation_prices(self, product: Product) -> list[Decimal]:
        children = [self.store.products[child] for child in product.variations if self._has(child)]
        return [amount(child.price) for child in children if child.price]

    def _price_html(self, product: Product) -> str:
        price = product.price
        if not price:
            return ""
        shown = money(amount(price), self.store.settings.decimals)
        return (
            '<span class="woocommerce-Price-amount amount"><bdi><span class="woocommerce-Price-currencySymbol" '
            f'translate="no">&#36;</span>{shown}</bdi></span>'
        )
