"""The endpoints of products, variations, customers, coupons and tax rates."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from mlc_sandbox.woocommerce.batch import batch
from mlc_sandbox.woocommerce.catalogue import Customer, Product, TaxRate
from mlc_sandbox.woocommerce.coupons import Coupons
from mlc_sandbox.woocommerce.customers import Customers
from mlc_sandbox.woocommerce.errors import missing_parameters, no_trash
from mlc_sandbox.woocommerce.listing import DATES, PAGING, by_ids, in_dates, page_of, sort_dated
from mlc_sandbox.woocommerce.product_view import ProductView
from mlc_sandbox.woocommerce.products import Products
from mlc_sandbox.woocommerce.query import Reader, many_of, one_of
from mlc_sandbox.woocommerce.rest import Call, Endpoint, Reply, item_methods
from mlc_sandbox.woocommerce.store import Store
from mlc_sandbox.woocommerce.tax_rates import TaxRates

ALLOW_LIST = "GET, POST"
ALLOW_ITEM = "GET, POST, PUT, PATCH, DELETE"
PRODUCT_LIST: dict[str, Reader] = {
    **PAGING,
    **DATES,
    "orderby": one_of(
        "date", "id", "include", "title", "slug", "price", "popularity", "rating", "menu_order", "modified"
    ),
    "sku": many_of(),
    "status": one_of("any", "future", "trash", "draft", "pending", "private", "publish"),
    "type": one_of("simple", "grouped", "external", "variable", "variation"),
}
CUSTOMER_LIST: dict[str, Reader] = {
    **PAGING,
    "orderby": one_of("id", "include", "name", "registered_date"),
}
Shown = dict[str, Any]


class CatalogueApi:
    """What is sold, to whom, at which discount and tax, over HTTP.

    Args:
        store: The tables.
        products: What can be done with products.
        customers: … with customers.
        coupons: … with coupons.
        tax_rates: … with tax rates.
    """

    def __init__(
        self, store: Store, *, products: Products, customers: Customers, coupons: Coupons, tax_rates: TaxRates
    ) -> None:
        self.store = store
        self.products = products
        self.customers = customers
        self.coupons = coupons
        self.tax_rates = tax_rates
        self.view = ProductView(store)

    def endpoints(self) -> dict[str, Endpoint]:
        """All endpoints by path under the namespace."""
        return {**self._products(), **self._variations(), **self._customers(), **self._coupons(), **self._taxes()}

    def _products(self) -> dict[str, Endpoint]:
        products, view = self.products, self.view

        def create(call: Call, body: Mapping[str, Any]) -> Shown:
            return view.product(products.create(body), edit=True)

        def update(call: Call, product_id: int, body: Mapping[str, Any]) -> Shown:
            return view.product(products.update(product_id, body), edit=True)

        def delete(call: Call, product_id: int) -> Shown:
            shown = view.product(products.find(product_id), edit=True)
            products.delete(product_id)
            return shown

        def trash(call: Call) -> Reply:
            if call.force:
                return Reply(delete(call, call.ids[0]))
            shown = view.product(products.find(call.ids[0]), edit=True)
            products.trash(call.ids[0])
            return Reply(shown)

        def one(call: Call) -> Reply:
            product = products.find(call.ids[0])
            call.may("view")
            return Reply(view.product(product), fields_in_order=True)

        return {
            "products": _collection(self._list_products, create, PRODUCT_LIST),
            "products/{id}": Endpoint(item_methods(one, _updating(update), _deleting(trash)), ALLOW_ITEM),
            "products/batch": batch(create, update, delete),
        }

    def _variations(self) -> dict[str, Endpoint]:
        products, view = self.products, self.view

        def create(call: Call, body: Mapping[str, Any]) -> Shown:
            return view.variation(products.create(body, parent_id=call.ids[0]), edit=True)

        def update(call: Call, variation_id: int, body: Mapping[str, Any]) -> Shown:
            return view.variation(products.update(variation_id, body, parent_id=call.ids[0]), edit=True)

        def delete(call: Call, variation_id: int) -> Shown:
            shown = view.variation(products.find(variation_id, parent_id=call.ids[0]), edit=True)
            products.delete(variation_id, parent_id=call.ids[0])
            return shown

        def one(call: Call) -> Reply:
            product = products.find(call.ids[1], parent_id=call.ids[0])
            call.may("view")
            return Reply(view.variation(product))

        def remove(call: Call) -> Reply:
            return Reply(delete(call, call.ids[1]))

        return {
            "products/{id}/variations": _collection(self._list_variations, create, PRODUCT_LIST),
            "products/{id}/variations/{id}": Endpoint(
                item_methods(one, _updating(update), _deleting(remove)), ALLOW_ITEM
            ),
            "products/{id}/variations/batch": batch(create, update, delete),
        }

    def _list_products(self, call: Call) -> Reply:
        call.may("list")
        asked = call.query
        found = [product for product in self.store.products.values() if _product_fits(product, asked)]
        return self._page(call, self._dated(found, asked), "products", self.view.product)

    def _list_variations(self, call: Call) -> Reply:
        parent = self.products.find(call.ids[0])
        call.may("list")
        found = [self.store.products[child] for child in parent.variations if child in self.store.products]
        return self._page(call, self._dated(found, call.query), f"products/{parent.id}/variations", self.view.variation)

    def _dated(self, found: list[Product], asked: Mapping[str, Any]) -> list[Product]:
        found = in_dates(by_ids(found, asked), asked, self.store.settings.zone)
        return sort_dated(found, asked, more={"title": lambda one: one.name, "slug": lambda one: one.slug})

    def _customers(self) -> dict[str, Endpoint]:
        customers = self.customers

        def create(call: Call, body: Mapping[str, Any]) -> Shown:
            if not body.get("email"):
                raise missing_parameters(["email"])
            return customers.view(customers.create(body))

        def update(call: Call, customer_id: int, body: Mapping[str, Any]) -> Shown:
            return customers.view(customers.update(customer_id, body))

        def delete(call: Call, customer_id: int) -> Shown:
            return customers.view(customers.delete(customer_id))

        def one(call: Call) -> Reply:
            customer = customers.find(call.ids[0])
            call.may("view")
            return Reply(customers.view(customer))

        return {
            "customers": _collection(self._list_customers, create, CUSTOMER_LIST),
            "customers/{id}": Endpoint(
                item_methods(one, _updating(update), _deleting(_forced(delete, "Customers"))), ALLOW_ITEM
            ),
            "customers/batch": batch(create, update, delete),
        }

    def _list_customers(self, call: Call) -> Reply:
        call.may("list")
        asked = call.query
        found = [one for one in self.store.customers.values() if _customer_fits(one, asked)]
        found = by_ids(found, asked)
        name = {"name": lambda one: one.username, "registered_date": lambda one: one.created}
        ascending = {"order": "asc", **asked}
        found = sort_dated(found, ascending, default="name", more=name)
        return self._page(call, found, "customers", self.customers.view)

    def _coupons(self) -> dict[str, Endpoint]:
        coupons = self.coupons

        def create(call: Call, body: Mapping[str, Any]) -> Shown:
            if not body.get("code"):
                raise missing_parameters(["code"])
            return coupons.view(coupons.create(body))

        def update(call: Call, coupon_id: int, body: Mapping[str, Any]) -> Shown:
            return coupons.view(coupons.update(coupon_id, body))

        def delete(call: Call, coupon_id: int) -> Shown:
            return coupons.view(coupons.delete(coupon_id))

        def listed(call: Call) -> Reply:
            call.may("list")
            found = in_dates(by_ids(self.store.coupons.values(), call.query), call.query, self.store.settings.zone)
            code = call.query.get("code")
            found = [one for one in found if not code or one.code == str(code).lower()]
            return self._page(call, sort_dated(found, call.query), "coupons", coupons.view)

        def one(call: Call) -> Reply:
            coupon = coupons.find(call.ids[0])
            call.may("view")
            return Reply(coupons.view(coupon))

        return {
            "coupons": _collection(listed, create, {**PAGING, **DATES}),
            "coupons/{id}": Endpoint(
                item_methods(one, _updating(update), _deleting(lambda call: Reply(delete(call, call.ids[0])))),
                ALLOW_ITEM,
            ),
            "coupons/batch": batch(create, update, delete),
        }

    def _taxes(self) -> dict[str, Endpoint]:
        rates = self.tax_rates

        def create(call: Call, body: Mapping[str, Any]) -> Shown:
            return rates.view(rates.create(body))

        def update(call: Call, rate_id: int, body: Mapping[str, Any]) -> Shown:
            return rates.view(rates.update(rate_id, body))

        def delete(call: Call, rate_id: int) -> Shown:
            return rates.view(rates.delete(rate_id))

        def listed(call: Call) -> Reply:
            call.may("list")
            found: list[TaxRate] = sorted(self.store.tax_rates.values(), key=lambda rate: (rate.order, rate.id))
            page = page_of(found, call.query, f"{self.store.rest_url}/taxes")
            return Reply([rates.view(rate) for rate in page.items], headers=page.headers)

        def one(call: Call) -> Reply:
            rate = rates.find(call.ids[0])
            call.may("view")
            return Reply(rates.view(rate))

        return {
            "taxes": _collection(listed, create, PAGING),
            "taxes/{id}": Endpoint(
                item_methods(one, _updating(update), _deleting(_forced(delete, "Taxes"))), ALLOW_ITEM
            ),
            "taxes/batch": batch(create, update, delete),
        }

    def _page(self, call: Call, found: list[Any], path: str, show: Callable[[Any], Shown]) -> Reply:
        page = page_of(found, call.query, f"{self.store.rest_url}/{path}")
        return Reply([show(item) for item in page.items], headers=page.headers, fields_in_order=path == "products")


def _collection(
    listed: Callable[[Call], Reply],
    create: Callable[[Call, Mapping[str, Any]], Shown],
    schema: Mapping[str, Reader],
) -> Endpoint:
    def post(call: Call) -> Reply:
        call.may("create")
        shown = create(call, call.body)
        return Reply(shown, 201, {"Location": shown["_links"]["self"][0]["href"]})

    return Endpoint({"GET": listed, "POST": post}, ALLOW_LIST, schema)


def _updating(update: Callable[[Call, int, Mapping[str, Any]], Shown]) -> Callable[[Call], Reply]:
    def put(call: Call) -> Reply:
        call.may("edit")
        return Reply(update(call, call.ids[-1], call.body))

    return put


def _deleting(act: Callable[[Call], Reply]) -> Callable[[Call], Reply]:
    def delete(call: Call) -> Reply:
        call.may("delete")
        return act(call)

    return delete


def _forced(delete: Callable[[Call, int], Shown], plural: str) -> Callable[[Call], Reply]:
    def act(call: Call) -> Reply:
        if not call.force:
            raise no_trash(plural)
        return Reply(delete(call, call.ids[-1]))

    return act


def _product_fits(product: Product, asked: Mapping[str, Any]) -> bool:
    if "type" in asked:
        if product.kind != asked["type"]:
            return False
    elif product.is_variation and "sku" not in asked:
        return False
    status = asked.get("status", "any")
    if (status == "any" and product.status == "trash") or status not in ("any", product.status):
        return False
    if "sku" in asked and product.sku not in asked["sku"]:
        return False
    text = asked.get("search") or asked.get("search_sku") or ""
    return str(text).lower() in f"{product.name}\n{product.sku}".lower()


def _customer_fits(customer: Customer, asked: Mapping[str, Any]) -> bool:
    role = asked.get("role", "customer")
    if role not in ("all", customer.role):
        return False
    if asked.get("email") and customer.email.lower() != str(asked["email"]).lower():
        return False
    words = f"{customer.email}\n{customer.username}\n{customer.first_name}\n{customer.last_name}"
    return str(asked.get("search", "")).lower() in words.lower()
