"""Arithmetic of document lines: adding, negating, and what a line stands for. Pure.

Lines are added where they stand for the same thing of the store; taxes within them by their code. Sums are exact: what
is added here is neither rounded nor dropped.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from decimal import Decimal

from mlc_common.accounting.documents import Line, Tax

_ZERO = Decimal(0)

Booking = tuple[str, str, str, str]
"""Where a line goes in the books: kind, account, phase, task."""


def link(line: Line) -> str:
    """What of the store a line stands for: its line there, else its kind (as in ``source_digest``)."""
    return line.source_line or line.kind.value


def booking(line: Line) -> Booking:
    """Where a line goes in the books."""
    return (line.kind.value, line.account, line.phase, line.task)


def gross(lines: Iterable[Line]) -> Decimal:
    """Net and tax of all lines."""
    return sum((line.net + line.tax for line in lines), _ZERO)


def is_empty(line: Line) -> bool:
    """Whether the line books nothing."""
    return not line.net and not any(tax.amount for tax in line.taxes)


def negated(line: Line) -> Line:
    """The line with the direction of its money turned round."""
    taxes = tuple(tax.model_copy(update={"amount": -tax.amount, "basis": -tax.basis}) for tax in line.taxes)
    return line.model_copy(update={"net": -line.net, "quantity": -line.quantity, "taxes": taxes})


def plus(line: Line, other: Line) -> Line:
    """The line with another one's quantity, net and taxes added; it stays booked where it is.

    Taxes of one code are added to the first of that code, wherever its account is.
    """
    taxes: dict[str, Tax] = {}
    for tax in (*line.taxes, *other.taxes):
        known = taxes.get(tax.code)
        taxes[tax.code] = _plus(known, tax) if known else tax
    kept = tuple(tax for tax in taxes.values() if tax.amount or tax.basis)
    return line.model_copy(
        update={"net": line.net + other.net, "quantity": line.quantity + other.quantity, "taxes": kept}
    )


def summed(lines: Sequence[Line], *, by_booking: bool) -> dict[tuple[str, ...], Line]:
    """Lines added up by what they stand for, and where asked also by where they are booked; the last one's texts."""
    found: dict[tuple[str, ...], Line] = {}
    for line in lines:
        key = _key(line, by_booking)
        found[key] = plus(line, found[key]) if key in found else line
    return found


def _key(line: Line, by_booking: bool) -> tuple[str, ...]:
    """Bookings are told apart with the accounts of the taxes, too: two of one code are two bookings."""
    if not by_booking:
        return (link(line),)
    return (link(line), *booking(line), *sorted(f"{tax.code}@{tax.account}" for tax in line.taxes))


def _plus(tax: Tax, more: Tax) -> Tax:
    return tax.model_copy(update={"amount": tax.amount + more.amount, "basis": tax.basis + more.basis})
