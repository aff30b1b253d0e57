"""What we recorded of orders, folded to what explains: one word for the sale and one for each refund. Pure but for the
look into the ledger. Rows that adjust a document speak for that document.
"""

from __future__ import annotations

from collections.abc import Mapping
from uuid import UUID

from mlc_common.accounting import document_key
from mlc_common.events import order_subject
from mlc_common.reconciling import SaleFact
from mlc_common.store import reconciling as store
from mlc_common.store.pool import Pool
from mlc_common.store.reconciling import LedgerOrder, LedgerRow
from mlc_reconciler.evidence import SALE, Piece, Recorded

_URGENCY = {"held": 0, "waiting": 1, "resolved": 2, "settled": 3}
"""Where several rows speak for one piece, the first of these is what explains it."""


class Ledger:
    """Explains the orders of one flow.

    Args:
        pool: The tenant's database.
        flow: The flow.
        connection: Its store.
    """

    def __init__(self, pool: Pool, flow: str, connection: str) -> None:
        self._pool = pool
        self._flow = flow
        self._connection = connection

    async def of(self, orders: Mapping[str, SaleFact | None]) -> dict[str, Recorded]:
        """What is recorded of these orders, each by its id."""
        keys = {order_subject(self._connection, order): order for order in orders}
        found = await store.recorded(self._pool, self._flow, list(keys))
        return {keys[key]: fold(self._flow, keys[key], orders[keys[key]], each) for key, each in found.items()}


def fold(flow: str, order: str, sale: SaleFact | None, ledger: LedgerOrder) -> Recorded:
    """One order's rows as pieces."""
    names = {document_key(flow, "invoice", order): SALE}
    if sale is not None:
        names |= {document_key(flow, "credit_note", refund.id): refund.id for refund in sale.refunds}
    by_key = {row.key: row for row in ledger.rows}
    pieces: dict[str, Piece] = {}
    for row in ledger.rows:
        base = _base(row, by_key)
        name = names.get(base.key, base.refund)
        piece, known = _piece(row, base), pieces.get(name)
        if (
            known is None
            or _URGENCY[piece.state] < _URGENCY[known.state]
            or (piece.state == known.state and piece.since > known.since)
        ):
            pieces[name] = piece
    return Recorded(pieces=pieces, queued=ledger.queued)


def _base(row: LedgerRow, by_key: Mapping[UUID, LedgerRow]) -> LedgerRow:
    """The document that a row is about: its own, or the one that it corrects."""
    for _ in by_key:
        if row.adjusts is None or row.adjusts not in by_key:
            break
        row = by_key[row.adjusts]
    return row


def _piece(row: LedgerRow, base: LedgerRow) -> Piece:
    wanted = base.wish != "withdrawn"
    if row.state == "held":
        return Piece(state="held", since=row.since, reason=row.reason, detail=row.detail, fix=row.fix, wanted=wanted)
    if row.unfinished:
        return Piece(state="waiting", since=row.since, wanted=wanted)
    if row.wish == "resolved":
        return Piece(state="resolved", since=row.since, by=row.by, why=row.why, wanted=wanted)
    return Piece(state="settled", since=row.since, wanted=wanted)
