"""The engine's decisions as pure functions: which document, may it be credited, is absence proven, what was found.

No I/O, no clock. Each rule cites architecture §5.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from enum import Enum
from uuid import UUID

from mlc_common.accounting import (
    CreditNote,
    HoldReason,
    Invoice,
    Source,
    derived,
    document_key,
    remaining_lines,
)
from mlc_common.errors import Held
from mlc_common.events import DocumentWish, Withdrawn
from mlc_common.posting.gateway import Found, Limits
from mlc_common.posting.ledger import DocumentRow, State


def choose(rows: Sequence[DocumentRow]) -> DocumentRow | None:
    """The document to work on: the lowest place whose newest command is not final; None when none can be worked on.

    What is outstanding comes first, whatever its place: it must settle before anything of its order is decided. A held
    document blocks those behind it until a newer wish for it arrives.
    """
    for row in rows:
        if row.is_outstanding and row.state is not State.HELD:
            return row
    for row in sorted(rows, key=lambda row: row.place):
        if not row.is_final or _wanted_again(row, rows):
            return None if row.state is State.HELD and row.pursued_seq >= row.newest.seq else row
    return None


def _wanted_again(row: DocumentRow, rows: Sequence[DocumentRow]) -> bool:
    """A credit that vanished with its invoice comes back with it, though its own wish has not changed."""
    wish = row.newest.wish
    if row.state is not State.WITHDRAWN or not isinstance(wish, DocumentWish):
        return False
    if not isinstance(wish.document, CreditNote):
        return False
    invoice = next((other for other in rows if other.key == wish.document.invoice), None)
    return invoice is not None and invoice.posted is not None and invoice.state is not State.WITHDRAWN


class Sight(Enum):
    """What a look showed."""

    ABSENT = "absent"
    EQUAL_DRAFT = "equal draft"
    EQUAL_POSTED = "equal posted"
    OWN_DRAFT_DIFFERS = "own draft differs"
    SURPLUS_DRAFTS = "surplus drafts"
    CONFLICT = "conflict"
    DUPLICATED = "duplicated"


def judge(found: Sequence[Found]) -> Sight:
    """Class what lies under our key. More than one is only harmless when all but one are drafts of ours."""
    if not found:
        return Sight.ABSENT
    if len(found) > 1:
        spare = [item for item in found if item.status == "draft" and item.ours]
        return Sight.SURPLUS_DRAFTS if len(spare) >= len(found) - 1 else Sight.DUPLICATED
    only = found[0]
    if only.equal and only.ours:
        return Sight.EQUAL_POSTED if only.status == "posted" else Sight.EQUAL_DRAFT
    return Sight.OWN_DRAFT_DIFFERS if only.status == "draft" and only.ours else Sight.CONFLICT


def wait_for_absence(intent_age_s: float | None, absent_looks: int, limits: Limits, *, margin_s: float) -> float:
    """Seconds until absence counts as proven, after a look that found nothing; 0 = proven now.

    Nothing outstanding: one look is enough. Otherwise intent time + the margin within which it was sent + request
    timeout + visibility delay must have passed, and two looks must have found nothing (architecture §5.2).
    """
    if intent_age_s is None:
        return 0.0
    rest = margin_s + limits.request_timeout_s + limits.visibility_delay_s - intent_age_s
    if rest > 0:
        return rest
    return 0.0 if absent_looks >= limits.absent_looks else limits.look_gap_s


@dataclass(frozen=True)
class CreditVerdict:
    """Whether a credit may be posted: ``withdrawn`` when its invoice vanished before it was posted."""

    withdrawn: bool


def judge_credit(rows: Sequence[DocumentRow], credit: CreditNote, key: UUID) -> CreditVerdict:
    """Check a credit against its invoice and the credits already posted.

    Raises:
        Held: there is no invoice of ours, or the credits would exceed it.
    """
    invoice = next((row for row in rows if row.key == credit.invoice), None)
    if invoice is None:
        raise Held(HoldReason.NO_INVOICE, f"{credit.number} credits {credit.invoice_number}, which we never posted.")
    if invoice.posted is None:
        if invoice.state is State.WITHDRAWN:
            return CreditVerdict(withdrawn=True)
        raise Held(HoldReason.NO_INVOICE, f"{credit.number} credits {credit.invoice_number}, which is not posted.")
    returned = sum((other.total for other in credits_of(rows, credit.invoice) if other.key != key), Decimal(0))
    if returned + credit.total > invoice.posted.total:
        raise Held(
            HoldReason.CREDIT_EXCEEDS_INVOICE,
            f"{credit.number} of {credit.total} {credit.currency}: {invoice.posted.number} was {invoice.posted.total}, "
            f"of which {returned} is already returned.",
        )
    return CreditVerdict(withdrawn=False)


def credits_of(rows: Sequence[DocumentRow], invoice: UUID) -> list[CreditNote]:
    """Every posted credit of an invoice, cancellations among them."""
    return [row.posted for row in rows if isinstance(row.posted, CreditNote) and row.posted.invoice == invoice]


def reversal_of(invoice: DocumentRow, rows: Sequence[DocumentRow]) -> DocumentRow | None:
    """The credit that cancels a posted invoice; None when there is none, or it was taken back."""
    standing = (row for row in rows if row.reverses == invoice.key and row.state is not State.WITHDRAWN)
    return next(standing, None)


def reversal_key(invoice: DocumentRow) -> UUID:
    """The key of the credit that a cancellation after posting makes; one per ``Withdrawn``."""
    return document_key(invoice.flow, "reversal", str(invoice.key), invoice.newest.seq)


def reversal(row: DocumentRow, rows: Sequence[DocumentRow], limits: Limits) -> CreditNote | None:
    """The credit for what refunds have not yet returned; None when nothing is left to return.

    Raises:
        Held: the refunds already exceed the invoice.
    """
    invoice = next(other.posted for other in rows if other.key == row.reverses)
    if not isinstance(invoice, Invoice):
        raise TypeError("only invoices are reversed")
    try:
        lines = remaining_lines(invoice, [c for c in credits_of(rows, invoice.key) if c.key != row.key])
    except ValueError as error:
        raise Held(HoldReason.CREDIT_EXCEEDS_INVOICE, str(error)) from None
    if not lines:
        return None
    wish = row.newest.wish
    date = wish.date if isinstance(wish, Withdrawn) and wish.date else invoice.date
    net = sum((line.net for line in lines), Decimal(0))
    tax = sum((line.tax for line in lines), Decimal(0))
    suffix = f"X{row.place}"
    return CreditNote(
        key=row.key,
        flow=row.flow,
        number=derived(invoice.number, suffix, limits.number),
        reference=derived(invoice.reference, f"-{suffix}", limits.reference),
        date=max(date, invoice.date),
        currency=invoice.currency,
        sources=tuple(Source(**source.model_dump()) for source in invoice.sources),
        memo=f"Cancelled after posting: {invoice.memo}".strip(": "),
        party=invoice.party,
        placement=invoice.placement,
        lines=lines,
        net=net,
        tax=tax,
        total=net + tax,
        invoice=invoice.key,
        invoice_number=invoice.number,
        reason="cancelled",
    )


def document_of(row: DocumentRow, rows: Sequence[DocumentRow], limits: Limits) -> Invoice | CreditNote | None:
    """The document that the row's newest wish asks for; None when it asks for none."""
    if row.reverses is not None:
        return reversal(row, rows, limits)
    return row.newest.wish.document if isinstance(row.newest.wish, DocumentWish) else None
