"""From commands on the log to documents in the ERP's books: real Kafka, real PostgreSQL, the Deltek sandbox."""

from __future__ import annotations

from decimal import Decimal

import pytest

from .desk import OpenDesk
from .documents import line

pytestmark = [pytest.mark.kafka, pytest.mark.postgres, pytest.mark.asyncio(loop_scope="session")]


async def test_an_invoice_is_posted_to_the_cent(desk: OpenDesk) -> None:
    async with desk() as at:
        lines = (line("89.90", "7.19"), line("-10.00", "-0.80", account="409.00"), line("4.95", account="404.00"))
        await at.post(at.wanted(1, at.invoice(1001, *lines)))
        assert await at.batches() == ["IN-WC01-1001"]
        assert await at.drafts() == []
        assert await at.booked("IN-WC01-1001") == [
            ("221.00", Decimal("-6.39")),
            ("401.00", Decimal("-89.90")),
            ("404.00", Decimal("-4.95")),
            ("409.00", Decimal("10.00")),
        ]
        assert await at.open_amount() == Decimal("91.24")


async def test_a_refund_by_line_is_a_credit_on_its_invoice(desk: OpenDesk) -> None:
    async with desk() as at:
        bill = at.invoice()
        await at.post(at.wanted(1, bill), at.wanted(2, at.credit(77, bill, line("25.00", "2.00"))))
        assert await at.batches() == ["IN-WC01-1001", "CM-WC01-1001-R77"]
        assert await at.booked("CM-WC01-1001-R77") == [("221.00", Decimal(2)), ("401.00", Decimal(25))]
        assert await at.open_amount() == Decimal("81.00")
        (row,) = (await at.truth())["ar"].values()
        assert [one["credit_memo"] for one in row["Postings"]] == ["", "WAR00077"]
