"""Finds the tax rates of a place and computes taxes, exclusive and inclusive, as WC_Tax does.

Taxes come out with the precision WooCommerce keeps (six decimals or more); rounding to the store's decimals happens
where lines and orders are summed (``totals``). Rules: facts sheet §6 and §10.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal

from mlc_sandbox.woocommerce.catalogue import TaxRate
from mlc_sandbox.woocommerce.model import Order
from mlc_sandbox.woocommerce.money import ZERO, round_half_up, total
from mlc_sandbox.woocommerce.settings import StoreSettings

HUNDRED = Decimal(100)


@dataclass(frozen=True)
class Place:
    """Where something is taxed."""

    country: str
    state: str
    city: str
    postcode: str


def base_place(settings: StoreSettings) -> Place:
    """The store's own address."""
    country, state = settings.base
    return Place(country, state, settings.base_city, settings.base_postcode)


def place_of(order: Order, settings: StoreSettings) -> Place:
    """Where an order is taxed: by its shipping or billing address, else by the store's."""
    address = order.billing if settings.tax_based_on == "billing" else order.shipping
    if settings.tax_based_on == "shipping" and not order.shipping["country"]:
        address = order.billing
    collected = any(line.method_id in ("local_pickup", "legacy_local_pickup") for line in order.lines.shipping)
    if settings.tax_based_on == "base" or collected or not address["country"]:
        return base_place(settings)
    return Place(address["country"], address["state"], address["city"], address["postcode"])


def find_rates(rates: Iterable[TaxRate], place: Place, tax_class: str = "") -> list[TaxRate]:
    """The rates of a place and class, one per priority, in their order."""
    fitting = [rate for rate in rates if rate.tax_class == tax_class and _fits(rate, place)]
    fitting.sort(key=_rank)
    first: dict[int, TaxRate] = {}
    for rate in fitting:
        first.setdefault(rate.priority, rate)
    return list(first.values())


def exclusive_tax(price: Decimal, rates: list[TaxRate], precision: int) -> dict[int, Decimal]:
    """The tax on top of a net price, by rate id."""
    taxes = {rate.id: price * rate.rate / HUNDRED for rate in rates if not rate.compound}
    for rate in rates:
        if rate.compound:
            taxes[rate.id] = (price + total(taxes.values())) * rate.rate / HUNDRED
    return {rate_id: round_half_up(tax, precision) for rate_id, tax in taxes.items()}


def inclusive_tax(price: Decimal, rates: list[TaxRate], precision: int) -> dict[int, Decimal]:
    """The tax contained in a gross price, by rate id."""
    taxes = {rate.id: ZERO for rate in rates}
    without_compound = price
    for rate in reversed([rate for rate in rates if rate.compound]):
        taxes[rate.id] = without_compound - without_compound / (1 + rate.rate / HUNDRED)
        without_compound -= taxes[rate.id]
    regular = [rate for rate in rates if not rate.compound]
    divisor = 1 + total(rate.rate for rate in regular) / HUNDRED
    for rate in regular:
        taxes[rate.id] = without_compound * (rate.rate / HUNDRED) / divisor
    return {rate_id: round_half_up(tax, precision) for rate_id, tax in taxes.items()}


def _fits(rate: TaxRate, place: Place) -> bool:
    return (
        bool(place.country)
        and rate.country in ("", place.country.upper())
        and rate.state in ("", place.state.upper())
        and (not rate.cities or place.city.upper() in rate.cities)
        and (not rate.postcodes or place.postcode.upper() in rate.postcodes)
    )


def _rank(rate: TaxRate) -> tuple[int, bool, str, bool, str, int, int, int]:
    """Priority, then the more particular rate, then the older one."""
    return (
        rate.priority,
        not rate.country,
        rate.country,
        not rate.state,
        rate.state,
        -len(rate.postcodes),
        -len(rate.cities),
        rate.id,
    )
