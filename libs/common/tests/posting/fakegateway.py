"""The gateway to the hostile ERP. What goes wrong on the way, and when, its wire decides."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from mlc_common.accounting import HoldReason, Party
from mlc_common.errors import Held, Unseen
from mlc_common.posting.gateway import BillingDocument, Found, Limits, Plan

from .erp import FakeErp, Thing

LIMITS = Limits(request_timeout_s=20, visibility_delay_s=10, look_gap_s=3)


class Wire(Protocol):
    """The way to the ERP and back."""

    async def read(self, verb: str) -> float:
        """Called for each read; by how many seconds it lags behind."""
        ...

    async def write(self, verb: str, effect: Callable[[], object]) -> object:
        """Do the effect (or not, or later) and answer (or not)."""
        ...


@dataclass
class FakeGateway:
    """See ``mlc_common.posting.gateway.ErpGateway``.

    The ERP refuses to post what ``refuses`` names by reference, and does not know ``unknown_accounts``.
    """

    erp: FakeErp
    wire: Wire
    limits: Limits = LIMITS
    firms_carry_keys: bool = True
    closed_for: float = 0.0
    project: str = "P1"
    bases: list[Plan | None] = field(default_factory=list)
    refuses: frozenset[str] = frozenset()
    unknown_accounts: frozenset[str] = frozenset()

    def open_for(self) -> float:
        """See ``ErpGateway``."""
        return self.closed_for

    async def find_party(self, party: Party) -> Sequence[str]:
        """See ``ErpGateway``."""
        stand = self.erp.stand(await self.wire.read("find_party"))
        return [firm.id for firm in stand.firms if firm.external_key == party.external_key]

    async def can_create_party(self) -> bool:
        """See ``ErpGateway``."""
        await self.wire.read("can_create_party")
        return self.firms_carry_keys

    async def create_party(self, party: Party) -> str:
        """See ``ErpGateway``."""
        return str(await self.wire.write("create_party", lambda: self.erp.make_firm(party.external_key)))

    async def plan(self, document: BillingDocument, *, firm: str, base: Plan | None) -> Plan:
        """See ``ErpGateway``."""
        await self.wire.read("plan")
        self.bases.append(base)
        if unknown := self.unknown_accounts.intersection(line.account for line in document.lines):
            raise Held(HoldReason.ACCOUNT_UNKNOWN, f"The ERP does not know {', '.join(unknown)}.")
        resolved = {"project": self.project, "firm": firm} if base is None else dict(base.resolved)
        return Plan(document.reference, document.number, resolved)

    async def find(self, document: BillingDocument, plan: Plan) -> Sequence[Found]:
        """See ``ErpGateway``."""
        stand = self.erp.stand(await self.wire.read("find"))
        return [_found(thing, document) for thing in stand.under(plan.reference)]

    async def create(self, document: BillingDocument, plan: Plan) -> None:
        """See ``ErpGateway``."""
        await self.wire.write("create", lambda: self.erp.create(plan.reference, document))

    async def amend(self, document: BillingDocument, plan: Plan, found: Found) -> None:
        """See ``ErpGateway``."""
        await self.wire.write("amend", lambda: self.erp.amend(found.handle, document))

    async def discard(self, plan: Plan, found: Found) -> None:
        """See ``ErpGateway``."""
        await self.wire.write("discard", lambda: self.erp.discard(found.handle))

    async def finalise(self, document: BillingDocument, plan: Plan, found: Found) -> Mapping[str, str]:
        """See ``ErpGateway``."""
        await self.wire.write("finalise", lambda: self._post(plan.reference, found.handle))
        return {"run": "1"}

    def _post(self, reference: str, handle: str) -> None:
        if reference in self.refuses:
            raise Held(HoldReason.PERIOD_CLOSED, f"The period of {reference} is closed.")
        self.erp.finalise(handle)

    async def verify(self, document: BillingDocument, plan: Plan) -> Mapping[str, str]:
        """See ``ErpGateway``."""
        stand = self.erp.stand(await self.wire.read("verify"))
        books = [thing.document for thing in stand.under(plan.reference) if thing.posted]
        if not books:
            raise Unseen(f"{plan.reference} is not in the books yet")
        if books != [document]:
            raise Held(HoldReason.AMOUNTS_DIFFER_FROM_ERP, f"{plan.reference}: {[str(b.total) for b in books]}")
        return {"books": plan.reference}


def _found(thing: Thing, document: BillingDocument) -> Found:
    equal = thing.document == document
    difference = "" if equal else f"{thing.document.total} instead of {document.total}"
    ids = {"handle": thing.handle}
    return Found("posted" if thing.posted else "draft", thing.ours, equal, difference, thing.handle, ids)
