"""What changes in the store after posting, in Deltek's own books: adjusting files on the same project, to the cent."""

from __future__ import annotations

from decimal import Decimal

import pytest

from mlc_common.accounting import HoldReason

from .desk import OpenDesk
from .documents import line

pytestmark = [pytest.mark.kafka, pytest.mark.postgres, pytest.mark.asyncio(loop_scope="session")]

ADJUST = {"adjusting": "difference"}


async def test_five_edits_in_a_row_come_out_to_the_cent(desk: OpenDesk) -> None:
    async with desk() as at:
        await at.post(at.wanted(1, at.invoice(1001, line("100.00", "8.00"))))
        for seq, net in enumerate(("120.00", "119.99", "60.00", "60.00", "75.05"), start=2):
            await at.post(at.wanted(seq, at.invoice(1001, line(net, "8.00")), **ADJUST))
        assert await at.batches() == ["IN-WC01-1001", *(f"IN-WC01-1001-A{n}" for n in range(1, 5))]
        assert await at.booked("IN-WC01-1001-A3") == [("401.00", Decimal("59.99"))]
        assert await at.drafts() == []
        assert await at.net_booked() == {"401.00": Decimal("-75.05"), "221.00": Decimal("-8.00")}


async def test_another_tax_is_taken_back_and_charged_anew_though_the_total_stays(desk: OpenDesk) -> None:
    async with desk() as at:
        await at.post(at.wanted(1, at.invoice(1001, line("100.00", "8.00"))))
        await at.post(at.wanted(2, at.invoice(1001, line("101.00", "7.00")), **ADJUST))
        assert await at.booked("IN-WC01-1001-A1") == [("221.00", Decimal("1.00")), ("401.00", Decimal("-1.00"))]
        assert await at.open_amount() == Decimal("108.00")


async def test_a_refund_deleted_in_the_store_is_invoiced_again(desk: OpenDesk) -> None:
    async with desk() as at:
        bill = at.invoice()
        credit = at.credit(77, bill, line("25.00", "2.00"))
        await at.post(at.wanted(1, bill), at.wanted(2, credit))
        await at.post(at.withdrawn(3, credit).model_copy(update=ADJUST))
        assert await at.batches() == ["IN-WC01-1001", "CM-WC01-1001-R77", "CM-WC01-1001-R77-A1"]
        assert await at.net_booked() == {"401.00": Decimal("-100.00"), "221.00": Decimal("-8.00")}


async def test_an_order_that_is_cancelled_and_comes_back_is_invoiced_again(desk: OpenDesk) -> None:
    async with desk() as at:
        bill = at.invoice()
        await at.post(at.wanted(1, bill))
        await at.post(at.withdrawn(2, bill))
        await at.post(at.wanted(3, bill, **ADJUST))
        assert await at.batches() == ["IN-WC01-1001", "IN-WC01-1001-X1", "IN-WC01-1001-A2"]
        assert await at.net_booked() == {"401.00": Decimal("-100.00"), "221.00": Decimal("-8.00")}


async def test_an_adjustment_that_the_erp_cannot_take_is_held_with_its_reason(desk: OpenDesk) -> None:
    async with desk() as at:
        await at.post(at.wanted(1, at.invoice(1001, line("100.00", "8.00"))))
        changed = at.wanted(2, at.invoice(1001, line("120.00", "8.00", account="999.99")), **ADJUST)
        await at.post(changed)
        assert await at.batches() == ["IN-WC01-1001"]
        assert await at.reasons() == [HoldReason.ACCOUNT_UNKNOWN]
