"""An order taken apart: the sale, each refund, and documents that belong to neither; with what the books should hold.

Pure. Where a rule leaves the sale out, whatever was posted for it before and taken back since counts together: the
books should hold nothing of it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Literal

from mlc_common.reconciling import BookFact, SaleFact
from mlc_reconciler.evidence import SALE, Rule, Ruling

_ZERO = Decimal(0)


@dataclass(frozen=True, kw_only=True)
class Part:
    """One thing that must be accounted for.

    Attributes:
        kind: A ``document`` part has no sale: its refund is gone, or somebody else posted it.
        id: The store's id, or the document's reference.
        key: What the ledger calls it: ``SALE`` or a refund's id.
        store: What the store says, signed.
        rule: By which it should not be in the books.
        books: What is posted for it.
        currency: The order's.
    """

    kind: Literal["order", "refund", "document"]
    id: str
    key: str
    store: Decimal
    rule: Rule | None = None
    books: tuple[BookFact, ...] = ()
    currency: str

    @property
    def expected(self) -> Decimal:
        """What the books should say."""
        return _ZERO if self.rule else self.store

    @property
    def found(self) -> Decimal:
        """What they say."""
        return sum((one.amount for one in self.books), _ZERO)

    @property
    def delta(self) -> Decimal:
        """How much too much; negative = too little."""
        return self.found - self.expected

    @property
    def in_other_currency(self) -> tuple[BookFact, ...]:
        """Documents in another currency than the order's; an ERP with one currency may name none."""
        return tuple(one for one in self.books if one.currency and one.currency != self.currency)

    @property
    def is_off(self) -> bool:
        """Whether it is not as it should be."""
        return bool(self.delta or self.in_other_currency)


def parts_of(sale: SaleFact, ruling: Ruling, books: Sequence[BookFact]) -> list[Part]:
    """The order's parts: the sale first, its refunds, then documents that belong to neither."""
    of_refunds: dict[str, list[BookFact]] = {}
    of_sale: list[BookFact] = []
    strays: list[BookFact] = []
    for one in books:
        if not one.ours:
            strays.append(one)
        elif one.refund:
            of_refunds.setdefault(one.refund, []).append(one)
        else:
            of_sale.append(one)
    places = {one.place for one in books if one.ours}
    strays = [one for one in strays if not places or one.place in places]  # elsewhere they join no document of ours
    parts = []
    for refund in sale.refunds:
        rule = ruling.refunds.get(refund.id) or (None if refund.amount else Rule("zero_amount"))
        posted = of_refunds.pop(refund.id, [])
        if ruling.sale and rule:
            of_sale, posted = [*of_sale, *posted], []
        parts.append(
            Part(
                kind="refund",
                id=refund.id,
                key=refund.id,
                store=-refund.amount,
                rule=rule,
                books=tuple(posted),
                currency=sale.currency,
            )
        )
    if ruling.sale:  # credits of refunds that are gone, too: with the sale they should come to nothing
        of_sale += [one for posted in of_refunds.values() for one in posted]
        of_refunds = {}
    others = [(key, tuple(posted)) for key, posted in of_refunds.items()] + [(SALE, (one,)) for one in strays]
    first = Part(
        kind="order",
        id=sale.id,
        key=SALE,
        store=sale.total,
        rule=ruling.sale,
        books=tuple(of_sale),
        currency=sale.currency,
    )
    return [first, *parts, *(_unsold(key, posted, sale.currency) for key, posted in others)]


def _unsold(key: str, books: tuple[BookFact, ...], currency: str) -> Part:
    """Documents of the order that no sale of it explains."""
    return Part(kind="document", id=books[0].reference, key=key, store=_ZERO, books=books, currency=currency)


def is_balanced(parts: Sequence[Part]) -> bool:
    """Whether the order is right as a whole: part by part, or because documents were posted to make it right.

    A cancellation takes back what refunds did not; an adjustment, ours or a person's, may correct several at once.
    """
    if any(part.in_other_currency for part in parts):
        return False
    if not any(part.delta for part in parts):
        return True
    corrected = any(one.derived or not one.ours for part in parts for one in part.books)
    return corrected and sum((part.delta for part in parts), _ZERO) == 0
