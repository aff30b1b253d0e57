"""Adds an order up as WC_Abstract_Order::calculate_totals does: taxes per line, tax lines, discount, total.

Exclusive prices round taxes half up, inclusive ones half down; per line, or once per order where the store says so.
Decimal arithmetic only. Rules: facts sheet §6 and §10; checked against captured orders.
"""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal

from mlc_sandbox.woocommerce.catalogue import TaxRate
from mlc_sandbox.woocommerce.model import FeeLine, Lines, Order, ProductLine, ShippingLine, TaxLine
from mlc_sandbox.woocommerce.money import ZERO, round_half_down, round_half_up, total
from mlc_sandbox.woocommerce.settings import StoreSettings
from mlc_sandbox.woocommerce.store import Store
from mlc_sandbox.woocommerce.taxes import exclusive_tax, find_rates, place_of

NOT_TAXABLE = "non-taxable"


class Calculator:
    """Sums one order up under the store's settings.

    Args:
        store: For tax rates, settings and line ids.
        order: What to calculate; its lines' net totals are given, everything else follows.
    """

    def __init__(self, store: Store, order: Order) -> None:
        self.settings: StoreSettings = store.settings
        self.store = store
        self.order = order
        self.lines: Lines = order.lines
        self.place = place_of(order, store.settings)

    def rates(self, tax_class: str) -> list[TaxRate]:
        """The rates for this order and class."""
        return find_rates(self.store.tax_rates.values(), self.place, tax_class)

    def round_tax(self, value: Decimal) -> Decimal:
        """To the store's decimals: half up, or half down where prices include tax."""
        rounding = round_half_down if self.order.prices_include_tax else round_half_up
        return rounding(value, self.settings.decimals)

    def round_line_tax(self, value: Decimal) -> Decimal:
        """As ``round_tax``, unless the store rounds only once per order."""
        return value if self.settings.round_at_subtotal else self.round_tax(value)

    def calculate(self) -> None:
        """Set all taxes and totals of the order from its lines."""
        order, decimals = self.order, self.settings.decimals
        subtotal = self._lines_total(line.subtotal for line in self.lines.products)
        cart = self._lines_total(line.total for line in self.lines.products)
        order.shipping_total = total(round_half_up(line.total, decimals) for line in self.lines.shipping)
        fees = self._capped_fees(cart)
        self._tax_lines()
        taxed = total(tax for line in self.lines.products for tax in line.taxes.values())
        untaxed = total(tax for line in self.lines.products for tax in line.subtotal_taxes.values())
        order.discount_total = round_half_up(subtotal - cart, decimals)
        order.discount_tax = self.round_tax(untaxed - taxed)
        order.total = round_half_up(cart + fees + order.shipping_total + order.total_tax, decimals)

    def set_taxes(self, line: ProductLine | FeeLine | ShippingLine, taxes: dict[int, Decimal]) -> None:
        """Give a line its taxes and their sum."""
        line.taxes = taxes
        line.total_tax = total(self.round_line_tax(tax) for tax in taxes.values())

    def update_tax_lines(self) -> None:
        """Make the order's tax lines and tax totals from its lines' taxes."""
        cart: dict[int, Decimal] = {}
        shipping: dict[int, Decimal] = {}
        bought: list[ProductLine | FeeLine] = [*self.lines.products, *self.lines.fees]
        for line in bought:
            for rate_id, tax in line.taxes.items():
                cart[rate_id] = cart.get(rate_id, ZERO) + self.round_line_tax(tax)
        for charge in self.lines.shipping:
            for rate_id, tax in charge.taxes.items():
                shipping[rate_id] = shipping.get(rate_id, ZERO) + self.round_line_tax(tax)
        kept = {line.rate_id: line for line in self.lines.taxes}
        self.lines.taxes = [self._tax_line(rate_id, kept) for rate_id in [*cart, *(shipping.keys() - cart.keys())]]
        for row in self.lines.taxes:
            row.tax_total = cart.get(row.rate_id, ZERO)
            row.shipping_tax_total = shipping.get(row.rate_id, ZERO)
        self.order.cart_tax = total(cart.values())
        self.order.shipping_tax = total(shipping.values())

    def _tax_line(self, rate_id: int, kept: dict[int, TaxLine]) -> TaxLine:
        if rate_id in kept:
            return kept[rate_id]
        rate = self.store.tax_rates.get(rate_id)
        if rate is None:  # a rate that was deleted since keeps its id and loses its name
            return TaxLine(self.store.next_item_id(), rate_id, "", "Tax", False, ZERO)
        return TaxLine(self.store.next_item_id(), rate_id, rate.code, rate.name, rate.compound, rate.rate)

    def _lines_total(self, values: Iterable[Decimal]) -> Decimal:
        if self.settings.round_at_subtotal:
            return total(values)
        return total(round_half_up(value, self.settings.decimals) for value in values)

    def _capped_fees(self, cart: Decimal) -> Decimal:
        """The sum of fees; a negative one may not take more than there is so far."""
        fees = ZERO
        for fee in self.lines.fees:
            most = -round_half_up(cart + fees + self.order.shipping_total, self.settings.decimals)
            if fee.total < most < 0:
                fee.total = most
            fees += fee.total
        return fees

    def _tax_lines(self) -> None:
        exempt = any(meta.key == "is_vat_exempt" and meta.value == "yes" for meta in self.order.meta)
        taxed = self.settings.calc_taxes and not exempt
        for line in self.lines.products:
            self._tax_product(line, taxed)
        for fee in self.lines.fees:
            self.set_taxes(fee, self._fee_taxes(fee) if taxed else {})
        for charge in self.lines.shipping:
            self.set_taxes(charge, self._shipping_taxes(charge) if taxed else {})
        self.update_tax_lines()

    def _tax_product(self, line: ProductLine, taxed: bool) -> None:
        rates = self.rates(line.tax_class) if taxed and line.tax_status == "taxable" else []
        precision = self.settings.tax_precision
        self.set_taxes(line, exclusive_tax(line.total, rates, precision))
        line.subtotal_taxes = exclusive_tax(line.subtotal, rates, precision)
        line.subtotal_tax = total(self.round_line_tax(tax) for tax in line.subtotal_taxes.values())

    def _fee_taxes(self, fee: FeeLine) -> dict[int, Decimal]:
        if fee.total < 0:
            return self._discount_taxes(fee.total)
        rates = self.rates(fee.tax_class) if fee.tax_status == "taxable" else []
        return exclusive_tax(fee.total, rates, self.settings.tax_precision)

    def _discount_taxes(self, negative: Decimal) -> dict[int, Decimal]:
        """A negative fee takes tax off in proportion to what was bought per tax class, whatever its own tax status."""
        costs = self._costs_by_class()
        everything = total(costs.values())
        taxes: dict[int, Decimal] = {}
        for tax_class, cost in costs.items():
            if tax_class == NOT_TAXABLE:
                continue
            share = negative * cost / everything
            for rate_id, tax in exclusive_tax(share, self.rates(tax_class), self.settings.tax_precision).items():
                taxes[rate_id] = taxes.get(rate_id, ZERO) + tax
        return taxes

    def _costs_by_class(self) -> dict[str, Decimal]:
        classes = self._classes()
        costs = dict.fromkeys(classes, ZERO)
        inherited = classes[0] if classes else ""
        for line in self.lines.refundable():
            if line.total < 0:
                continue
            own = inherited if isinstance(line, ShippingLine) else line.tax_class
            name = own if line.tax_status == "taxable" else NOT_TAXABLE
            costs[name] = costs.get(name, ZERO) + line.total
        return {name: cost for name, cost in costs.items() if cost}

    def _classes(self) -> list[str]:
        return list(dict.fromkeys(line.tax_class for line in self.lines.products if line.tax_status == "taxable"))

    def _shipping_taxes(self, charge: ShippingLine) -> dict[int, Decimal]:
        tax_class: str | None = self.settings.shipping_tax_class
        if tax_class == "inherit":
            classes = self._classes()
            # Without products there is nothing to inherit from: the standard class. All exempt: no tax.
            tax_class = min(classes) if classes else (None if self.lines.products else "")
        if tax_class is None or charge.tax_status != "taxable":
            return {}
        rates = [rate for rate in self.rates(tax_class) if rate.shipping]
        return exclusive_tax(charge.total, rates, self.settings.tax_precision)
