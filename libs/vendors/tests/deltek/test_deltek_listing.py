"""Lists of what is posted, against the sandbox tenant and against pages that a real one may answer."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import date
from decimal import Decimal
from typing import Any

import pytest

from mlc_common.clock import SystemClock
from mlc_sandbox.deltek import control, tampering
from mlc_sandbox.deltek.app import create_app
from mlc_sandbox.server import serve
from mlc_vendors.deltek import (
    Condition,
    DeltekClient,
    DeltekCredentials,
    InvoiceFile,
    InvoiceLine,
    LookupMismatch,
    load_contract,
)
from mlc_vendors.deltek.query import Lookup, Walk, filter_params

pytestmark = pytest.mark.contract

DAY = date(2026, 11, 20)


class Tenant:
    """A sandbox tenant and a client of it; ``calls`` counts what the ledger was asked."""

    def __init__(self, app: Any, client: DeltekClient) -> None:
        self.app = app
        self.client = client

    @property
    def calls(self) -> int:
        counted = self.app.state.faults.calls
        return sum(number for (_, template), number in counted.items() if "PSALedger" in template)

    async def post(self, number: int, *amounts: str, day: date = DAY, batch: str = "", invoice: str = "") -> None:
        batch = batch or f"IN-WC01-{number}"
        lines = tuple(InvoiceLine(kind="line", account="401.00", amount=Decimal(amount)) for amount in amounts)
        file = InvoiceFile(
            batch=batch,
            invoice=invoice or f"WA{number:05d}",
            description=str(number),
            comment=f"Order {number}",
            period=202611,
            company="00",
            trans_date=day,
            wbs1="STORE.WEB01",
            lines=lines,
        )
        await self.client.create_invoice(file)
        assert (await self.client.post_file(batch, period=202611, company="00")).state == "posted"


@pytest.fixture
async def tenant() -> AsyncIterator[Tenant]:
    app = create_app({"rate_limit": None, "page_size_cap": 7})
    credentials = DeltekCredentials.model_validate(
        {
            "username": "ML_CONNECTOR",
            "password": "sandbox-password",
            "database": "ACMEPROD",
            "client_id": "sandbox-client",
            "client_secret": "sandbox-secret",
        }
    )
    async with serve(app) as running:
        contract = load_contract({"http": {"max_rps": None}}).at(f"{running.url}/Acme")
        async with DeltekClient.open(
            contract, credentials, clock=SystemClock(), allow_private=True, allow_http=True
        ) as client:
            yield Tenant(app, client)


async def test_every_invoice_of_a_day_is_listed_and_none_of_another_day(tenant: Tenant) -> None:
    for number in range(1, 12):
        await tenant.post(number, "10.00", "2.50", day=date(2026, 11, 21) if number == 5 else DAY)
    found = {(row.batch, row.invoice) async for row in tenant.client.invoices_dated(DAY) if row.invoice}
    assert found == {(f"IN-WC01-{number}", f"WA{number:05d}") for number in range(1, 12) if number != 5}
    assert {row.batch async for row in tenant.client.invoices_dated(date(2026, 11, 21))} == {"IN-WC01-5"}
    assert [row async for row in tenant.client.invoices_dated(date(2026, 11, 19))] == []


async def test_a_day_is_listed_by_pages_not_by_documents(tenant: Tenant) -> None:
    for number in range(1, 15):
        await tenant.post(number, "10.00")
    before = tenant.calls
    assert len({row.batch async for row in tenant.client.invoices_dated(DAY)}) == 14
    assert tenant.calls - before == 5, "28 rows, seven a page, and a look at an empty one"


async def test_rows_of_several_invoices_come_in_one_look_up(tenant: Tenant) -> None:
    for number in range(1, 13):
        await tenant.post(number, "10.00", "-2.50")
    await tenant.post(3, "-4.00", batch="CM-WC01-3-R77")
    wanted = [f"WA{number:05d}" for number in range(1, 11)]
    before = tenant.calls
    rows = await tenant.client.ledger_rows_of_invoices(wanted)
    assert sorted({row.invoice for row in rows}) == wanted
    assert sum((row.billed for row in rows if row.batch == "CM-WC01-3-R77"), Decimal(0)) == Decimal("4.00")
    assert sum((row.billed for row in rows), Decimal(0)) == Decimal("-71.00")
    assert tenant.calls - before == 4, "21 rows, seven a page, and a look at an empty one"
    assert await tenant.client.ledger_rows_of_invoices([]) == []
    assert await tenant.client.ledger_rows_of_invoices(["WA99999"]) == []


async def test_numbers_that_follow_from_others_come_with_them_where_they_are_asked_for(tenant: Tenant) -> None:
    await tenant.post(3, "10.00")
    await tenant.post(3, "1.00", batch="IN-WC01-3-A1", invoice="WA00003A1")
    await tenant.post(3, "2.00", batch="B", invoice="WA00003B")
    found = await tenant.client.ledger_rows_of_invoices(["WA00003"], derived="A")
    assert {row.invoice for row in found} == {"WA00003", "WA00003A1"}
    assert {row.invoice for row in await tenant.client.ledger_rows_of_invoices(["WA00003"])} == {"WA00003"}


async def test_an_invoice_that_is_posted_twice_is_found_twice_wherever_the_pages_end(tenant: Tenant) -> None:
    """Its rows are in no order of their own: on the end of a page, one could be on neither page."""
    for number in range(1, 31):
        await tenant.post(number, "10.00")
    for number in range(1, 31):
        tampering.repeat_posting(tenant.app.state.api, {"batch": f"IN-WC01-{number}"})
    for _ in range(5):
        rows = await tenant.client.ledger_rows_of_invoices([f"WA{number:05d}" for number in range(1, 31)])
        assert len(rows) == 60


async def test_an_invoice_of_somebody_else_under_our_number_is_among_the_rows(tenant: Tenant) -> None:
    await tenant.post(3, "10.00")
    control.post_foreign_invoice(tenant.app.state.api, {"WBS1": "STORE.WEB01", "Invoice": "WA00003", "Amount": 7})
    rows = await tenant.client.ledger_rows_of_invoices(["WA00003"])
    assert {row.batch: -row.billed for row in rows} == {"IN-WC01-3": Decimal(10), "HAND-0001": Decimal(7)}


async def test_a_tenant_that_ignores_the_day_is_refused(tenant: Tenant, monkeypatch: pytest.MonkeyPatch) -> None:
    """Unknown filters give every row (assumed A4): rows of another day must never pass for those of the day."""
    await tenant.post(1, "10.00")
    monkeypatch.setattr("mlc_sandbox.deltek.query._predicate", lambda *_: None)
    with pytest.raises(LookupMismatch):
        [row async for row in tenant.client.invoices_dated(date(2026, 11, 19))]


def test_alternatives_are_joined_by_or_and_a_row_of_none_of_them_is_refused() -> None:
    either = [Condition("Invoice", "WA1"), Condition("Invoice", "WA2"), Condition("Invoice", "WA3")]
    params = dict(filter_params(either, load_contract().query, joined="OR"))
    assert [params.get(f"filterHash[{number}][condition]") for number in range(3)] == ["OR", "OR", None]
    walk = Walk(Lookup(either=either, key=("Invoice",), order="Invoice"), "ledger")
    walk.add([{"Invoice": "wa2"}])
    with pytest.raises(LookupMismatch):
        walk.add([{"Invoice": "WA4"}])


@pytest.mark.parametrize("spelled", ["2026-11-20", "2026-11-20T00:00:00.000", "2026-11-20T00:00:00Z"])
def test_days_are_compared_as_days_however_they_are_spelled(spelled: str) -> None:
    row = {"TransDate": spelled}
    assert Condition("TransDate", DAY, "ge").holds(row)
    assert Condition("TransDate", date(2026, 11, 21), "lt").holds(row)
    assert not Condition("TransDate", DAY, "lt").holds(row)
    assert not Condition("TransDate", date(2026, 11, 21), "ge").holds(row)
    assert not Condition("TransDate", DAY, "ge").holds({"TransDate": "yesterday"})
    params = dict(filter_params([Condition("TransDate", DAY, "ge")], load_contract().query))
    assert params["filterHash[0][value]"] == "2026-11-20T00:00:00.000"
    assert params["filterHash[0][type]"] == "datetime"
