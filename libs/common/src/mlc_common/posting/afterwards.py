"""What is done once a document is in the books, or a person has settled it: adjust, leave, resolve.

Nothing that is posted is ever edited. What the difference is, ``adjusting`` says; this writes the rows. A person's word
is recorded with who and why, and counts for what the engine cannot see; it never makes anything be sent twice.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Self

from mlc_common.accounting import CreditNote, HoldReason, Line
from mlc_common.errors import Held
from mlc_common.events import DocumentWish, HeldWish, ResolvedWish, Withdrawn
from mlc_common.posting import adjusting
from mlc_common.posting.gateway import BillingDocument
from mlc_common.posting.ledger import DocumentRow, State, Step
from mlc_common.posting.writing import RowWriting

BY_HAND = "by_hand"
"""Among a row's ids in the ERP: how a person settled it."""


class Afterwards(RowWriting, ABC):
    """One row whose document is posted, or resolved by a person."""

    # -- a wish for something that is already in the books

    async def _after_posting(self, posted: BillingDocument) -> None:
        wish = self._row.wish
        if isinstance(wish, HeldWish):
            raise Held(wish.reason, wish.detail, fix=wish.fix)
        if self._row.newest.released and not await self._adjustments_stand():
            return None
        lines = adjusting.owed(self._row, self._rows, wish)
        pending = adjusting.pending(self._row, self._rows)
        if lines:
            self._may_adjust(posted, lines)
            if pending is None:
                await self._engine.ledger.open_adjustment(
                    self._lease, self._row, adjusting.next_key(self._row, self._rows)
                )
            elif pending.state is State.HELD or pending.is_final:
                # The command it was made for never gets newer.
                await self._beside(pending)._record(Step(State.INTENDED, "wanted again"), pursued_seq=0, settled_seq=0)
            return await self._close(State.WITHDRAWN if isinstance(wish, Withdrawn) else State.ADJUSTED)
        if pending is not None and not pending.is_final:
            beside = self._beside(pending)
            if pending.sent:
                return await beside._give_up()
            await beside._close(State.WITHDRAWN)
        if not await self._compares_again(posted):
            return None
        return await self._close(State.WITHDRAWN if isinstance(wish, Withdrawn) else State.UNCHANGED)

    async def _compares_again(self, posted: BillingDocument) -> bool:
        """Compare with the books what is held after it was posted.

        Returns:
            Whether it is there; else it is looked for from now on.

        Raises:
            Held: the books still differ.
        """
        by_hand = self._row.erp_ids.get(BY_HAND) == "posted"  # under a name that we may not know
        return self._row.state is not State.HELD or by_hand or await self._stands_as(posted)

    async def _adjustments_stand(self) -> bool:
        """The same for what adjusted it: only its document can be released, and what is owed rests on it."""
        differing = adjusting.differing(self._row, self._rows)
        if differing is None or differing.posted is None:
            return True
        beside = self._beside(differing)
        if not await beside._stands_as(differing.posted):
            return False
        seq = differing.newest.seq
        await beside._record(Step(State.VERIFIED, "equal"), intent="clear", settled_seq=seq, attempts=0)
        return True

    async def _stands_as(self, posted: BillingDocument) -> bool:
        _, plan = self._pursued()
        if await self._gateway.find(posted, plan):
            await self._gateway.verify(posted, plan)
            return True
        await self._record(Step(State.UNKNOWN, "not in the books any more"), intent="set", absent_looks=0)
        return False

    def _may_be_posted_again(self) -> bool:
        """Whether a person has asked for what was posted and is gone from the ERP, and nothing rests on it."""
        if any(other.posted is not None for other in adjusting.adjustments_of(self._row, self._rows)):
            return False
        newest = adjusting.base_of(self._row, self._rows).newest
        absent = isinstance(newest.wish, ResolvedWish) and newest.wish.found == "absent"
        return absent or (newest.released and newest.seq > self._row.pursued_seq)

    def _ids_of_ours(self, ids: Mapping[str, str]) -> dict[str, str]:
        """The ids of what we posted ourselves, whatever a person had settled before."""
        return {name: value for name, value in {**self._row.erp_ids, **ids}.items() if name != BY_HAND}

    def _may_adjust(self, posted: BillingDocument, lines: tuple[Line, ...]) -> None:
        """Hold what the mapping does not let us adjust. A cancelled order's credit is always ours to make.

        Raises:
            Held: ``changed_after_posting``.
        """
        wish = self._row.wish
        cancelled = isinstance(wish, Withdrawn) and not isinstance(posted, CreditNote)
        if self._row.newest.adjusting != "hold" or cancelled:
            return
        if isinstance(wish, Withdrawn):
            raise Held(HoldReason.CHANGED_AFTER_POSTING, f"Refund of {posted.number} is gone from the store.")
        assert isinstance(wish, DocumentWish)
        stands = adjusting.gross_of(self._row, self._rows)
        raise Held(
            HoldReason.CHANGED_AFTER_POSTING,
            f"{posted.number} is posted with {stands} {posted.currency}; "
            f"the store now says {wish.document.total} {wish.document.currency}.",
        )

    def _beside(self, row: DocumentRow) -> Self:
        return type(self)(self._engine, self._lease, self._rows, row)

    async def _give_up(self) -> None:
        """What was pursued is not wanted any more: look what there is of it in the ERP, and remove it."""
        await self._record(Step(State.UNKNOWN, "not wanted any more"), pursued_seq=0)

    # -- a person's word

    async def _resolve(self, wish: ResolvedWish) -> None:
        """Take a person's word for what the engine could not settle."""
        row = self._row
        pending = adjusting.pending(row, self._rows) if row.posted is not None else None
        pending = None if pending is None or pending.is_final else pending
        if held := adjusting.differing(row, self._rows) or pending:
            return await self._resolve_adjustment(wish, held)
        if wish.found == "absent":
            return await self._arrived_never()
        if wish.found == "closed":
            return await self._resolved_as_nothing()
        if row.posted is None:
            return await self._resolved(self._booked_by_hand())
        if row.before is not None and adjusting.owed(row, self._rows, row.before):
            key = adjusting.next_key(row, self._rows)
            return await self._engine.ledger.open_adjustment(self._lease, row, key)  # the next turn resolves it
        return await self._close(State.RESOLVED)

    async def _resolve_adjustment(self, wish: ResolvedWish, pending: DocumentRow) -> None:
        beside = self._beside(pending)
        if pending.posted is not None and wish.found == "absent":
            await beside._record(Step(State.UNKNOWN, "resolved: absent"), intent="set", absent_looks=0)
            return await self._close(State.ADJUSTED)
        if pending.posted is not None:
            await beside._resolved(pending.posted if wish.found == "posted" else None)
            return await self._close(State.RESOLVED)
        if wish.found == "absent":
            await beside._record(
                Step(State.INTENDED, "resolved: absent"), intent="clear", absent_looks=0, pursued_seq=0, settled_seq=0
            )
            return await self._close(State.ADJUSTED)
        if wish.found == "posted":
            made = pending.pursued if pending.is_outstanding else None
            made = made or adjusting.adjustment(pending, self._rows, self._gateway.limits)
            await beside._resolved(made)
        elif pending.sent:  # whatever a person says: a draft of ours must not stay behind
            return await beside._give_up() if pending.state is State.HELD else await beside._settle()
        else:
            await beside._close(State.RESOLVED)
        return await self._close(State.RESOLVED)

    async def _arrived_never(self) -> None:
        """What was sent is not in the ERP, a person says: it is looked for once more, and sent."""
        if self._row.state is State.UNKNOWN and not self._row.pursued_seq:  # given up, perhaps for another reference
            return await self._settle()
        seq = self._row.newest.seq
        if self._row.posted is not None and not adjusting.owed(self._row, self._rows, self._row.wish):
            step = Step(State.UNKNOWN, "resolved: absent")
            return await self._record(step, intent="set", absent_looks=0, pursued_seq=seq)
        step = Step(State.INTENDED, "resolved: absent")
        return await self._record(step, intent="clear", absent_looks=0, pursued_seq=seq)

    async def _resolved_as_nothing(self) -> None:
        if self._row.posted is not None:
            return await self._resolved(self._row.posted)
        if self._row.state is State.HELD and (self._row.sent or self._row.is_outstanding):
            return await self._give_up()
        if self._row.is_outstanding:
            return await self._settle()
        if self._row.sent:
            return await self._give_up()
        return await self._resolved(None)

    def _booked_by_hand(self) -> BillingDocument | None:
        """What stands in the books by a person's word; None where we never knew what it should be."""
        if isinstance(self._row.before, DocumentWish):
            return self._row.before.document
        return self._row.pursued if self._row.is_outstanding else None

    async def _resolved(self, posted: BillingDocument | None) -> None:
        wish, seq = self._row.newest.wish, self._row.newest.seq
        ids = dict(self._row.erp_ids)
        if isinstance(wish, ResolvedWish):
            ids[BY_HAND] = wish.found
        await self._record(
            Step(State.RESOLVED),
            intent="clear",
            posted=posted,
            erp_ids=ids,
            settled_seq=seq,
            pursued_seq=seq,
            attempts=0,
            doubted=(),
        )

    def _not_settled_by_hand(self) -> None:
        """Hold what the store changed after a person had settled it, where we do not know what is in the books.

        Raises:
            Held: unless a person released it since.
        """
        row = self._row
        found = row.erp_ids.get(BY_HAND)
        if found is None or row.posted is not None or row.newest.released or isinstance(row.newest.wish, ResolvedWish):
            return
        if found == "closed" and isinstance(row.wish, Withdrawn):
            return
        raise Held(
            HoldReason.CHANGED_AFTER_POSTING,
            f"A person settled this by hand ({found}), and the store has changed it since.",
            fix="Compare the ERP with the store, then release this hold to post it, or resolve it again.",
        )

    @abstractmethod
    async def _settle(self) -> None:
        """Look once more at what is wanted of the row, after a person or another row changed it."""
