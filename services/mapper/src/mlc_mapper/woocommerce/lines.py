"""The lines of an invoice from the lines of an order: accounts, discounts, taxes, and a visible rounding difference.

Amounts are those that the store charged, rounded half up to the currency's minor unit line by line; what the lines then
differ from the order's total is one rounding line within the tolerance, and a hold beyond it (architecture §4).
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from functools import cached_property

from mlc_common.accounting import HoldReason, Line, LineKind, Tax
from mlc_common.errors import Held
from mlc_common.money import AmountError, exact, quantise
from mlc_mapper.mapping import Mapping
from mlc_mapper.woocommerce.accounts import Booking, booking
from mlc_mapper.woocommerce.facts import Facts
from mlc_mapper.woocommerce.order import StoreLine, StoreOrder
from mlc_mapper.woocommerce.taxes import split_taxes

_ZERO = Decimal(0)


@dataclass(frozen=True, kw_only=True)
class SoldLine:
    """One line of an order as the books see it.

    Attributes:
        line: The store's line.
        booking: Kind, account, SKU and description.
        net: After discount, without tax.
        discount: What coupons took off, zero or more; a line of its own where the mapping gives it an account.
        discount_account: The account of that line.
        taxes: Per tax code.
    """

    line: StoreLine
    booking: Booking
    net: Decimal
    discount: Decimal
    discount_account: str
    taxes: tuple[Tax, ...]

    @property
    def source(self) -> str:
        """The store's id of the line, as documents name it."""
        return self.line.source


@dataclass(frozen=True, kw_only=True)
class Sale:
    """All lines of an order and the rounding difference to its total."""

    currency: str
    total: Decimal
    sold: tuple[SoldLine, ...]
    rounding: Decimal
    rounding_account: str

    @cached_property
    def by_id(self) -> dict[int, SoldLine]:
        """The sold lines by the store's id (item ids are one counter over all kinds, facts §7)."""
        return {sold.line.id: sold for sold in self.sold}


def read_sale(order: StoreOrder, facts: Facts, mapping: Mapping) -> Sale:
    """Map the lines of an order.

    Raises:
        Held: ``amount_not_representable``, ``account_unknown``, ``tax_code_unknown``, ``does_not_balance``.
    """
    currency = order.currency
    total = representable(order.total, currency, f"the total of order {order.number}")
    sold = tuple(_sold(line, order, facts, mapping) for line in order.lines if says_something(line, currency))
    net = sum((one.net for one in sold), _ZERO)
    tax = sum((tax.amount for one in sold for tax in one.taxes), _ZERO)
    limit = mapping.rounding.limit(currency)
    if not sold:
        raise Held(HoldReason.DOES_NOT_BALANCE, f"the order has a total of {total} {currency} and no lines")
    if abs(total - net - tax) > limit:
        raise _unbalanced(f"lines {net} + tax {tax} = {net + tax} {currency}, but the order's total is {total}", limit)
    if abs(quantise(order.total_tax, currency) - tax) > limit:
        raise _unbalanced(f"taxes of the lines are {tax} {currency}, but the order says {order.total_tax}", limit)
    rounding = total - net - tax
    return Sale(currency=currency, total=total, sold=sold, rounding=rounding, rounding_account=mapping.rounding.account)


def invoice_lines(sale: Sale) -> tuple[Line, ...]:
    """The lines of the invoice: items, shipping and fees in the store's order, discounts, rounding."""
    lines = [_line(sold) for sold in sale.sold]
    lines += [discount_line(sold, -sold.discount) for sold in sale.sold if sold.discount]
    if sale.rounding:
        lines.append(rounding_line(sale.rounding, sale.rounding_account))
    return tuple(lines)


def representable(amount: Decimal, currency: str, what: str) -> Decimal:
    """The amount with the currency's digits.

    Raises:
        Held: it is finer than the currency's smallest unit (a store shows all currencies with the same decimals).
    """
    try:
        return exact(amount, currency)
    except AmountError as error:
        raise Held(HoldReason.AMOUNT_NOT_REPRESENTABLE, f"{what}: {error}") from None


def discount_line(sold: SoldLine, net: Decimal) -> Line:
    """The discount on a line as a line of its own; the tax stays with the line, on what is left after the discount."""
    return Line(
        kind=LineKind.DISCOUNT,
        source_line=f"discount:{sold.line.id}",
        sku=sold.booking.sku,
        description=f"Discount on {sold.booking.description}",
        quantity=Decimal(1),
        net=net,
        account=sold.discount_account,
    )


def rounding_line(net: Decimal, account: str) -> Line:
    """The rounding difference, visible."""
    return Line(kind=LineKind.ROUNDING, description="Rounding", net=net, account=account)


def _line(sold: SoldLine) -> Line:
    return Line(
        kind=sold.booking.kind,
        source_line=sold.source,
        sku=sold.booking.sku,
        description=sold.booking.description,
        quantity=sold.line.quantity,
        net=sold.net + sold.discount,
        taxes=sold.taxes,
        account=sold.booking.account,
    )


def says_something(line: StoreLine, currency: str) -> bool:
    """Free items are kept, so that the document shows what was given; empty shipping and fees are not."""
    if (line.kind == "item" and line.quantity) or any(tax.total for tax in line.taxes):
        return True
    return any(quantise(amount, currency) for amount in (line.subtotal, line.total, line.total_tax))


def _sold(line: StoreLine, order: StoreOrder, facts: Facts, mapping: Mapping) -> SoldLine:
    net = quantise(line.total, order.currency)
    discount = quantise(line.subtotal, order.currency) - net if mapping.discounts.account else _ZERO
    return SoldLine(
        line=line,
        booking=booking(line, facts, mapping),
        net=net,
        # a price that was raised by hand is no discount: the line then shows what was charged
        discount=max(discount, _ZERO),
        discount_account=mapping.discounts.account or "",
        taxes=split_taxes(line, order.rates, mapping, currency=order.currency),
    )


def _unbalanced(detail: str, limit: Decimal) -> Held:
    return Held(HoldReason.DOES_NOT_BALANCE, f"{detail}; at most {limit} may differ")
