"""Brings one order's documents from wish to verified, exactly once (architecture §5).

Look first; announce before sending; no answer is ``unknown`` and is looked up, never blindly sent again; count again
before finalising. The engine owns no time, no connection and no ERP: ledger, gateway and clock come in, which is what
lets the simulation run it over every interleaving.
"""

from __future__ import annotations

from dataclasses import dataclass

from mlc_common import crash
from mlc_common.accounting import HoldReason
from mlc_common.clock import Clock
from mlc_common.errors import Held
from mlc_common.posting import rules
from mlc_common.posting.gateway import ErpGateway
from mlc_common.posting.ledger import Ledger, OrderLease, State
from mlc_common.posting.pursuit import Pursuit
from mlc_common.posting.writing import Later


@dataclass(frozen=True)
class EngineSettings:
    """Seconds. A write leaves within ``margin_s`` of its announcement in the ledger, or not at all.

    What the ERP calls posted and does not show is held after ``unseen_tries`` tries, about an hour.
    """

    lease_s: float = 300.0
    retry_base_s: float = 1.0
    retry_most_s: float = 300.0
    margin_s: float = 5.0
    unseen_tries: int = 20


@dataclass(frozen=True)
class Engine:
    """One engine serves one ERP connection; ``work`` may run for many orders at once."""

    ledger: Ledger
    gateway: ErpGateway
    clock: Clock
    owner: str
    settings: EngineSettings = EngineSettings()

    async def work(self, lease: OrderLease) -> None:
        """Do all that can be done for the leased order now, then give it back.

        Raises:
            LeaseLost: another worker took over; nothing more was written.
        """
        crash.point("post.after_lease")
        rows = await self.ledger.documents(lease)
        while True:
            row = rules.choose(rows)
            if row is None:
                return await self.ledger.release(lease, runnable=False, after_s=0.0)
            pursuit = Pursuit(self, lease, rows, row)
            try:
                await pursuit.advance()
            except Later as later:
                return await self.ledger.release(lease, runnable=True, after_s=later.seconds)
            # The usual order has one document, and nothing is left to read once that is verified.
            alone = len(rows) == 1 and pursuit.row.state is State.VERIFIED
            rows = [pursuit.row] if alone else await self.ledger.documents(lease)

    async def hold_for_defect(self, lease: OrderLease, detail: str) -> None:
        """Hold the order's current document as ``internal_error``: a defect of ours, not the bookkeeper's."""
        rows = await self.ledger.documents(lease)
        row = rules.choose(rows)
        if row is not None:
            await Pursuit(self, lease, rows, row).hold(Held(HoldReason.INTERNAL_ERROR, detail))
        await self.ledger.release(lease, runnable=False, after_s=0.0)
