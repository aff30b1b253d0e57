"""What is left of an invoice after its credits: the lines of the credit for an order cancelled after posting. Pure.

Credits that name the store's line reduce that line, and roundings the rounding; what names neither (amount-only refunds
on a clearing account) reduces all lines in proportion, so that invoice = credits + remainder holds to the cent.
"""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal

from mlc_common.accounting.documents import CreditNote, Invoice, Line, LineKind, Tax
from mlc_common.money import allocate

_ZERO = Decimal(0)


def remaining_lines(invoice: Invoice, returned: Sequence[CreditNote]) -> tuple[Line, ...]:
    """The invoice's lines less what the credits ``returned``; empty when nothing is left.

    The sum of the result (net and tax) is exactly ``invoice.total`` less the credits' totals.

    Raises:
        ValueError: the credits exceed the invoice.
    """
    left = invoice.total - sum((credit.total for credit in returned), _ZERO)
    if left < 0:
        raise ValueError(f"credits exceed the invoice by {-left} {invoice.currency}")
    if left == 0:
        return ()
    lines, unlinked = list(invoice.lines), _ZERO
    index = {_link(line): i for i, line in enumerate(lines) if _link(line)}
    for credit in returned:
        for line in credit.lines:
            at = index.get(_link(line)) if _link(line) else None
            if at is None:
                unlinked += line.net + line.tax
            else:
                lines[at] = _less(lines[at], line)
    return tuple(line for line in _spread(lines, unlinked, invoice.currency) if line.net or line.tax)


def _link(line: Line) -> str:
    """What a credit's line returns: the store's line, or the rounding difference; empty where it names nothing."""
    return line.source_line or (line.kind.value if line.kind is LineKind.ROUNDING else "")


def _less(line: Line, credit: Line) -> Line:
    """The line less what a credit returned of it; taxes are matched by code, whatever their number on either side."""
    left: dict[str, Tax] = {}
    for tax in (*line.taxes, *(_negated(tax) for tax in credit.taxes)):
        known = left.get(tax.code)
        left[tax.code] = _plus(known, tax) if known else tax
    taxes = tuple(tax for tax in left.values() if tax.amount or tax.basis)
    quantity = line.quantity - credit.quantity
    return line.model_copy(update={"net": line.net - credit.net, "taxes": taxes, "quantity": quantity})


def _negated(tax: Tax) -> Tax:
    return tax.model_copy(update={"amount": -tax.amount, "basis": -tax.basis})


def _plus(tax: Tax, more: Tax) -> Tax:
    return tax.model_copy(update={"amount": tax.amount + more.amount, "basis": tax.basis + more.basis})


def _spread(lines: list[Line], unlinked: Decimal, currency: str) -> list[Line]:
    """Take ``unlinked`` off all lines and their taxes in proportion to what each still holds."""
    if not unlinked:
        return lines
    amounts = [amount for line in lines for amount in (line.net, *(tax.amount for tax in line.taxes))]
    shares = iter(allocate(unlinked, [max(amount, _ZERO) for amount in amounts], currency))
    reduced = []
    for line in lines:
        net = line.net - next(shares)
        taxes = tuple(tax.model_copy(update={"amount": tax.amount - next(shares), "basis": net}) for tax in line.taxes)
        reduced.append(line.model_copy(update={"net": net, "taxes": taxes}))
    return reduced
