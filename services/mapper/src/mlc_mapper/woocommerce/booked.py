"""The sale of an order as its invoice was commanded: on the same accounts, tax codes and discounts, by whatever rules.

A mapping that is applied later decides about what comes later (docs/mapping.md): it neither changes nor holds what was
commanded before, nor moves what refunds return of it. Pure.
"""

from __future__ import annotations

from decimal import Decimal

from mlc_common.accounting import Line
from mlc_common.money import is_currency, quantise
from mlc_mapper.mapping import Mapping
from mlc_mapper.state import LastWish
from mlc_mapper.woocommerce.accounts import rebooked
from mlc_mapper.woocommerce.lines import Sale, SoldLine, says_something
from mlc_mapper.woocommerce.order import StoreLine, StoreOrder

_ZERO = Decimal(0)


def booked_sale(order: StoreOrder, last: LastWish, mapping: Mapping) -> Sale | None:
    """The sale on the lines of its last invoice; None where goods or money are others than they were then.

    Args:
        order: The order as it is now.
        last: The last command of its invoice, a document.
        mapping: The rules in force; they give the account of roundings that the invoice did not need.
    """
    if order.currency != last.currency or order.total != last.total or not is_currency(order.currency):
        return None
    by_source = {line.source_line: line for line in last.lines if line.source_line}
    lines = [line for line in order.lines if says_something(line, order.currency)]
    sold = [_booked_line(line, by_source, order.currency) for line in lines]
    known = [one for one in sold if one is not None]
    if len(known) < len(sold) or len(known) + sum(1 for one in known if one.discount) != len(by_source):
        return None
    rounding = [line for line in last.lines if not line.source_line]
    return Sale(
        currency=order.currency,
        total=last.total,
        sold=tuple(known),
        rounding=sum((line.net for line in rounding), _ZERO),
        rounding_account=rounding[0].account if rounding else mapping.rounding.account,
    )


def _booked_line(line: StoreLine, by_source: dict[str, Line], currency: str) -> SoldLine | None:
    """The line as it was booked; None where it was not, or with other money."""
    known, discount = by_source.get(line.source), by_source.get(f"discount:{line.id}")
    if known is None:
        return None
    net, gross = quantise(line.total, currency), quantise(line.subtotal if discount else line.total, currency)
    off = discount.net if discount else _ZERO
    booked = (known.quantity, known.net, known.net + off, known.tax)
    if booked != (line.quantity, gross, net, quantise(line.total_tax, currency)):
        return None
    return SoldLine(
        line=line,
        booking=rebooked(known),
        net=net,
        discount=-off,
        discount_account=discount.account if discount else "",
        taxes=known.taxes,
    )
