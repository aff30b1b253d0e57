"""What is left of an invoice after its credits: the lines of the credit for an order cancelled after posting. Pure.

Credits that name the store's line reduce that line, and roundings the rounding; what names neither (amount-only refunds
on a clearing account) reduces all lines in proportion, so that invoice = credits + remainder holds to the cent.
"""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal

from mlc_common.accounting.documents import Line, LineKind
from mlc_common.accounting.lines import gross, is_empty, negated, plus
from mlc_common.money import allocate

_ZERO = Decimal(0)


def remaining_lines(invoiced: Sequence[Line], returned: Sequence[Line], currency: str) -> tuple[Line, ...]:
    """The lines that were invoiced less those ``returned``; empty when nothing is left.

    The sum of the result (net and tax) is exactly that of what was invoiced less that of what was returned.

    Raises:
        ValueError: more was returned than invoiced.
    """
    left = gross(invoiced) - gross(returned)
    if left < 0:
        raise ValueError(f"credits exceed the invoice by {-left} {currency}")
    if left == 0:
        return ()
    lines, unlinked = list(invoiced), _ZERO
    index = {_named(line): i for i, line in enumerate(lines) if _named(line)}
    for line in returned:
        at = index.get(_named(line)) if _named(line) else None
        if at is None:
            unlinked += line.net + line.tax
        else:
            lines[at] = plus(lines[at], negated(line))
    return tuple(line for line in _spread(lines, unlinked, currency) if not is_empty(line))


def _named(line: Line) -> str:
    """What a credit's line returns: the store's line, or the rounding difference; empty where it names nothing."""
    return line.source_line or (line.kind.value if line.kind is LineKind.ROUNDING else "")


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
