"""What an adjusting document must say: the difference between what is posted and what is wanted. Pure.

A posted document is never edited (architecture §4). What stands in the books for a document is the sum of it and of all
that adjusted it, line by line; the difference to what is wanted now is posted as a document of its own. However many
changes follow each other, posted and differences together are what is wanted, to the cent.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from decimal import Decimal

from mlc_common.accounting.documents import CreditNote, Invoice, Line
from mlc_common.accounting.lines import is_empty, link, negated, plus, summed


def standing(documents: Iterable[Invoice | CreditNote], *, of: str) -> tuple[Line, ...]:
    """What documents amount to together, line by line; nothing where they cancel each other out.

    Args:
        documents: A document and what adjusted it.
        of: ``invoice`` or ``credit_note``: the type whose lines count as positive.
    """
    lines = [line if document.type == of else negated(line) for document in documents for line in document.lines]
    return tuple(line for line in summed(lines, by_booking=True).values() if not is_empty(line))


def difference(posted: Sequence[Line], wanted: Sequence[Line], *, rebook: bool = False) -> tuple[Line, ...]:
    """Lines that, added to those posted, give those wanted; empty when the money (and the booking) is the same.

    Money that a line gains or loses goes where the wanted line is booked, or where the posted one is if it is gone.
    Money that stays is left where it was booked, unless ``rebook``: then it is taken back there, and booked anew.
    The sum of net and tax is exactly that of the wanted lines less that of the posted ones.
    """
    wanted_links = Counter(link(line) for line in wanted)
    apart = rebook or any(count > 1 for count in wanted_links.values())
    before, after = summed(posted, by_booking=apart), summed(wanted, by_booking=apart)
    made = []
    for key in [*after, *(key for key in before if key not in after)]:
        line = after.get(key)
        line = plus(line, negated(before[key])) if line and key in before else line or negated(before[key])
        if not is_empty(line):
            taxes = tuple(tax for tax in line.taxes if tax.amount)
            made.append(line.model_copy(update={"quantity": line.quantity or Decimal(1), "taxes": taxes}))
    return tuple(made)
