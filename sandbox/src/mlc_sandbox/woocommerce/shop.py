"""Puts a store together: its tables, what can be done with them, its webhook queue, and what webhooks read.

Both the REST API and the shopper work on this one object, so that an order placed in the storefront and one placed by
REST are the same order.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from mlc_sandbox.clock import SandboxClock
from mlc_sandbox.woocommerce.coupons import Coupons
from mlc_sandbox.woocommerce.customers import Customers
from mlc_sandbox.woocommerce.delivery import Queue
from mlc_sandbox.woocommerce.errors import Refusal
from mlc_sandbox.woocommerce.order_view import OrderView
from mlc_sandbox.woocommerce.orders import Orders
from mlc_sandbox.woocommerce.product_view import ProductView
from mlc_sandbox.woocommerce.products import Products
from mlc_sandbox.woocommerce.settings import StoreSettings
from mlc_sandbox.woocommerce.store import Store
from mlc_sandbox.woocommerce.tax_rates import TaxRates
from mlc_sandbox.woocommerce.webhooks import Webhook

LOST_RIGHTS = {"demoted": 403, "deleted": 401}


class Shop:
    """One running store.

    Args:
        settings: The merchant's.
        clock: The sandbox's time.
        listening_at: Where the server listens.
    """

    def __init__(self, settings: StoreSettings, clock: SandboxClock, listening_at: Callable[[], str]) -> None:
        self.settings = settings
        self.clock = clock
        self.store = Store(settings, clock, listening_at)
        self.orders = Orders(self.store)
        self.products = Products(self.store)
        self.customers = Customers(self.store)
        self.coupons = Coupons(self.store)
        self.tax_rates = TaxRates(self.store)
        self.queue = Queue(self.store, self._read)

    def _read(self, webhook: Webhook, topic: str, argument: int) -> Any:
        """The body of a delivery: the object as its REST answer, or the error that this would be."""
        resource, _, event = topic.partition(".")
        if resource == "action":
            return {"action": event, "arg": argument}
        if event == "deleted":
            return {"id": argument}
        status = LOST_RIGHTS.get(self.store.users.get(webhook.user_id, "ok"))
        if status is not None:
            text = "Sorry, you cannot view this resource."
            return Refusal(status, "woocommerce_rest_cannot_view", text).body()
        try:
            return self._object(resource, argument)
        except Refusal as refusal:
            return refusal.body()

    def _object(self, resource: str, argument: int) -> dict[str, Any]:
        if resource == "order":
            return OrderView(self.store).order(self.orders.find(argument))
        if resource == "product":
            return ProductView(self.store).product(self.products.find(argument))
        if resource == "customer":
            return self.customers.view(self.customers.find(argument))
        return self.coupons.view(self.coupons.find(argument))
