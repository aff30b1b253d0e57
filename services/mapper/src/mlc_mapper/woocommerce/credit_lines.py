"""The lines of a credit note from a refund: what the store paid back, on the accounts and tax codes of what was sold.

Amounts are positive. Lines name the sold line by the store's id. What was paid back beyond the refund's lines is spread
over what is left, or put on a clearing account, by the mapping (WooCommerce facts §9: an amount need not have lines).
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Context, Decimal
from functools import cached_property

from mlc_common.accounting import HoldReason, Line, LineKind, Tax
from mlc_common.errors import Held
from mlc_common.money import quantise
from mlc_mapper.mapping import Mapping
from mlc_mapper.woocommerce.accounts import booking
from mlc_mapper.woocommerce.facts import Facts
from mlc_mapper.woocommerce.lines import Sale, SoldLine, discount_line, representable, rounding_line
from mlc_mapper.woocommerce.order import SOURCE_PREFIX, StoreLine, StoreOrder, StoreRefund
from mlc_mapper.woocommerce.returns import Left, LineLeft, spread
from mlc_mapper.woocommerce.taxes import split_taxes

_ZERO = Decimal(0)
_EXACT = Context(prec=60, rounding=ROUND_HALF_UP)
_Identity = tuple[str, int, int, str]


@dataclass(frozen=True, kw_only=True)
class Ground:
    """What every refund of one order is measured against."""

    order: StoreOrder
    sale: Sale
    facts: Facts
    mapping: Mapping

    @cached_property
    def by_identity(self) -> dict[_Identity, list[SoldLine]]:
        """The sold lines by what was sold."""
        found: dict[_Identity, list[SoldLine]] = {}
        for sold in self.sale.sold:
            found.setdefault(_identity(sold.line, self.facts), []).append(sold)
        return found


@dataclass(frozen=True, kw_only=True)
class Back:
    """What goes back of one line; ``rest`` = all that is still left of it."""

    net: Decimal
    taxes: tuple[Tax, ...]
    quantity: Decimal
    rest: bool = False


def credit_lines(refund: StoreRefund, ground: Ground, left: Left) -> tuple[Line, ...]:
    """The lines of a refund's credit; they add up to what was paid back.

    Args:
        refund: A readable refund.
        ground: The sale that it returns.
        left: What is left of the sale after the earlier refunds; not changed.

    Raises:
        Held: ``does_not_balance``, ``credit_exceeds_invoice``, or what the mapping has no account or code for.
    """
    left, lines = left.copy(), list[Line]()
    for one in refund.lines:
        returned = _returned(one, refund, ground, left)
        left.take_off(returned)
        lines += returned
    return (*lines, *_rest(refund, lines, ground, left))


def paid_back(refund: StoreRefund, ground: Ground, left: Left) -> Decimal:
    """What was paid back, in whole minor units.

    Raises:
        Held: ``amount_not_representable``; ``credit_exceeds_invoice`` when it is more than what is left of the order.
    """
    amount = representable(refund.amount, ground.sale.currency, f"refund {refund.id}")
    if amount > left.order:
        raise _exceeds(refund, amount, left.order, ground.sale.currency)
    return amount


def _returned(line: StoreLine, refund: StoreRefund, ground: Ground, left: Left) -> list[Line]:
    """One line of a refund: what it returns of the sold line, and of that line's discount."""
    currency = ground.sale.currency
    sold = _sold(line, ground)
    net = quantise(-line.total, currency)
    taxes = split_taxes(
        line,
        (*ground.order.rates, *refund.rates),
        ground.mapping,
        currency=currency,
        sign=-1,
        sold=sold.taxes if sold else (),
    )
    if not net and not taxes and (line.kind != "item" or not line.quantity):
        return []
    back = Back(net=net, taxes=taxes, quantity=abs(line.quantity))
    return _of_sold(sold, back, ground, left) if sold else [_unsold(line, back, ground)]


def _sold(line: StoreLine, ground: Ground) -> SoldLine | None:
    """The sold line that a refund's line returns; where it names none, the only one that is the same thing."""
    if line.refers_to:
        return ground.sale.by_id.get(line.refers_to)
    same = ground.by_identity.get(_identity(line, ground.facts), [])
    return same[0] if len(same) == 1 else None


def _identity(line: StoreLine, facts: Facts) -> _Identity:
    fact = facts.items.get(line.id)
    if line.kind == "item" and (line.product_id or fact):
        return ("item", *((fact.product_id, fact.variation_id) if fact else (line.product_id, line.variation_id)), "")
    return (line.kind, 0, 0, line.method if line.kind == "shipping" else line.name)


def _of_sold(sold: SoldLine, back: Back, ground: Ground, left: Left) -> list[Line]:
    discount = _discount_back(sold, back, left.lines[sold.source], ground.sale.currency)
    line = Line(
        kind=sold.booking.kind,
        source_line=sold.source,
        sku=sold.booking.sku,
        description=sold.booking.description,
        quantity=back.quantity,
        net=back.net + discount,
        taxes=back.taxes,
        account=sold.booking.account,
    )
    return [line, discount_line(sold, -discount)] if discount else [line]


def _discount_back(sold: SoldLine, back: Back, left: LineLeft, currency: str) -> Decimal:
    """The discount that goes back with a line: in proportion to the money, to the pieces where all was discounted."""
    whole, before, now = sold.net, left.net, back.net
    if whole <= 0:
        whole, before, now = sold.line.quantity, left.quantity, back.quantity
    if back.rest or whole <= 0:
        return sold.discount - left.discount_back if back.rest else _ZERO
    returned = min(max(whole - before + now, _ZERO), whole)
    return quantise(_EXACT.divide(sold.discount * returned, whole), currency) - left.discount_back


def _unsold(line: StoreLine, back: Back, ground: Ground) -> Line:
    """A refund of something that is no longer on the order: by the mapping, as if it were sold now."""
    booked = booking(line, ground.facts, ground.mapping)
    return Line(
        kind=booked.kind,
        source_line=f"{SOURCE_PREFIX[line.kind]}:{line.refers_to}" if line.refers_to else "",
        sku=booked.sku,
        description=booked.description,
        quantity=back.quantity,
        net=back.net,
        taxes=back.taxes,
        account=booked.account,
    )


def _rest(refund: StoreRefund, lines: list[Line], ground: Ground, left: Left) -> list[Line]:
    """What was paid back and is on no line."""
    currency, mapping = ground.sale.currency, ground.mapping
    amount = representable(refund.amount, currency, f"refund {refund.id}")
    given = sum((line.net + line.tax for line in lines), _ZERO)
    rest = amount - given
    if not rest:
        return []
    limit = mapping.rounding.limit(currency)
    if abs(rest) <= limit and any(line.net or line.taxes for line in lines):
        return [rounding_line(rest, ground.sale.rounding_account)]
    if rest < 0:
        detail = f"the lines of refund {refund.id} come to {given} {currency}, but {amount} was paid back"
        raise Held(HoldReason.DOES_NOT_BALANCE, f"{detail}; at most {limit} may differ")
    if mapping.refunds.amount_only == "clearing":
        return [_cleared(refund, rest, mapping)]
    return _spread(refund, rest, ground, left)


def _cleared(refund: StoreRefund, rest: Decimal, mapping: Mapping) -> Line:
    return Line(
        kind=LineKind.REFUND,
        description=f"Refund {refund.id} without lines",
        net=rest,
        account=mapping.refunds.clearing_account or "",
    )


def _spread(refund: StoreRefund, rest: Decimal, ground: Ground, left: Left) -> list[Line]:
    currency = ground.sale.currency
    try:
        shares, rounding = spread(left, rest, currency)
    except ValueError:
        raise _exceeds(refund, rest, left.order, currency) from None
    lines: list[Line] = []
    everything = rest == left.order
    for sold in ground.sale.sold:
        share = shares[sold.source]
        taxes = tuple(
            Tax(code=code, amount=amount, basis=share.net, account=left.accounts.get(code, ""))
            for code, amount in share.taxes.items()
            if amount
        )
        back = Back(net=share.net, taxes=taxes, quantity=_ZERO, rest=everything)
        made = _of_sold(sold, back, ground, left)
        lines += made if any(line.net or line.taxes for line in made) else []
    return [*lines, rounding_line(rounding, ground.sale.rounding_account)] if rounding else lines


def _exceeds(refund: StoreRefund, amount: Decimal, left: Decimal, currency: str) -> Held:
    detail = f"refund {refund.id} of {amount} {currency} is more than the {left} left of the order"
    return Held(HoldReason.CREDIT_EXCEEDS_INVOICE, detail)
