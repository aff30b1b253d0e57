"""Vantagepoint's answers to the posting engine's verbs (architecture §5, facts §11).

The batch name is the only key that the ERP guards; it is made from the order's id. HTTP 200 is no proof: what was
stored is read back before it is posted, and the books are read after.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass

from mlc_common import crash
from mlc_common.accounting import CreditNote, HoldReason, Party
from mlc_common.clock import Clock
from mlc_common.errors import Held, Rejected, Retryable, Unconfirmed
from mlc_common.posting.gateway import BillingDocument, Found, Limits, Plan
from mlc_poster_deltek.books import Books
from mlc_poster_deltek.company import CompanyLease
from mlc_poster_deltek.files import elsewhere, file_of
from mlc_poster_deltek.firms import Firms
from mlc_poster_deltek.meter import CallMeter
from mlc_poster_deltek.places import Places
from mlc_poster_deltek.refusals import as_holds, held_for
from mlc_vendors.deltek import DeltekClient, InvoiceFile, PostResult, UnknownShape
from mlc_vendors.deltek.models import ControlRow


@dataclass(frozen=True)
class Terms:
    """What the connection says of its tenant.

    Attributes:
        company: Company code; empty where the tenant has one only.
        visibility_s: How late a write may become visible, in seconds.
        countries: ISO country code → the tenant's spelling.
    """

    company: str
    visibility_s: float
    countries: Mapping[str, str]


class DeltekGateway:
    """One Vantagepoint connection, as the engine sees it."""

    def __init__(self, client: DeltekClient, lease: CompanyLease, clock: Clock, meter: CallMeter, terms: Terms) -> None:
        self._client = client
        self._lease = lease
        self._meter = meter
        self._terms = terms
        self._places = Places(client, clock)
        self._books = Books(client, clock)
        self._firms = Firms(client, terms.countries)
        http, limits = client.contract.http, client.contract.limits
        # Between the intent and the sending lie the turn to write and the turn on the wire; both give up in time.
        self._limits = Limits(
            request_timeout_s=lease.patience_s + http.queue_timeout_s + max(http.post_timeout_s, http.read_timeout_s),
            visibility_delay_s=terms.visibility_s,
            look_gap_s=http.absence_gap_s,
            absent_looks=http.absence_checks,
            number=min(limits.invoice, limits.ref_no),
            reference=limits.batch,
        )

    @property
    def limits(self) -> Limits:
        """See ``ErpGateway``."""
        return self._limits

    def open_for(self) -> float:
        """See ``ErpGateway``."""
        return self._client.breaker.remaining_s

    # -- parties

    async def find_party(self, party: Party) -> Sequence[str]:
        """See ``ErpGateway``."""
        return await self._firms.find(party)

    async def can_create_party(self) -> bool:
        """See ``ErpGateway``."""
        return await self._firms.can_create()

    async def create_party(self, party: Party) -> str:
        """See ``ErpGateway``."""
        return await self._firms.create(party)

    # -- documents

    async def plan(self, document: BillingDocument, *, firm: str, base: Plan | None) -> Plan:
        """See ``ErpGateway``. What follows a document goes to its project; a credit carries its invoice's number."""
        with as_holds(), self._meter.of(document.key):
            period = await self._places.period(document.date, document.placement.period)
            await self._places.check_codes(document)
            if base is not None:
                place = {name: base.resolved.get(name, "") for name in ("project", "phase", "task")}
            else:
                project = await self._places.project(document.placement, firm, document.currency)
                place = {"project": project.wbs1, "phase": project.wbs2, "task": project.wbs3}
            invoice = document.number
            if isinstance(document, CreditNote):
                invoice = base.resolved.get("invoice", "") if base is not None else document.invoice_number
        resolved = {**place, "invoice": invoice, "period": str(period), "company": self._terms.company, "firm": firm}
        return Plan(reference=document.reference, number=document.number, resolved=resolved)

    async def find(self, document: BillingDocument, plan: Plan) -> Sequence[Found]:
        """See ``ErpGateway``."""
        with as_holds(), self._meter.of(document.key):
            return await self._books.look(document, plan)

    async def create(self, document: BillingDocument, plan: Plan) -> None:
        """See ``ErpGateway``. Company and period are set before, and compared after (facts §10)."""
        file = file_of(document, plan)
        async with self._drafting(document, plan, duplicates=True):
            crash.point("post.before_send")
            try:
                row = await self._client.create_invoice(file)
            except UnknownShape as error:  # it may be there under another name: sending again would double it
                raise Held(HoldReason.UNKNOWN_OUTCOME, str(error)) from error
            await self._stored(file, plan, row)

    async def amend(self, document: BillingDocument, plan: Plan, found: Found) -> None:
        """See ``ErpGateway``."""
        file = file_of(document, plan)
        async with self._drafting(document, plan):
            await self._stored(file, plan, await self._client.amend_invoice(file))

    async def discard(self, plan: Plan, found: Found) -> None:
        """See ``ErpGateway``."""
        with as_holds():
            await self._client.delete_file(plan.reference)

    async def finalise(self, document: BillingDocument, plan: Plan, found: Found) -> Mapping[str, str]:
        """See ``ErpGateway``. Success is what the answer says of our batch, not HTTP 200 (facts §8.1).

        The period is set anew: where the login's period decides, nothing that comes before the posting would show that
        somebody moved it, and a posting into the wrong period cannot be undone.
        """
        file = file_of(document, plan)
        with as_holds(), self._meter.of(document.key):
            async with self._lease.writing(file.period, anew=True):
                crash.point("post.before_release")
                result = await self._posted(file)
            if result.state == "refused":
                self._places.forget()
                await self._certainly_refused(plan)
                raise held_for(result.rejection or "rejected", result.text)
        if result.state == "unknown":
            raise Unconfirmed(plan.reference, f"the answer about {plan.reference} cannot be read; look in the ledger")
        return {"period": str(result.period or ""), "post_seq": str(result.post_seq or "")}

    async def verify(self, document: BillingDocument, plan: Plan) -> Mapping[str, str]:
        """See ``ErpGateway``."""
        with as_holds(), self._meter.of(document.key):
            ids = await self._books.verify(document, plan)
        self._meter.verified(document.key, document.type)
        return ids

    async def _stored(self, file: InvoiceFile, plan: Plan, row: ControlRow) -> None:
        """Take note of what the tenant says that it stored; a file in another period must not stay there."""
        if elsewhere(file, row):
            self._lease.doubt()
            await self._client.delete_file(file.batch)
            raise Retryable(f"{file.batch} went to period {row.period} of company {row.company}; removed")
        self._books.made(plan, row)

    async def _posted(self, file: InvoiceFile) -> PostResult:
        try:
            return await self._client.post_file(
                file.batch, period=file.period, company=file.company, description=file.description
            )
        except Rejected as refusal:
            return PostResult("refused", str(refusal), rejection=refusal.rejection)

    async def _certainly_refused(self, plan: Plan) -> None:
        """A run can stop half-way and call it a refusal, and a file that was posted before is refused too.

        Raises:
            Unconfirmed: it is posted, wholly or partly; or it is not known.
        """
        try:
            if await self._books.is_untouched(plan):
                return
        except (Rejected, Retryable) as error:
            raise Unconfirmed(plan.reference, f"{plan.reference} was refused; looking why failed: {error}") from error
        raise Unconfirmed(plan.reference, f"{plan.reference} was refused, yet something of it is in the ledger")

    @asynccontextmanager
    async def _drafting(
        self, document: BillingDocument, plan: Plan, *, duplicates: bool = False
    ) -> AsyncIterator[None]:
        """The company's turn to write a draft. A refusal says that what was remembered of the tenant is out of date."""
        try:
            with as_holds(duplicates=duplicates), self._meter.of(document.key):
                async with self._lease.writing(int(plan.resolved["period"])):
                    yield
        except Held as held:
            self._places.forget()
            if held.reason == HoldReason.PERIOD_CLOSED and await self._may_go_on(document, plan):
                raise Retryable("the period was closed meanwhile; the next open one is taken", after=0.0) from held
            raise

    async def _may_go_on(self, document: BillingDocument, plan: Plan) -> bool:
        """Whether the mapping's policy and the calendar name another period by now."""
        if document.placement.period != "next_open":
            return False
        with as_holds():
            period = await self._places.period(document.date, document.placement.period)
        return str(period) != plan.resolved["period"]
