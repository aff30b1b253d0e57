"""What is left of an order's lines after its refunds, line by line and tax by tax; and an amount spread over it. Pure.

Everything here adds up exactly: what is returned plus what is left is what was sold.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from decimal import ROUND_HALF_UP, Context, Decimal

from mlc_common.accounting import Line, LineKind
from mlc_common.money import allocate, quantise
from mlc_mapper.woocommerce.lines import Sale

_ZERO = Decimal(0)
_EXACT = Context(prec=60, rounding=ROUND_HALF_UP)


@dataclass
class LineLeft:
    """What is left of one sold line.

    Attributes:
        net: After discount, without tax.
        taxes: Per tax code.
        quantity: Pieces.
        discount_back: How much of the line's discount was given back so far.
    """

    net: Decimal
    taxes: dict[str, Decimal]
    quantity: Decimal
    discount_back: Decimal = _ZERO


@dataclass
class Left:
    """What is left of a whole sale while its refunds are taken off, in the order of their ids.

    Attributes:
        order: What is left of the order's total.
        lines: By the store's id of the line.
        accounts: The liability account of each tax code.
        rounding: What is left of the rounding difference.
    """

    order: Decimal
    lines: dict[str, LineLeft]
    accounts: dict[str, str]
    rounding: Decimal

    def copy(self) -> Left:
        """Another one that can be changed by itself."""
        lines = {source: replace(line, taxes=dict(line.taxes)) for source, line in self.lines.items()}
        return Left(self.order, lines, dict(self.accounts), self.rounding)

    def take_off(self, lines: Iterable[Line]) -> None:
        """Take a credit's lines off what is left."""
        for line in lines:
            self.order -= line.net + line.tax
            self.accounts |= {tax.code: tax.account for tax in line.taxes}
            kind, _, line_id = line.source_line.partition(":")
            if line.kind is LineKind.ROUNDING:
                self.rounding -= line.net
            elif kind == "discount" and f"line:{line_id}" in self.lines:
                item = self.lines[f"line:{line_id}"]
                item.net -= line.net
                item.discount_back -= line.net
            elif line.source_line in self.lines:
                _take_off_line(self.lines[line.source_line], line)


@dataclass(frozen=True)
class Share:
    """The part of a spread amount that falls on one line, and on each of its taxes."""

    net: Decimal
    taxes: dict[str, Decimal]


def all_of(sale: Sale) -> Left:
    """Nothing returned yet."""
    return Left(
        order=sale.total,
        lines={
            sold.source: LineLeft(sold.net, {tax.code: tax.amount for tax in sold.taxes}, sold.line.quantity)
            for sold in sale.sold
        },
        accounts={tax.code: tax.account for sold in sale.sold for tax in sold.taxes},
        rounding=sale.rounding,
    )


def spread(left: Left, amount: Decimal, currency: str) -> tuple[dict[str, Share], Decimal]:
    """Spread an amount over what is left of every line, tax and the rounding difference, in proportion.

    Negative parts (a store credit used as payment) come back in proportion, too: returning all that is left returns
    every part exactly.

    Args:
        left: What is left.
        amount: What to spread, above zero.
        currency: Its currency.

    Returns:
        The share of each line, and that of the rounding difference; together exactly ``amount``.

    Raises:
        ValueError: less is left than the amount.
    """
    names = [(source, code) for source, line in left.lines.items() for code in ("", *line.taxes)]
    parts = [_part(left.lines[source], code) for source, code in names] + [left.rounding]
    shares = _proportion(amount, parts, currency)
    found: dict[str, Share] = {source: Share(_ZERO, {}) for source in left.lines}
    for (source, code), share in zip(names, shares, strict=False):
        if code:
            found[source].taxes[code] = share
        else:
            found[source] = Share(share, {})
    return found, shares[-1]


def _part(line: LineLeft, code: str) -> Decimal:
    return line.taxes[code] if code else line.net


def _proportion(amount: Decimal, parts: list[Decimal], currency: str) -> list[Decimal]:
    """``amount`` in proportion to the parts, exactly ``amount`` in sum; no part gets more than itself."""
    total = sum(parts, _ZERO)
    if amount > total:
        raise ValueError(f"{amount} {currency} cannot be spread over {total}")
    owed = -sum((part for part in parts if part < 0), _ZERO)
    negative = quantise(_EXACT.divide(amount * owed, total), currency)
    up = allocate(amount + negative, [max(part, _ZERO) for part in parts], currency)
    down = allocate(negative, [max(-part, _ZERO) for part in parts], currency)
    return [plus - minus for plus, minus in zip(up, down, strict=True)]


def _take_off_line(item: LineLeft, line: Line) -> None:
    item.net -= line.net
    item.quantity -= line.quantity
    for tax in line.taxes:
        item.taxes[tax.code] = item.taxes.get(tax.code, _ZERO) - tax.amount
