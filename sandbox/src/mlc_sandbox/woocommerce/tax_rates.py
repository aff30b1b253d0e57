"""The tax rates resource: created, changed, deleted and shown."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import count
from typing import Any

from mlc_sandbox.woocommerce.catalogue import TaxRate
from mlc_sandbox.woocommerce.errors import invalid_id
from mlc_sandbox.woocommerce.links import item_links
from mlc_sandbox.woocommerce.money import ZERO, amount, money
from mlc_sandbox.woocommerce.store import Store


class TaxRates:
    """The tax rates of one store.

    Args:
        store: Its tables.
    """

    def __init__(self, store: Store) -> None:
        self.store = store
        self._ids = count(1)

    def find(self, rate_id: int) -> TaxRate:
        """One rate.

        Raises:
            Refusal: there is none.
        """
        rate = self.store.tax_rates.get(rate_id)
        if rate is None:
            raise invalid_id("tax", 404, "Invalid resource ID.")
        return rate

    def create(self, body: Mapping[str, Any]) -> TaxRate:
        """A new rate."""
        rate = TaxRate(next(self._ids), "", "", ZERO, "")
        self._write(rate, body)
        self.store.tax_rates[rate.id] = rate
        return rate

    def update(self, rate_id: int, body: Mapping[str, Any]) -> TaxRate:
        """Change a rate; orders keep what they were charged.

        Raises:
            Refusal: there is none.
        """
        rate = self.find(rate_id)
        self._write(rate, body)
        return rate

    def delete(self, rate_id: int) -> TaxRate:
        """Delete a rate; tax lines keep its id.

        Raises:
            Refusal: there is none.
        """
        rate = self.find(rate_id)
        del self.store.tax_rates[rate_id]
        return rate

    def view(self, rate: TaxRate) -> dict[str, Any]:
        """The rate as the REST API shows it."""
        return {
            "id": rate.id,
            "country": rate.country,
            "state": rate.state,
            "postcode": ";".join(rate.postcodes),
            "city": ";".join(rate.cities),
            "rate": money(rate.rate, 4),
            "name": rate.name,
            "priority": rate.priority,
            "compound": rate.compound,
            "shipping": rate.shipping,
            "order": rate.order,
            "class": rate.tax_class or "standard",
            "postcodes": list(rate.postcodes),
            "cities": list(rate.cities),
            "_links": item_links(self.store, "taxes", rate.id),
        }

    def _write(self, rate: TaxRate, body: Mapping[str, Any]) -> None:
        rate.country = str(body.get("country", rate.country)).upper()
        rate.state = str(body.get("state", rate.state)).upper()
        rate.rate = amount(body.get("rate", rate.rate))
        rate.name = str(body.get("name", rate.name))
        rate.priority = int(body.get("priority", rate.priority))
        rate.compound = bool(body.get("compound", rate.compound))
        rate.shipping = bool(body.get("shipping", rate.shipping))
        rate.order = int(body.get("order", rate.order))
        tax_class = str(body.get("class", rate.tax_class))
        rate.tax_class = "" if tax_class == "standard" else tax_class
        rate.cities = tuple(str(city).upper() for city in body.get("cities", rate.cities))
        rate.postcodes = tuple(str(code).upper() for code in body.get("postcodes", rate.postcodes))
