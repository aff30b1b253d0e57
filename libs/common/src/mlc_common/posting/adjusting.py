"""What follows once a document is in the books: the documents that adjust it. Pure (architecture §4, §5).

A posted document and everything that adjusted it stand together for one key. Where that differs from what is wanted,
the difference is a document of its own, with a row of its own: its content is made from the rows whenever it is
pursued, so that the newest wish decides, and it stays what it was once it is posted.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from uuid import UUID

from mlc_common.accounting import (
    CreditNote,
    HoldReason,
    Invoice,
    Line,
    derived,
    difference,
    document_key,
    gross,
    negated,
    remaining_lines,
    standing,
)
from mlc_common.errors import Held
from mlc_common.events import DocumentWish, ResolvedWish, Wish, Withdrawn
from mlc_common.posting.gateway import BillingDocument, Limits
from mlc_common.posting.ledger import DocumentRow, State


def base_of(row: DocumentRow, rows: Sequence[DocumentRow]) -> DocumentRow:
    """The document that a row adjusts; the row itself where it adjusts none."""
    return row if row.adjusts is None else next(other for other in rows if other.key == row.adjusts)


def adjustments_of(base: DocumentRow, rows: Sequence[DocumentRow]) -> list[DocumentRow]:
    """The rows that adjust a document, posted or not."""
    return [row for row in rows if row.adjusts == base.key]


def pending(base: DocumentRow, rows: Sequence[DocumentRow]) -> DocumentRow | None:
    """The adjustment that is not in the books (yet); there is never more than one."""
    return next((row for row in adjustments_of(base, rows) if row.posted is None), None)


def differing(base: DocumentRow, rows: Sequence[DocumentRow]) -> DocumentRow | None:
    """The adjustment that is held although it was posted: the books say otherwise."""
    held = (row for row in adjustments_of(base, rows) if row.posted is not None and not row.is_final)
    return next((row for row in held if row.state is State.HELD), None)


def next_key(base: DocumentRow, rows: Sequence[DocumentRow]) -> UUID:
    """The key of a document's next adjustment."""
    return document_key(base.flow, "adjustment", str(base.key), _ordinal(base, rows))


def _ordinal(base: DocumentRow, rows: Sequence[DocumentRow]) -> int:
    return 1 + sum(row.posted is not None for row in adjustments_of(base, rows))


def stands(base: DocumentRow, rows: Sequence[DocumentRow]) -> tuple[Line, ...]:
    """What is in the books for a document: itself and what adjusted it, in the document's own direction."""
    if base.posted is None:
        return ()
    others = [row.posted for row in adjustments_of(base, rows) if row.posted is not None]
    return standing([base.posted, *others], of=base.posted.type)


def gross_of(base: DocumentRow, rows: Sequence[DocumentRow]) -> Decimal:
    """What stands in the books for a document, net and tax."""
    return gross(stands(base, rows))


def invoice_key_of(row: DocumentRow, rows: Sequence[DocumentRow]) -> UUID:
    """The key of the invoice that a posted row belongs to."""
    base = base_of(row, rows)
    return base.posted.invoice if isinstance(base.posted, CreditNote) else base.key


def owed(base: DocumentRow, rows: Sequence[DocumentRow], wish: Wish) -> tuple[Line, ...]:
    """What is still to be booked for a posted document so that the books say what the wish says.

    A withdrawn invoice keeps what refunds have returned of it: the rest is owed back.

    Returns:
        Lines in the document's own direction; negative ones take back. Empty when the books are as wanted.

    Raises:
        Held: refunds exceed what stands, or another currency or project is wanted.
    """
    posted = base.posted
    if posted is None or isinstance(wish, ResolvedWish):
        return ()
    books = stands(base, rows)
    if isinstance(wish, DocumentWish):
        rebook = base.newest.adjusting == "rebook"
        _stays_in_place(posted, wish.document, rebook=rebook)
        return difference(books, wish.document.lines, rebook=rebook)
    if not isinstance(wish, Withdrawn):
        return ()
    if isinstance(posted, CreditNote):
        return tuple(negated(line) for line in books)
    returned = [line for row in rows if _is_credit_of(base, row) for line in stands(row, rows)]
    try:
        return tuple(negated(line) for line in remaining_lines(books, returned, posted.currency))
    except ValueError as error:
        raise Held(HoldReason.CREDIT_EXCEEDS_INVOICE, str(error)) from None


def _is_credit_of(invoice: DocumentRow, row: DocumentRow) -> bool:
    return row.adjusts is None and isinstance(row.posted, CreditNote) and row.posted.invoice == invoice.key


def _stays_in_place(posted: BillingDocument, wanted: BillingDocument, *, rebook: bool) -> None:
    if wanted.currency != posted.currency:
        raise Held(
            HoldReason.CHANGED_AFTER_POSTING,
            f"{posted.number} is posted in {posted.currency}; the store now says {wanted.currency}.",
        )
    if rebook and wanted.placement != posted.placement:
        raise Held(
            HoldReason.CHANGED_AFTER_POSTING,
            f"{posted.number} is posted on project {posted.placement.project or 'of the firm'}; the mapping now says "
            f"{wanted.placement.project or 'that of the firm'}.",
            fix="Move it in the ERP by hand and resolve this hold.",
        )


def lags(base: DocumentRow, rows: Sequence[DocumentRow]) -> bool:
    """Whether the books no longer say what a settled wish asked for.

    A cancelled invoice owes what refunds have not returned; a refund that is deleted after it makes that more. An
    adjustment that was given up, and then turned out to be in the books, changes what is owed.
    """
    if base.adjusts is not None or base.posted is None or base.state not in (State.WITHDRAWN, State.ADJUSTED):
        return False
    if any(not row.is_final for row in adjustments_of(base, rows)):
        return False
    if base.state is State.ADJUSTED and pending(base, rows) is not None:
        return False  # its adjustment was made superfluous, not made
    try:
        return bool(owed(base, rows, base.wish))
    except Held:
        return False


def adjustment(row: DocumentRow, rows: Sequence[DocumentRow], limits: Limits) -> BillingDocument | None:
    """The document of an adjusting row as the rows stand now; None when nothing is owed.

    Raises:
        Held: see ``owed``.
    """
    base = base_of(row, rows)
    wish = base.wish
    if isinstance(wish, ResolvedWish) and wish.found == "posted" and base.before is not None:
        wish = base.before  # a person booked the difference: this is what it was
    lines = owed(base, rows, wish)
    return _document(row, base.posted, _Change(base, wish, lines, _ordinal(base, rows)), limits) if lines else None


@dataclass(frozen=True)
class _Change:
    """What is to be booked for a document, and why."""

    base: DocumentRow
    wish: Wish
    lines: tuple[Line, ...]
    ordinal: int

    @property
    def cancelled(self) -> bool:
        """Whether an invoice is taken back because its order was cancelled."""
        return isinstance(self.wish, Withdrawn) and isinstance(self.base.posted, Invoice)

    @property
    def memo(self) -> str:
        """In words for the bookkeeper."""
        if self.cancelled:
            return "Cancelled after posting"
        return "Deleted after posting" if isinstance(self.wish, Withdrawn) else "Changed after posting"

    @property
    def day(self) -> date | None:
        """The store's local date of the change."""
        return (self.wish.date if isinstance(self.wish, Withdrawn) else None) or self.base.newest.on


def _document(row: DocumentRow, posted: BillingDocument | None, change: _Change, limits: Limits) -> BillingDocument:
    assert posted is not None
    lines, total = change.lines, gross(change.lines)
    raises = total > 0 if isinstance(posted, Invoice) else total < 0
    if total < 0 or (total == 0 and isinstance(posted, CreditNote)):
        lines, total = tuple(negated(line) for line in lines), -total
    net = sum((line.net for line in lines), Decimal(0))
    suffix = f"{'X' if change.cancelled else 'A'}{change.ordinal}"
    shared = {
        "key": row.key,
        "flow": row.flow,
        "number": derived(posted.number, suffix, limits.number),
        "reference": derived(posted.reference, f"-{suffix}", limits.reference),
        "date": max(change.day or posted.date, posted.date),
        "currency": posted.currency,
        "sources": posted.sources,
        "memo": f"{change.memo}: {posted.memo}".strip(": "),
        "party": posted.party,
        "placement": posted.placement,
        "lines": lines,
        "net": net,
        "tax": total - net,
        "total": total,
    }
    if raises or total == 0:
        return Invoice.model_validate(shared)
    credits_ = {"invoice": posted.key, "invoice_number": posted.number}
    if isinstance(posted, CreditNote):
        credits_ = {"invoice": posted.invoice, "invoice_number": posted.invoice_number}
    return CreditNote.model_validate({**shared, **credits_, "reason": "cancelled" if change.cancelled else "adjusted"})
