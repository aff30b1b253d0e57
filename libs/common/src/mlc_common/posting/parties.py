"""Finds or makes the firm of a buyer, once, however many first orders arrive together (architecture §5.6).

A party has its own ledger row and lease. It is made only where the ERP can carry and find our key; a name alone never
identifies anybody. The same absence rule as for documents guards against a create whose answer was lost.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from mlc_common import crash
from mlc_common.accounting import HoldReason, Party
from mlc_common.clock import Clock
from mlc_common.errors import Held, Rejected, Retryable, Unconfirmed
from mlc_common.posting import rules
from mlc_common.posting.gateway import ErpGateway
from mlc_common.posting.ledger import IntentChange, Ledger, PartyRow

_LEASE_S = 180.0
_BUSY_S = 0.3


@dataclass(frozen=True)
class Parties:
    """Finds or makes firms for one ERP connection."""

    ledger: Ledger
    gateway: ErpGateway
    clock: Clock
    owner: str
    margin_s: float

    async def find_or_make(self, flow: str, party: Party) -> str:
        """The ERP id of the party's firm; empty when the mapping asks for no firm.

        Raises:
            Held: several firms fit, or none does and none may be made.
            Retryable: another worker is at this party, or its outcome is not known yet.
        """
        if party.firm:
            return party.firm
        if not party.match and not party.create:
            return ""
        row = await self.ledger.party(flow, party)
        if row.state == "ready":
            return row.erp_id
        fencing = await self.ledger.lease_party(party.key, self.owner, _LEASE_S)
        if fencing is None:
            raise Retryable("another order of this buyer is making the firm", after=_BUSY_S)
        try:
            row = await self.ledger.party(flow, party)
            return row.erp_id if row.state == "ready" else await self._settle(party, row, fencing)
        finally:
            await self.ledger.release_party(party.key, self.owner, fencing)

    async def _settle(self, party: Party, row: PartyRow, fencing: int) -> str:
        erp_id = _one(await self.gateway.find_party(party), party)
        if not erp_id:
            if not party.create:
                raise Held(HoldReason.PARTY_MISSING, f"No firm carries {party.external_key}.")
            if not await self.gateway.can_create_party():
                raise Held(
                    HoldReason.PARTY_MISSING, f"No firm carries {party.external_key}; firms cannot carry our key."
                )
            row, erp_id = await self._make(party, await self._absent(row, fencing), fencing)
        await self._record(row, fencing, state="ready", erp_id=erp_id, intent="clear")
        return erp_id

    async def _make(self, party: Party, row: PartyRow, fencing: int) -> tuple[PartyRow, str]:
        tried_before = row.state == "creating"
        asked_at = self.clock.monotonic()
        row = await self._record(row, fencing, state="creating", intent="set")
        crash.point("party.after_intent")
        made = ""
        try:
            if self.clock.monotonic() - asked_at > self.margin_s:
                raise Retryable("stood still after announcing a firm; it was not sent")
            made = await self.gateway.create_party(party)
        except Unconfirmed as error:
            raise Retryable(f"no answer when making the firm: {error}", after=self.gateway.limits.look_gap_s) from None
        except Rejected as refusal:
            if refusal.rejection != "duplicate":
                raise
        except (Held, Retryable):
            await self._record(row, fencing, state="intended", intent="clear")
            raise
        crash.point("party.after_create")
        erp_id = _one(await self.gateway.find_party(party), party) or made  # what was just made may not be seen yet
        if not erp_id:
            raise self._hidden(party, tried_before)
        return row, erp_id

    def _hidden(self, party: Party, tried_before: bool) -> Held | Retryable:
        """The ERP says that the firm exists, and does not show it: late the first time, for a person the second."""
        if tried_before:
            why = f"The ERP says that a firm with {party.external_key} exists, and does not show it."
            return Held(HoldReason.PARTY_MISSING, why)
        return Retryable("the firm exists but is not seen yet", after=self.gateway.limits.look_gap_s)

    async def _absent(self, row: PartyRow, fencing: int) -> PartyRow:
        """Go on only when a create that was announced earlier is proven not to have happened."""
        limits = self.gateway.limits
        if row.intent_age_s is None:
            return row
        counts = row.looked_age_s is None or row.looked_age_s >= limits.look_gap_s
        looks = row.absent_looks + (1 if counts else 0)
        wait = rules.wait_for_absence(row.intent_age_s, looks, limits, margin_s=self.margin_s)
        row = await self._record(row, fencing, absent_looks=looks, looked=counts)
        if wait > 0 or not counts:
            raise Retryable("a firm was asked for and is not seen yet", after=max(wait, limits.look_gap_s))
        return dataclasses.replace(row, absent_looks=0)

    async def _record(
        self, row: PartyRow, fencing: int, *, intent: IntentChange = "keep", looked: bool = False, **changes: Any
    ) -> PartyRow:
        changed = dataclasses.replace(row, **changes)
        return await self.ledger.record_party(changed, self.owner, fencing, intent=intent, looked=looked)


def _one(firms: Sequence[str], party: Party) -> str:
    if len(firms) > 1:
        raise Held(HoldReason.FIRM_AMBIGUOUS, f"{len(firms)} firms fit {party.external_key}.")
    return firms[0] if firms else ""
