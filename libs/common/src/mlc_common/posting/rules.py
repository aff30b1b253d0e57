"""The engine's decisions as pure functions: which document, may it be credited, is absence proven, what was found.

No I/O, no clock. Each rule cites architecture §5.
"""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from enum import Enum
from uuid import UUID

from mlc_common.accounting import CreditNote, HoldReason, Invoice
from mlc_common.errors import Held
from mlc_common.events import DocumentWish
from mlc_common.posting import adjusting
from mlc_common.posting.gateway import Found, Limits
from mlc_common.posting.ledger import DocumentRow, State


def choose(rows: Sequence[DocumentRow]) -> DocumentRow | None:
    """The document to work on: the lowest place whose newest command is not final; None when none can be worked on.

    What is outstanding comes first, whatever its place: it must settle before anything of its order is decided. A held
    document blocks those behind it until a newer wish for it arrives.
    """
    for row in rows:
        if (row.is_outstanding or row.is_doubted) and row.state is not State.HELD:
            return row
    for row in sorted(rows, key=lambda row: _turn(row, rows)):
        if not row.is_final or _wanted_again(row, rows) or adjusting.lags(row, rows):
            return None if row.state is State.HELD and row.pursued_seq >= row.newest.seq else row
    return None


def _turn(row: DocumentRow, rows: Sequence[DocumentRow]) -> tuple[int, int]:
    """When a row's turn is: at its place; a new credit after what its invoice is to become, though that came later."""
    invoice = _credited(row, rows) if row.posted is None else None
    if invoice is not None and isinstance(invoice.wish, DocumentWish):
        changes = [other.place for other in adjusting.adjustments_of(invoice, rows) if not other.is_final]
        return max([row.place, *changes]), 1
    return row.place, 0


def _credited(row: DocumentRow, rows: Sequence[DocumentRow]) -> DocumentRow | None:
    """The invoice that a row's wish is to credit; None where it is no credit, or has none of ours."""
    wish = row.wish
    if row.adjusts is not None or not isinstance(wish, DocumentWish) or not isinstance(wish.document, CreditNote):
        return None
    return next((other for other in rows if other.key == wish.document.invoice), None)


def _wanted_again(row: DocumentRow, rows: Sequence[DocumentRow]) -> bool:
    """A credit that vanished with its invoice comes back with it, though its own wish has not changed."""
    if row.state is not State.WITHDRAWN or row.posted is not None:
        return False
    invoice = _credited(row, rows)
    if invoice is None or invoice.posted is None or invoice.state is State.WITHDRAWN:
        return False
    return all(adjustment.is_final for adjustment in adjusting.adjustments_of(invoice, rows))


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


def judge_credit(rows: Sequence[DocumentRow], credit: CreditNote, key: UUID) -> str:
    """Check a credit against its invoice and the credits already posted.

    Returns:
        Why it is not to be posted after all: its invoice vanished before it was posted, or was credited whole when its
        order was cancelled. Empty: it may be posted.

    Raises:
        Held: there is no invoice of ours, or the credits would exceed it.
    """
    invoice = next((row for row in rows if row.key == credit.invoice), None)
    if invoice is None:
        raise Held(HoldReason.NO_INVOICE, f"{credit.number} credits {credit.invoice_number}, which we never posted.")
    if invoice.posted is None:
        if invoice.state is State.WITHDRAWN:
            return "its invoice is withdrawn"
        raise Held(HoldReason.NO_INVOICE, f"{credit.number} credits {credit.invoice_number}, which is not posted.")
    booked = [(adjusting.invoice_key_of(row, rows), row.posted) for row in rows if row.posted and row.key != key]
    ours = [document for of, document in booked if of == credit.invoice]
    invoiced = sum((one.total for one in ours if isinstance(one, Invoice)), Decimal(0))
    returned = sum((one.total for one in ours if isinstance(one, CreditNote)), Decimal(0))
    if returned + credit.total > invoiced:
        if invoice.state is State.WITHDRAWN:
            return "returned by the cancellation"
        raise Held(
            HoldReason.CREDIT_EXCEEDS_INVOICE,
            f"{credit.number} of {credit.total} {credit.currency}: {invoice.posted.number} was {invoiced}, "
            f"of which {returned} is already returned.",
        )
    return ""


def document_of(row: DocumentRow, rows: Sequence[DocumentRow], limits: Limits) -> Invoice | CreditNote | None:
    """The document that is to be brought into the ERP for the row; None when there is to be none."""
    if row.adjusts is not None:
        return adjusting.adjustment(row, rows, limits)
    return row.wish.document if isinstance(row.wish, DocumentWish) else None
