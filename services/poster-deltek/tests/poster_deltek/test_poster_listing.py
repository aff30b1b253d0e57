"""References and numbers are read as the mapper and the engine give them, and the books are told in whole documents."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import date
from decimal import Decimal
from typing import Any

import pytest

from mlc_common.accounting import derived, document_number, external_reference
from mlc_common.clock import SystemClock
from mlc_common.reconciling import Mention, Numbering
from mlc_mapper.woocommerce import credits as mapped_credits
from mlc_mapper.woocommerce import invoices as mapped_invoices
from mlc_poster_deltek.listing import CREDIT_LIMITS, LIMITS, DeltekBooks, Names
from mlc_sandbox.deltek import control, tampering
from mlc_sandbox.deltek.app import create_app
from mlc_sandbox.server import serve
from mlc_vendors.deltek import DeltekClient, DeltekCredentials, InvoiceFile, InvoiceLine, load_contract

NAMES = Names(Numbering("WC01", "WA"))
DAY = date(2026, 11, 20)
NOTHING = Decimal(0)


def test_the_limits_are_those_of_the_mappers_documents() -> None:
    assert (LIMITS, CREDIT_LIMITS) == (mapped_invoices.LIMITS, mapped_credits.LIMITS)


@pytest.mark.parametrize("order", ["1", "17", "99999", "123456", "1234567890"])
@pytest.mark.parametrize("suffix", ["", "-A1", "-X2"])
def test_what_the_mapper_and_the_engine_name_is_read_back(order: str, suffix: str) -> None:
    number = document_number("WA", order, LIMITS)
    assert (NAMES.numbers_of(order), NAMES.order_of(number)) == ([number], order)
    reference = external_reference("IN", "WC01", order, limits=LIMITS) + suffix
    fact = NAMES.fact(reference, derived(number, suffix.strip("-"), 12) if suffix else number, NOTHING)
    assert (fact.order, fact.refund, fact.ours, fact.derived) == (order, "", True, bool(suffix))


def test_a_credit_is_read_with_its_refund_under_its_invoices_number() -> None:
    fact = NAMES.fact("CM-WC01-17-R25", "WA00017", NOTHING)
    assert (fact.order, fact.refund, fact.ours, fact.derived) == ("17", "25", True, False)
    fact = NAMES.fact("CM-WC01-17-R25-A1", "WAR00025A1", NOTHING)
    assert (fact.order, fact.refund, fact.ours, fact.derived) == ("17", "25", True, True)


@pytest.mark.parametrize(
    ("reference", "number", "order"),
    [
        ("HAND-0001", "WA00017", "17"),  # somebody else under our number
        ("IN-WC01-18", "WA00017", "17"),  # our reference, filed under another order's number
        ("IN-WC02-17", "WA00017", "17"),  # another store of the same ERP cannot have this prefix
        ("IN-WC01-17", "X-1", ""),
        ("IN-WC01-17B", "4711", ""),
        ("", "WAX", ""),
    ],
)
def test_what_is_not_named_as_we_name_is_not_ours(reference: str, number: str, order: str) -> None:
    fact = NAMES.fact(reference, number, NOTHING)
    assert (fact.order, fact.ours) == (order, False)


class Tenant:
    """A sandbox tenant, a client of it, and its books."""

    def __init__(self, app: Any, client: DeltekClient) -> None:
        self.app, self.client = app, client
        self.books = DeltekBooks(client, NAMES)

    async def post(self, batch: str, invoice: str, *amounts: str, day: date = DAY, posted: bool = True) -> None:
        lines = tuple(InvoiceLine(kind="line", account="401.00", amount=Decimal(each)) for each in amounts)
        file = InvoiceFile(
            batch=batch,
            invoice=invoice,
            description="",
            comment="",
            period=202611,
            company="00",
            trans_date=day,
            wbs1="STORE.WEB01",
            lines=lines,
        )
        await self.client.create_invoice(file)
        if posted:
            assert (await self.client.post_file(batch, period=202611, company="00")).state == "posted"


@pytest.fixture
async def tenant() -> AsyncIterator[Tenant]:
    app = create_app({"rate_limit": None})
    given = {
        "username": "ML_CONNECTOR", "password": "sandbox-password", "database": "ACMEPROD",
        "client_id": "sandbox-client", "client_secret": "sandbox-secret",
    }  # fmt: skip
    async with serve(app) as running:
        contract = load_contract({"http": {"max_rps": None}}).at(f"{running.url}/Acme")
        async with DeltekClient.open(
            contract,
            DeltekCredentials.model_validate(given),
            clock=SystemClock(),
            allow_private=True,
            allow_http=True,
        ) as client:
            yield Tenant(app, client)


async def test_an_order_comes_with_all_that_was_posted_for_it_and_by_whom(tenant: Tenant) -> None:
    await tenant.post("IN-WC01-17", "WA00017", "10.00", "-2.50")
    await tenant.post("IN-WC01-17-A1", "WA00017A1", "4.00", day=date(2026, 11, 21))
    await tenant.post("CM-WC01-17-R25", "WA00017", "-3.00")
    await tenant.post("CM-WC01-17-R25-A1", "WAR00025A1", "3.00")
    await tenant.post("IN-WC01-18", "WA00018", "99.00")
    control.post_foreign_invoice(tenant.app.state.api, {"WBS1": "STORE.WEB01", "Invoice": "WA00017", "Amount": 7})
    tampering.repeat_posting(tenant.app.state.api, {"batch": "CM-WC01-17-R25"})
    found = await tenant.books.documents(["17", "19"])
    assert sorted((one.reference, one.amount, one.ours) for one in found) == [
        ("CM-WC01-17-R25", Decimal("-3.00"), True),
        ("CM-WC01-17-R25", Decimal("-3.00"), True),
        ("CM-WC01-17-R25-A1", Decimal("3.00"), True),
        ("HAND-0001", Decimal("7.00"), False),
        ("IN-WC01-17", Decimal("7.50"), True),
        ("IN-WC01-17-A1", Decimal("4.00"), True),
    ]
    assert {one.order for one in found} == {"17"}
    assert {one.currency for one in found} == {"USD"}


async def test_a_day_tells_its_orders_and_what_is_filed_wrongly(tenant: Tenant) -> None:
    await tenant.post("IN-WC01-17", "WA00017", "10.00")
    await tenant.post("IN-WC01-18", "OTHER-1", "10.00")
    await tenant.post("CONSULT-1", "0004711", "10.00")
    await tenant.post("IN-WC01-19", "WA00019", "10.00", day=date(2026, 11, 21))
    found = {mention async for mention in tenant.books.dated(DAY)}
    assert found == {Mention("17", "IN-WC01-17"), Mention("", "IN-WC01-18")}
    (misfiled,) = await tenant.books.under("IN-WC01-18")
    assert (misfiled.number, misfiled.amount, misfiled.ours) == ("OTHER-1", Decimal("10.00"), False)


async def test_drafts_of_ours_are_told_and_those_of_others_are_not(tenant: Tenant) -> None:
    await tenant.post("IN-WC01-17", "WA00017", "10.00", posted=False)
    await tenant.post("MINE-1", "0004711", "10.00", posted=False)
    (draft,) = await tenant.books.drafts()
    assert (draft.order, draft.reference, draft.amount, draft.posted) == ("17", "IN-WC01-17", Decimal(10), False)
    assert await tenant.books.documents(["17"]) == []


async def test_many_orders_take_one_look_up_each_forty(tenant: Tenant) -> None:
    for number in range(1, 13):
        await tenant.post(f"IN-WC01-{number}", f"WA{number:05d}", "10.00")
    calls = tenant.app.state.faults.calls
    before = sum(count for (_, template), count in calls.items() if "PSALedger" in template)
    found = await tenant.books.documents([str(number) for number in range(1, 81)])
    after = sum(count for (_, template), count in calls.items() if "PSALedger" in template)
    assert len(found) == 12
    assert after - before == 3, "twelve rows and a look at an empty page; then nothing"


async def test_what_was_posted_under_an_older_numbering_is_still_ours(tenant: Tenant) -> None:
    """Else a changed numbering makes everything posted before it look missing, and somebody posts it by hand."""
    books = DeltekBooks(tenant.client, Names(Numbering("WC02", "WB"), Numbering("WC01", "WA")))
    await tenant.post("IN-WC01-17", "WA00017", "10.00")
    await tenant.post("CM-WC02-17-R25", "WA00017", "-3.00")  # a credit is under the number of its invoice
    await tenant.post("CM-WC02-17-R25-A1", "WBR00025A1", "1.00")
    await tenant.post("IN-WC02-18", "WB00018", "20.00")
    await tenant.post("IN-WC01-19", "WA00019", "5.00", posted=False)
    found = await books.documents(["17", "18"])
    assert sorted((one.reference, one.order, one.amount, one.ours) for one in found) == [
        ("CM-WC02-17-R25", "17", Decimal("-3.00"), True),
        ("CM-WC02-17-R25-A1", "17", Decimal("1.00"), True),
        ("IN-WC01-17", "17", Decimal("10.00"), True),
        ("IN-WC02-18", "18", Decimal("20.00"), True),
    ]
    assert {mention.order async for mention in books.dated(DAY)} == {"17", "18"}
    assert [draft.order for draft in await books.drafts()] == ["19"]
