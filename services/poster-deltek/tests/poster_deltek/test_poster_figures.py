"""What the poster costs and shows: calls per document by the ERP's own count, and the figures of our metrics."""

from __future__ import annotations

import pytest

from mlc_common.accounting import HoldReason

from .desk import Desk, OpenDesk
from .documents import line

pytestmark = [pytest.mark.kafka, pytest.mark.postgres, pytest.mark.asyncio(loop_scope="session")]

INVOICE_CALLS = {
    "GET api/DataEntry/inControl/{Batch}": 1,
    "GET api/PSALedger/{TransType}": 3,  # by batch, by number (whoever posted it), and the books afterwards
    "POST api/DataEntry/inControl": 1,
    "GET api/DataEntry/inDetail/{Batch}": 1,
    "PUT api/Settings/ActivePeriod/{Period}": 1,
    "PUT api/DataEntry/PostTransFile": 1,
}


async def test_an_invoice_takes_eight_calls_and_a_credit_seven(desk: OpenDesk) -> None:
    async with desk() as at:
        lines = [line("60.00", "4.80"), line("30.00", "2.40"), line("5.00", account="404.00")]
        await at.wish(at.wanted(1, at.invoice(1001, *lines)))
        async with at.posting():
            await at.quiet()  # from here on master data are remembered and the login is set
            await at.calls()
            bill = at.invoice(1002, *lines)
            await at.wish(at.wanted(1, bill))
            await at.quiet()
            for_the_invoice = await at.calls()
            await at.wish(at.wanted(2, at.credit(77, bill, line("30.00", "2.40"))))
            await at.quiet()
            for_the_credit = await at.calls()
        assert for_the_invoice == INVOICE_CALLS
        assert for_the_credit == INVOICE_CALLS | {"GET api/PSALedger/{TransType}": 2}
        assert at.metric("mlc_erp_calls_per_document_sum", kind="credit_note") == 7
        assert at.metric("mlc_documents_posted_total", kind="invoice") == 2


async def test_documents_by_state_and_holds_by_reason_are_shown(desk: OpenDesk) -> None:
    async with desk() as at:
        await at.wish(at.held(1, at.invoice(1001)), at.wanted(1, at.invoice(1002)))
        async with at.posting():
            await at.quiet()
        assert at.metric("mlc_holds_total", reason=HoldReason.TAX_CODE_UNKNOWN) == 1
        async with at.posting():  # refreshes at its start
            await at.until(lambda: shown(at, "held", 1))
        assert at.metric("mlc_posting_queue", state="verified") == 0
        assert at.metric("mlc_breaker_state") == 0


async def test_two_posters_of_one_connection_share_the_work_and_double_nothing(desk: OpenDesk) -> None:
    async with desk() as at:
        orders = range(1001, 1013)
        await at.wish(*(at.wanted(1, at.invoice(order)) for order in orders))
        async with at.posting("first"), at.posting("second"):
            await at.quiet()
        assert sorted(await at.batches()) == [f"IN-WC01-{order}" for order in orders]
        truth = await at.truth()
        assert truth["concurrency"]["writes_peak"] == 1  # one writer per company, across both
        assert truth["drafts"] == []


async def shown(at: Desk, state: str, count: int) -> bool:
    return at.metric("mlc_posting_queue", state=state) == count
