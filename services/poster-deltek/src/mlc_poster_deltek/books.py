"""What Vantagepoint holds under our key: the file in transaction entry, and what stands in the ledger (facts §11).

Flags alone prove nothing: a posting run that was interrupted leaves rows in the ledger and the file unposted, and some
tenants let a second file of a posted one's name in. So whatever was not made a moment ago is looked for in both.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial

from mlc_common.accounting import CreditNote, HoldReason
from mlc_common.clock import Clock
from mlc_common.errors import Held, Unseen
from mlc_common.posting.gateway import BillingDocument, Found, Plan
from mlc_poster_deltek.files import (
    entries_difference,
    file_of,
    ledger_difference,
    lines_are_whole,
    lines_difference,
    rows_are_whole,
)
from mlc_vendors.deltek import DeltekClient
from mlc_vendors.deltek.models import ControlRow, LedgerRow

_MADE_S = 5.0


class Books:
    """Looks for documents of one tenant."""

    def __init__(self, client: DeltekClient, clock: Clock) -> None:
        self._client = client
        self._clock = clock
        self._made: dict[str, tuple[float, ControlRow]] = {}
        self._entries_are_kept = False

    def made(self, plan: Plan, row: ControlRow) -> None:
        """The tenant said that it stored the file, with this header: the next look counts it again by its lines."""
        self._made[plan.reference] = (self._clock.monotonic(), row)

    async def look(self, document: BillingDocument, plan: Plan) -> Sequence[Found]:
        """Everything under the plan's key, read whole."""
        at, header = self._made.pop(plan.reference, (0.0, None))
        if header is not None and self._clock.monotonic() - at < _MADE_S:
            found = await self._recounted(document, plan, header)
            if found.equal:
                return [found]
        return await self._everything(document, plan)

    async def verify(self, document: BillingDocument, plan: Plan) -> Mapping[str, str]:
        """Compare the ledger with the document; the ids as stored.

        Raises:
            Held: they differ.
            Unseen: the ledger does not show it yet.
        """
        rows = await self._rows(document, plan)
        if not rows:
            raise Unseen(f"{plan.reference} is posted and not in the ledger yet")
        found = _in_the_books(document, plan, rows)
        if not found.equal:
            raise Held(HoldReason.AMOUNTS_DIFFER_FROM_ERP, f"{plan.reference}: {found.difference}")
        return found.ids

    async def is_untouched(self, plan: Plan) -> bool:
        """Whether the file still waits to be posted and nothing of it is in the ledger."""
        control = await self._client.get_control(plan.reference)
        return control is not None and not control.posted and not await self._client.ledger_rows(plan.reference)

    async def _everything(self, document: BillingDocument, plan: Plan) -> Sequence[Found]:
        control = await self._client.get_control(plan.reference)
        rows = await self._rows(document, plan)
        books = [_in_the_books(document, plan, rows)] if rows else []
        draft = None if control is None or control.posted else await self._draft(document, plan, control)
        if books:
            # A whole posting makes an unposted file superfluous; of a partial one, a person decides what becomes of it.
            return [*books, draft] if draft is not None and books[0].equal else books
        if draft is not None:
            return [draft, *await self._foreign(document, plan)]
        if control is not None:
            raise Unseen(f"{plan.reference} says it is posted, and the ledger does not show it yet")
        return await self._foreign(document, plan)

    async def _recounted(self, document: BillingDocument, plan: Plan, header: ControlRow) -> Found:
        """The file that was stored a moment ago, by its lines; its entry is read until one was kept as it was sent."""
        file = file_of(document, plan)
        sign = self._client.contract.transactions.signs.invoice_line_raises_ar
        details = await self._client.get_details(
            plan.reference, whole=lambda rows: lines_are_whole(file, header, rows, sign)
        )
        differs = lines_difference(file, header, details)
        if not differs and not self._entries_are_kept:
            differs = entries_difference(file, await self._client.get_entries(plan.reference))
            self._entries_are_kept = not differs
        return _found_draft(plan, differs, ours=True)

    async def _draft(self, document: BillingDocument, plan: Plan, control: ControlRow) -> Found | None:
        """The unposted file as it is; None where all of its entries say that they are posted."""
        file = file_of(document, plan)
        entries = await self._client.get_entries(plan.reference)
        if entries and all(entry.posted for entry in entries):
            return None
        details = await self._client.get_details(plan.reference)
        parts = (lines_difference(file, control, details), entries_difference(file, entries))
        ours = not control.has_header or control.creator == self._client.contract.transactions.creator
        return _found_draft(plan, "; ".join(filter(None, parts)), ours=ours)

    async def _rows(self, document: BillingDocument, plan: Plan) -> Sequence[LedgerRow]:
        whole = partial(rows_are_whole, file_of(document, plan))
        return await self._client.ledger_rows(plan.reference, whole=whole)

    async def _foreign(self, document: BillingDocument, plan: Plan) -> Sequence[Found]:
        """A second posting with our project and number would join a foreign invoice silently (facts §1.2).

        Asked of the ledger and not of the AR review: that one may leave out what is settled.
        """
        if isinstance(document, CreditNote):
            return []
        project, number = plan.resolved["project"], plan.resolved["invoice"]
        rows = await self._client.ledger_rows_of_invoice(project, number)
        batches = sorted({row.batch for row in rows if row.batch != plan.reference})
        if not batches:
            return []
        why = f"invoice {number} of project {project} exists, posted by {', '.join(batches[:3])}"
        return [Found("posted", ours=False, equal=False, difference=why, handle=number)]


def _in_the_books(document: BillingDocument, plan: Plan, rows: Sequence[LedgerRow]) -> Found:
    differs = ledger_difference(file_of(document, plan), rows)
    ids = {**_ids(plan), "period": str(rows[0].period), "post_seq": str(rows[0].post_seq)}
    return Found("posted", ours=True, equal=not differs, difference=differs, handle=plan.reference, ids=ids)


def _found_draft(plan: Plan, differs: str, *, ours: bool) -> Found:
    return Found("draft", ours=ours, equal=not differs, difference=differs, handle=plan.reference, ids=_ids(plan))


def _ids(plan: Plan) -> dict[str, str]:
    return {"batch": plan.reference, "invoice": plan.resolved["invoice"], "project": plan.resolved["project"]}
