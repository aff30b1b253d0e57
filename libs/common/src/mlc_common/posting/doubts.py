"""What else may have been sent for a document before the database was lost. Pure (architecture §2).

A rebuilt ledger knows every command, and not how far the last of them got. Each may have been sent, under its own
reference: a numbering that changed, a cancellation after a difference. So each is looked for before anything is made.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

from mlc_common.errors import Held
from mlc_common.events import Command, DocumentWish
from mlc_common.posting import adjusting
from mlc_common.posting.gateway import BillingDocument, Limits
from mlc_common.posting.ledger import DocumentRow


def next_doubt(
    row: DocumentRow, rows: Sequence[DocumentRow], limits: Limits, *, under: str = ""
) -> tuple[BillingDocument | None, tuple[Command, ...]]:
    """What is to be looked for next.

    Args:
        row: The document's row.
        rows: All of its order.
        limits: How long its keys may be.
        under: Only what has this reference.

    Returns:
        The first document that one of the doubted commands may have sent, None where there is none; and the commands
        that remain in doubt after it.
    """
    for position, command in enumerate(row.doubted):
        document = _sent_for(command, row, rows, limits)
        if document is not None and document != row.pursued and under in ("", document.reference):
            return document, tuple(row.doubted[:position]) + tuple(row.doubted[position + 1 :])
    return None, tuple(row.doubted)


def besides(row: DocumentRow, rows: Sequence[DocumentRow], limits: Limits, reference: str) -> tuple[Command, ...]:
    """The commands that stay in doubt when nothing is under a reference."""
    sent = ((command, _sent_for(command, row, rows, limits)) for command in row.doubted)
    return tuple(command for command, document in sent if document is not None and document.reference != reference)


def _sent_for(
    command: Command, row: DocumentRow, rows: Sequence[DocumentRow], limits: Limits
) -> BillingDocument | None:
    if row.adjusts is None:
        return command.wish.document if isinstance(command.wish, DocumentWish) else None
    base = dataclasses.replace(adjusting.base_of(row, rows), newest=command, before=None)
    try:
        return adjusting.adjustment(row, [base if other.key == base.key else other for other in rows], limits)
    except Held:  # so it was then, and nothing was sent
        return None
