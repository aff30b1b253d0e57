"""Spreads coupons over an order's lines as WC_Discounts does, in whole cents, remainders to the dearest units first.

The order of the items follows captured orders of 11.0.1: by unit price, dearest first. Rules: facts sheet §6.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import ROUND_FLOOR, Decimal

from mlc_sandbox.woocommerce.catalogue import Coupon
from mlc_sandbox.woocommerce.model import CouponLine, ProductLine
from mlc_sandbox.woocommerce.money import ZERO, round_half_down, round_half_up, total
from mlc_sandbox.woocommerce.taxes import HUNDRED, exclusive_tax, inclusive_tax
from mlc_sandbox.woocommerce.totals import Calculator


@dataclass
class _Item:
    """A line while coupons are applied; amounts in cents (the store's smallest shown unit)."""

    line: ProductLine
    price: Decimal
    discount: Decimal = ZERO

    @property
    def left(self) -> Decimal:
        return abs(round_half_up(self.price - self.discount, 0))


def apply_coupons(calculator: Calculator, coupons: dict[str, Coupon]) -> None:
    """Apply all coupon lines of the order anew and calculate it.

    Args:
        calculator: For the order.
        coupons: The store's coupons by code; of one that was deleted, the order's line remembers enough.
    """
    order = calculator.order
    for line in order.lines.products:
        line.total, line.total_tax = line.subtotal, line.subtotal_tax
    items = _items(calculator)
    for used in order.lines.coupons:
        before = {id(item): item.discount for item in items}
        _apply(calculator, items, coupons.get(used.code) or _remembered(used, calculator))
        given = {id(item): item.discount - before[id(item)] for item in items}
        _set_coupon(calculator, used, [(item.line, given[id(item)]) for item in items])
    for item in items:
        _discount_line(calculator, item)
    calculator.calculate()


def _items(calculator: Calculator) -> list[_Item]:
    cents = Decimal(10) ** calculator.settings.decimals
    items = []
    for line in calculator.order.lines.products:
        price = line.subtotal + (line.subtotal_tax if calculator.order.prices_include_tax else ZERO)
        items.append(_Item(line, round_half_up(price * cents, 4)))
    return sorted(items, key=lambda item: -(item.price / item.line.quantity if item.line.quantity else ZERO))


def _remembered(used: CouponLine, calculator: Calculator) -> Coupon:
    """A coupon that was deleted since, from what the order's line remembers of it."""
    when = calculator.order.created
    return Coupon(0, used.code, when, when, used.nominal_amount, used.discount_type)


def _apply(calculator: Calculator, items: list[_Item], coupon: Coupon) -> None:
    open_items = [item for item in items if item.left and item.line.quantity > 0]
    cents = coupon.amount * Decimal(10) ** calculator.settings.decimals
    if coupon.discount_type == "percent":
        _percent(open_items, coupon.amount / HUNDRED, sequential=calculator.settings.sequential_discounts)
    elif coupon.discount_type == "fixed_product":
        _fixed_product(open_items, cents)
    else:
        _fixed_cart(open_items, cents)


def _percent(items: list[_Item], share: Decimal, *, sequential: bool) -> None:
    given = cart = ZERO
    for item in items:
        price = item.left if sequential else round_half_up(item.price, 0)
        discount = min(item.left, (price * share).to_integral_value(ROUND_FLOOR))
        item.discount += discount
        given += discount
        cart += price
    _remainder(items, round_half_down(cart * share, 0) - given)


def _fixed_product(items: list[_Item], cents_per_unit: Decimal) -> Decimal:
    given = ZERO
    for item in items:
        discount = min(item.left, cents_per_unit * item.line.quantity)
        item.discount += discount
        given += discount
    return given


def _fixed_cart(items: list[_Item], cents: Decimal) -> None:
    items = [item for item in items if item.left]
    units = sum(item.line.quantity for item in items)
    if not units or cents <= 0:
        return
    per_unit = (cents / units).to_integral_value(ROUND_FLOOR)
    if not per_unit:
        _remainder(items, cents)
        return
    given = _fixed_product(items, per_unit)
    if ZERO < given < cents:
        _fixed_cart(items, cents - given)


def _remainder(items: list[_Item], cents: Decimal) -> None:
    """One cent per unit until the remainder is spent."""
    for item in items:
        for _ in range(item.line.quantity):
            if cents <= 0:
                return
            cent = min(item.left, Decimal(1))
            item.discount += cent
            cents -= cent


def _amount(calculator: Calculator, cents: Decimal) -> Decimal:
    return cents.scaleb(-calculator.settings.decimals)


def _taxes(calculator: Calculator, line: ProductLine, amount: Decimal) -> Decimal:
    if not calculator.settings.calc_taxes or line.tax_status != "taxable":
        return ZERO
    compute = inclusive_tax if calculator.order.prices_include_tax else exclusive_tax
    taxes = compute(amount, calculator.rates(line.tax_class), calculator.settings.tax_precision)
    return total(taxes.values())


def _set_coupon(calculator: Calculator, used: CouponLine, given: list[tuple[ProductLine, Decimal]]) -> None:
    discount = total(_amount(calculator, cents) for _, cents in given)
    tax = ZERO
    for line, cents in given:
        part = calculator.round_line_tax(_taxes(calculator, line, _amount(calculator, cents)))
        tax += part
        discount -= part if calculator.order.prices_include_tax else ZERO
    used.discount, used.discount_tax = discount, tax


def _discount_line(calculator: Calculator, item: _Item) -> None:
    amount = _amount(calculator, item.discount)
    if calculator.order.prices_include_tax:
        # Taken off the price with tax; the tax in it unrounded, as in the cart.
        amount -= _taxes(calculator, item.line, amount)
    item.line.total = max(ZERO, item.line.total - amount)
