"""Registered customers: created, changed, deleted; what their orders and webhooks see of it.

A customer is never trashed. Deleting one turns its orders into guest orders, silently. Facts sheet §11 and §15.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from itertools import count
from typing import Any

from mlc_sandbox.woocommerce.catalogue import Customer
from mlc_sandbox.woocommerce.errors import Refusal
from mlc_sandbox.woocommerce.links import item_links
from mlc_sandbox.woocommerce.model import BILLING, SHIPPING
from mlc_sandbox.woocommerce.order_view import meta_rows
from mlc_sandbox.woocommerce.store import Store, write_meta

# A customer's addresses come in another order than an order's.
SHOWN = ("first_name", "last_name", "company", "address_1", "address_2", "city", "postcode", "country", "state")
INVALID_ID = "wc_user_invalid_id"


class Customers:
    """The users of one store; user 1 is its administrator.

    Args:
        store: Its tables.
    """

    def __init__(self, store: Store) -> None:
        self.store = store
        now = store.now()
        admin = Customer(1, "admin@example.test", "admin", now, now, role="administrator")
        store.customers[1] = admin
        self._ids = count(2)

    def find(self, customer_id: int) -> Customer:
        """One user.

        Raises:
            Refusal: there is none.
        """
        customer = self.store.customers.get(customer_id)
        if customer is None:
            raise Refusal(404, INVALID_ID, "Invalid user ID.")
        return customer

    def by_email(self, email: str) -> Customer | None:
        """The user of an e-mail address."""
        return next((one for one in self.store.customers.values() if one.email.lower() == email.lower()), None)

    def create(self, body: Mapping[str, Any]) -> Customer:
        """A new customer.

        Raises:
            Refusal: the e-mail is taken or wrong, or the user name is taken.
        """
        email = str(body["email"])
        self._check(email, body.get("username"))
        now = self.store.now()
        username = str(body.get("username") or email.partition("@")[0])
        customer = Customer(next(self._ids), email, username, now, now)
        self._write(customer, body)
        self.store.customers[customer.id] = customer
        self.store.fire("customer.created", customer.id)
        self.store.fire("customer.updated", customer.id)
        return customer

    def update(self, customer_id: int, body: Mapping[str, Any]) -> Customer:
        """Change a customer.

        Raises:
            Refusal: there is none, or the new e-mail is taken.
        """
        customer = self.find(customer_id)
        email = str(body.get("email") or customer.email)
        if email.lower() != customer.email.lower():
            self._check(email, None)
            customer.email = email
        self._write(customer, body)
        customer.modified = self.store.now()
        self.store.fire("customer.updated", customer.id)
        return customer

    def delete(self, customer_id: int) -> Customer:
        """Delete a customer for good; orders keep their addresses and lose the id without a trace.

        Raises:
            Refusal: there is none.
        """
        customer = self.find(customer_id)
        del self.store.customers[customer_id]
        for order in self.store.orders.values():
            if order.customer_id == customer_id:
                order.customer_id = 0
        self.store.fire("customer.deleted", customer_id)
        return customer

    def view(self, customer: Customer) -> dict[str, Any]:
        """The customer as the REST API shows it."""
        digest = hashlib.sha256(customer.email.strip().lower().encode()).hexdigest()
        return {
            "id": customer.id,
            **self.store.stamps("date_created", customer.created),
            **self.store.stamps("date_modified", customer.modified),
            "email": customer.email,
            "first_name": customer.first_name,
            "last_name": customer.last_name,
            "role": customer.role,
            "username": customer.username,
            "billing": {key: customer.billing[key] for key in (*SHOWN, "email", "phone")},
            "shipping": {key: customer.shipping[key] for key in (*SHOWN, "phone")},
            "is_paying_customer": customer.is_paying,
            "avatar_url": f"https://secure.gravatar.com/avatar/{digest}?s=96&d=mm&r=g",
            "meta_data": meta_rows(customer.meta),
            "_links": item_links(self.store, "customers", customer.id),
        }

    def _check(self, email: str, username: Any) -> None:
        if not email.isascii() or email.count("@") != 1 or email.startswith("@") or email.endswith("@"):
            raise Refusal(400, "customer_invalid_email", "Invalid email address.")
        if self.by_email(email) is not None:
            text = f"An account is already registered with {email}. Please log in or use a different email address."
            raise Refusal(400, "registration-error-email-exists", text)
        if username and any(one.username == username for one in self.store.customers.values()):
            text = "An account is already registered with that username. Please choose another."
            raise Refusal(400, "registration-error-username-exists", text)

    def _write(self, customer: Customer, body: Mapping[str, Any]) -> None:
        for name in ("first_name", "last_name"):
            if body.get(name) is not None:
                setattr(customer, name, str(body[name]))
        for name, keys in (("billing", BILLING), ("shipping", SHIPPING)):
            given = body.get(name) or {}
            address: dict[str, str] = getattr(customer, name)
            address.update({key: str(given[key]) for key in keys if given.get(key) is not None})
        write_meta(customer.meta, body.get("meta_data"), self.store.meta)
