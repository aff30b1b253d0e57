"""Project, period, account, tax code and currency: found live, or held in words that a bookkeeper understands."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import Any

import pytest

from mlc_common.accounting import HoldReason, Placement

from .desk import Desk, OpenDesk
from .documents import Document, line

pytestmark = [pytest.mark.kafka, pytest.mark.postgres, pytest.mark.asyncio(loop_scope="session")]

SEPTEMBER = date(2026, 9, 30)
CONTOSO = "5be1f3a7c09d4e6fa2b4c6d8e0f1a3b5"
NEXT_OPEN = Placement(rule="fixed", project="STORE.WEB01", period="next_open")


UNFIT: dict[int, tuple[dict[str, Any], HoldReason, str]] = {
    1: ({"placement": Placement(rule="fixed", project="STORE.NONE")}, HoldReason.PROJECT_MISSING, "STORE.NONE"),
    2: ({"placement": Placement(rule="fixed", project="STORE.JP01")}, HoldReason.CURRENCY_NOT_MAPPED, "JPY"),
    3: ({"placement": Placement(rule="fixed", project="STORE.B2B02")}, HoldReason.PROJECT_INACTIVE, "lower levels"),
    4: (
        {"placement": Placement(rule="fixed", project="STORE.B2B02", phase="PHONE")},
        HoldReason.PROJECT_INACTIVE,
        "STORE.B2B02/PHONE",
    ),
    5: ({"date": SEPTEMBER}, HoldReason.PERIOD_CLOSED, "202609"),
    6: ({"date": date(2031, 1, 1)}, HoldReason.PERIOD_CLOSED, "no period"),
    7: ({"lines": (line("108", account="999.00"),), "net": 108, "tax": 0}, HoldReason.ACCOUNT_UNKNOWN, "999.00"),
}


async def test_what_the_tenant_does_not_have_is_held_before_anything_is_sent(desk: OpenDesk) -> None:
    async with desk() as at:
        await at.post(*(at.wanted(1, at.invoice(order, **changes)) for order, (changes, _, _) in UNFIT.items()))
        holds = {int(hold.order_key.rpartition(":")[2]): hold for hold in await at.holds()}
        assert {order: hold.reason for order, hold in holds.items()} == {
            order: reason for order, (_, reason, _) in UNFIT.items()
        }
        assert [order for order, (_, _, said) in UNFIT.items() if said not in holds[order].detail] == []
        assert not any(call.startswith(("POST", "PUT")) for call in await at.calls() if "token" not in call)


async def test_an_unknown_tax_code_is_held_and_posted_once_a_person_added_it(desk: OpenDesk) -> None:
    async with desk() as at:
        taxes = [{"code": "CA_STATE", "amount": "8.00", "basis": "100.00", "account": "221.00"}]
        bill = at.invoice(1001, line("100.00", taxes=taxes))
        await at.wish(at.wanted(1, bill))
        async with at.posting():
            await at.quiet()
            assert await at.reasons() == [HoldReason.TAX_CODE_UNKNOWN]
            await at.tell("taxcodes", Code="CA_STATE")
            await at.wish(at.wanted(2, bill))
            await at.quiet()
        assert (await at.open_amount(), await at.reasons()) == (Decimal(108), [])


async def test_a_phase_is_charged_where_the_mapping_names_one(desk: OpenDesk) -> None:
    async with desk() as at:
        place = Placement(rule="fixed", project="STORE.B2B02", phase="ONLINE")
        await at.post(at.wanted(1, at.invoice(placement=place)))
        rows = (await at.truth())["ledger"]
        assert {(row["WBS1"], row["WBS2"]) for row in rows if row["AutoEntry"] == "N"} == {("STORE.B2B02", "ONLINE")}


@pytest.mark.parametrize("when", ["create", "post"])
async def test_an_inactive_project_is_held_and_posted_once_it_is_active(desk: OpenDesk, when: str) -> None:
    async with desk({"inactive_project": when}) as at:
        await at.wish(at.wanted(1, at.invoice(1001)))
        async with at.posting():
            await at.quiet()
            await at.tell("projects/status", WBS1="STORE.WEB01", Status="D")  # what is remembered still says active
            await at.wish(at.wanted(1, at.invoice(1002)))
            await at.quiet()
            assert await at.reasons() == [HoldReason.PROJECT_INACTIVE]
            await at.tell("projects/status", WBS1="STORE.WEB01", Status="A")
            await at.wish(at.wanted(2, at.invoice(1002)))
            await at.quiet()
        assert (await at.batches(), await at.drafts()) == (["IN-WC01-1001", "IN-WC01-1002"], [])


@pytest.mark.parametrize("when", ["create", "post"])
async def test_a_period_that_a_person_closes_meanwhile_parks_the_document_until_it_is_open(
    desk: OpenDesk, when: str
) -> None:
    async with desk({"closed_period": when}) as at:
        async with at.posting():
            await closed_after_the_first(at, at.invoice(1001), at.invoice(1002))
            assert await at.reasons() == [HoldReason.PERIOD_CLOSED]
            await at.tell("periods", Period=202611, closed=False)
            await at.wish(at.wanted(2, at.invoice(1002)))
            await at.quiet()
        assert await in_period(at, "IN-WC01-1002") == {(202611, "2026-11-20")}


async def test_a_period_that_a_person_closes_meanwhile_is_passed_over_where_the_mapping_says_so(desk: OpenDesk) -> None:
    async with desk() as at:
        async with at.posting():
            await closed_after_the_first(
                at, at.invoice(1001, placement=NEXT_OPEN), at.invoice(1002, placement=NEXT_OPEN)
            )
        assert await in_period(at, "IN-WC01-1002") == {(202612, "2026-11-20")}


async def test_a_draft_whose_period_was_closed_before_its_posting_moves_when_it_is_released(desk: OpenDesk) -> None:
    async with desk({"closed_period": "post"}) as at:
        bill = at.invoice(1002, placement=NEXT_OPEN)
        async with at.posting():
            await closed_after_the_first(at, at.invoice(1001), bill)
            assert (await at.reasons(), await at.drafts()) == ([HoldReason.PERIOD_CLOSED], ["IN-WC01-1002"])
            await at.wish(at.wanted(2, bill))
            await at.quiet()
        assert await in_period(at, "IN-WC01-1002") == {(202612, "2026-11-20")}
        assert await at.drafts() == []


async def closed_after_the_first(at: Desk, first: Document, second: Document) -> None:
    """Wish both; between them a person closes November, while what is remembered still says open."""
    await at.wish(at.wanted(1, first))
    await at.quiet()
    await at.tell("periods", Period=202611, closed=True)
    await at.wish(at.wanted(1, second))
    await at.quiet()


async def in_period(at: Desk, batch: str) -> set[tuple[int, str]]:
    """Period and date of a batch in the ledger."""
    rows = [row for row in (await at.truth())["ledger"] if row["Batch"] == batch]
    return {(row["Period"], row["TransDate"][:10]) for row in rows}


async def test_a_document_of_a_closed_period_goes_to_the_next_open_one_where_the_mapping_says_so(
    desk: OpenDesk,
) -> None:
    async with desk() as at:
        await at.post(at.wanted(1, at.invoice(date=SEPTEMBER, placement=NEXT_OPEN)))
        assert await in_period(at, "IN-WC01-1001") == {(202610, "2026-09-30")}


async def test_the_project_of_a_firm_is_the_one_that_bills_it(desk: OpenDesk) -> None:
    async with desk() as at:
        bill = at.invoice(placement=Placement(rule="by_firm"), party=at.buyer(firm=CONTOSO))
        await at.post(at.wanted(1, bill), at.wanted(2, at.credit(77, bill, line("25.00", "2.00"))))
        assert await at.open_amount(project="STORE.B2B03") == Decimal(81)
        assert await at.batches() == ["IN-WC01-1001", "CM-WC01-1001-R77"]


@pytest.mark.parametrize(("others", "reason"), [(0, HoldReason.PROJECT_MISSING), (1, HoldReason.PROJECT_AMBIGUOUS)])
async def test_a_firm_without_exactly_one_active_project_is_held(
    desk: OpenDesk, others: int, reason: HoldReason
) -> None:
    async with desk() as at:
        if others:
            await at.tell("projects", WBS1="STORE.B2B09", BillingClientID=CONTOSO)
        else:
            await at.tell("projects/status", WBS1="STORE.B2B03", Status="I")
        bill = at.invoice(placement=Placement(rule="by_firm"), party=at.buyer(firm=CONTOSO))
        await at.post(at.wanted(1, bill))
        assert (await at.reasons(), await at.drafts()) == ([reason], [])
        await at.tell("projects/status", WBS1="STORE.B2B09" if others else "STORE.B2B03", Status="D" if others else "A")
        await at.post(at.wanted(2, bill))
        assert await at.open_amount(project="STORE.B2B03") == Decimal(108)


async def test_a_project_that_bills_in_yen_takes_yen(desk: OpenDesk) -> None:
    async with desk({"exchange_rates": {"JPY": "0.0067"}}) as at:
        tax = [{"code": "JP_CT", "amount": "110", "basis": "1100", "account": "222.00"}]
        place = Placement(rule="fixed", project="STORE.JP01")
        await at.post(at.wanted(1, at.invoice(1001, line("1100", taxes=tax), currency="JPY", placement=place)))
        assert (await at.open_amount(project="STORE.JP01"), await at.reasons()) == (Decimal(1210), [])


@pytest.mark.parametrize("settled", [False, True])
async def test_an_invoice_of_a_person_under_our_number_is_never_joined(desk: OpenDesk, settled: bool) -> None:
    async with desk({"hide_settled_ar": True}) as at:
        for amount in ("20.00", "-20.00")[: 1 + settled]:
            await at.tell("foreign-invoices", WBS1="STORE.WEB01", Invoice="WA01001", Amount=amount)
        before = (await at.truth())["ledger"]
        await at.post(at.wanted(1, at.invoice()))
        (hold,) = await at.holds()
        assert hold.reason == HoldReason.CONFLICT_IN_ERP
        assert "HAND-0001" in hold.detail
        truth = await at.truth()
        assert (truth["ledger"], truth["drafts"]) == (before, [])


async def test_our_number_on_another_project_is_no_conflict(desk: OpenDesk) -> None:
    async with desk() as at:
        await at.tell("foreign-invoices", WBS1="STORE.B2B01", Invoice="WA01001", Amount="20.00")
        await at.post(at.wanted(1, at.invoice()))
        assert await at.open_amount() == Decimal(108)
