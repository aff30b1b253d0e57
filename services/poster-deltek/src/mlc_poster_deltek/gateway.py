"""Vantagepoint's answers to the posting engine's verbs (architecture §5, facts §11).

The batch name is the only key that the ERP guards; it is made from the order's id. HTTP 200 is no proof: what was
stored is read back before it is posted, and the books are read after.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import structlog

from mlc_common.accounting import CreditNote, HoldReason, Party
from mlc_common.clock import Clock
from mlc_common.errors import Held, Rejected, Retryable, Unconfirmed
from mlc_common.posting.gateway import BillingDocument, Found, Limits, Plan
from mlc_poster_deltek.company import CompanyLease
from mlc_poster_deltek.files import draft_difference, file_of, ledger_difference
from mlc_poster_deltek.meter import CallMeter
from mlc_poster_deltek.places import Places
from mlc_poster_deltek.refusals import as_holds, held_for
from mlc_vendors.deltek import (
    DeltekClient,
    InvoiceFile,
    NewAddress,
    NewContact,
    NewFirm,
    UnknownShape,
)
from mlc_vendors.deltek.models import ControlRow, LedgerRow

_log = structlog.get_logger(__name__)


class DeltekGateway:
    """One Vantagepoint connection, as the engine sees it."""

    def __init__(
        self,
        client: DeltekClient,
        lease: CompanyLease,
        clock: Clock,
        meter: CallMeter,
        *,
        company: str,
        visibility_s: float,
    ) -> None:
        self._meter = meter
        self._client = client
        self._lease = lease
        self._places = Places(client, clock)
        self._company = company
        http, limits = client.contract.http, client.contract.limits
        self._limits = Limits(
            request_timeout_s=http.post_timeout_s,
            visibility_delay_s=visibility_s,
            look_gap_s=http.absence_gap_s,
            absent_looks=http.absence_checks,
            number=limits.invoice,
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
        """See ``ErpGateway``. By our key where firms can carry it, then by the e-mail of a contact."""
        found: set[str] = set()
        with as_holds():
            if "external_key" in party.match and self._client.contract.fields.firm_external_key.enabled:
                firm = await self._client.find_firm_by_external_key(party.external_key)
                if firm is not None:
                    return [firm.client_id]
            if "email" in party.match and party.email:
                found.update(await self._client.firms_of_contact(party.email))
        return sorted(found)

    async def can_create_party(self) -> bool:
        """See ``ErpGateway``. The column must be enabled in the contract and be there in the tenant's metadata."""
        column = self._client.contract.fields.firm_external_key
        if not column.enabled:
            return False
        try:
            with as_holds():
                return column.name in await self._client.field_names("firm")
        except Retryable as error:
            if isinstance(error.__cause__, UnknownShape):  # how metadata spell their fields is unverified (facts §7)
                return True
            raise

    async def create_party(self, party: Party) -> str:
        """See ``ErpGateway``. Address and contact are a service: a refusal of those does not undo the firm."""
        with as_holds():
            firm = await self._client.create_firm(NewFirm(name=party.name, external_key=party.external_key))
        try:
            await self._client.ensure_address(firm.client_id, _address(party))
            await self._client.ensure_contact(firm.client_id, _contact(party))
        except (Rejected, Retryable, Unconfirmed) as error:
            _log.warning("deltek.firm_without_address", firm=firm.client_id, error=type(error).__name__)
        return firm.client_id

    # -- documents

    async def plan(self, document: BillingDocument, *, firm: str, base: Plan | None) -> Plan:
        """See ``ErpGateway``. A credit goes to its invoice's project and carries its invoice's number."""
        with as_holds(), self._meter.of(document.key):
            period = await self._places.period(document.date, document.placement.period)
            await self._places.check_codes(document)
            if base is not None:
                place = {name: base.resolved.get(name, "") for name in ("project", "phase", "task", "invoice")}
            else:
                project = await self._places.project(document.placement, firm, document.currency)
                place = {"project": project.wbs1, "phase": project.wbs2, "task": project.wbs3}
                place["invoice"] = document.invoice_number if isinstance(document, CreditNote) else document.number
        resolved = {**place, "period": str(period), "company": self._company, "firm": firm}
        return Plan(reference=document.reference, number=document.number, resolved=resolved)

    async def find(self, document: BillingDocument, plan: Plan) -> Sequence[Found]:
        """See ``ErpGateway``. The file, else the ledger, else a foreign invoice under our number (facts §11.1)."""
        with as_holds(), self._meter.of(document.key):
            control = await self._client.get_control(plan.reference)
            if control is not None and not control.posted:
                return [await self._draft(document, plan, control)]
            rows = await self._client.ledger_rows(plan.reference)
            if rows:
                return [self._in_the_books(document, plan, rows)]
            if control is not None:
                raise Retryable(f"{plan.reference} says it is posted, and the ledger does not show it yet")
            return await self._foreign(document, plan)

    async def create(self, document: BillingDocument, plan: Plan) -> None:
        """See ``ErpGateway``. Company and period are set before, and compared after (facts §10)."""
        file = file_of(document, plan)
        with as_holds(), self._meter.of(document.key):
            async with self._lease.writing(file.period):
                row = await self._created(file)
                if _elsewhere(row, file.period, file.company):
                    self._lease.doubt()
                    await self._client.delete_file(file.batch)
                    raise Retryable(f"{file.batch} went to period {row.period} of company {row.company}; removed")

    async def _created(self, file: InvoiceFile) -> ControlRow:
        try:
            return await self._client.create_invoice(file)
        except UnknownShape as error:  # it may be there under another name: sending again would double it
            raise Held(HoldReason.UNKNOWN_OUTCOME, str(error)) from error

    async def amend(self, document: BillingDocument, plan: Plan, found: Found) -> None:
        """See ``ErpGateway``."""
        file = file_of(document, plan)
        with as_holds():
            async with self._lease.writing(file.period):
                await self._client.amend_invoice(file)

    async def discard(self, plan: Plan, found: Found) -> None:
        """See ``ErpGateway``."""
        with as_holds():
            await self._client.delete_file(plan.reference)

    async def finalise(self, document: BillingDocument, plan: Plan, found: Found) -> Mapping[str, str]:
        """See ``ErpGateway``. Success is what the answer says of our batch, not HTTP 200 (facts §8.1)."""
        file = file_of(document, plan)
        with as_holds(), self._meter.of(document.key):
            async with self._lease.writing(file.period):
                result = await self._client.post_file(
                    file.batch, period=file.period, company=file.company, description=file.description
                )
        if result.state == "refused":
            self._places.forget()
            raise held_for(result.rejection or "rejected", result.text)
        if result.state == "unknown":
            raise Unconfirmed(plan.reference, f"the answer about {plan.reference} cannot be read; look in the ledger")
        return {"period": str(result.period or ""), "post_seq": str(result.post_seq or "")}

    async def verify(self, document: BillingDocument, plan: Plan) -> Mapping[str, str]:
        """See ``ErpGateway``."""
        with as_holds(), self._meter.of(document.key):
            rows = await self._client.ledger_rows(plan.reference)
        if not rows:
            raise Retryable(f"{plan.reference} is posted and not in the ledger yet")
        found = self._in_the_books(document, plan, rows)
        if not found.equal:
            raise Held(HoldReason.AMOUNTS_DIFFER_FROM_ERP, f"{plan.reference}: {found.difference}")
        self._meter.verified(document.key, document.type)
        return found.ids

    async def _draft(self, document: BillingDocument, plan: Plan, control: ControlRow) -> Found:
        file = file_of(document, plan)
        entries = await self._client.get_entries(plan.reference)
        details = await self._client.get_details(plan.reference)
        differs = draft_difference(file, entries, details)
        if not differs and _elsewhere(control, file.period, file.company):
            differs = f"period {control.period}, company {control.company}"
        ours = not control.has_header or control.creator == self._client.contract.transactions.creator
        return Found("draft", ours=ours, equal=not differs, difference=differs, handle=plan.reference, ids=_ids(plan))

    def _in_the_books(self, document: BillingDocument, plan: Plan, rows: Sequence[LedgerRow]) -> Found:
        differs = ledger_difference(file_of(document, plan), rows)
        ids = {**_ids(plan), "period": str(rows[0].period), "post_seq": str(rows[0].post_seq)}
        return Found("posted", ours=True, equal=not differs, difference=differs, handle=plan.reference, ids=ids)

    async def _foreign(self, document: BillingDocument, plan: Plan) -> Sequence[Found]:
        """A second posting with our project and number would join a foreign invoice silently (facts §1.2)."""
        if isinstance(document, CreditNote):
            return []
        number = plan.resolved["invoice"]
        if not await self._client.ar_balance(plan.resolved["project"], number):
            return []
        why = f"invoice {number} of project {plan.resolved['project']} exists and is not of our batch"
        return [Found("posted", ours=False, equal=False, difference=why, handle=number)]


def _elsewhere(row: ControlRow, period: int, company: str) -> bool:
    if not row.has_header:
        return False
    return row.period != period or bool(company and row.company and row.company != company)


def _ids(plan: Plan) -> dict[str, str]:
    return {"batch": plan.reference, "invoice": plan.resolved["invoice"], "project": plan.resolved["project"]}


def _address(party: Party) -> NewAddress:
    at = party.billing
    return NewAddress(
        label="Billing",
        address1=at.line1,
        address2=at.line2,
        city=at.city,
        state=at.state,
        postcode=at.postcode,
        country=at.country,
    )


def _contact(party: Party) -> NewContact:
    return NewContact(
        last_name=party.last_name or party.name, first_name=party.first_name, email=party.email, phone=party.phone
    )
