"""From commands on the log to documents in the ERP's books: real Kafka, real PostgreSQL, the Deltek sandbox."""

from __future__ import annotations

from decimal import Decimal

import pytest

from mlc_common.accounting import HoldReason

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


async def test_two_refunds_return_the_whole_invoice_and_a_third_is_held(desk: OpenDesk) -> None:
    async with desk() as at:
        bill = at.invoice()
        refunds = [at.credit(77 + n, bill, line("50.00", "4.00")) for n in range(3)]
        await at.post(at.wanted(1, bill), *(at.wanted(2 + n, one) for n, one in enumerate(refunds)))
        assert await at.batches() == ["IN-WC01-1001", "CM-WC01-1001-R77", "CM-WC01-1001-R78"]
        assert await at.open_amount() == 0
        assert await at.reasons() == [HoldReason.CREDIT_EXCEEDS_INVOICE]
        assert at.metric("mlc_holds_total", reason="credit_exceeds_invoice") == 1


async def test_a_cancellation_after_posting_credits_what_refunds_have_not_returned(desk: OpenDesk) -> None:
    async with desk() as at:
        bill = at.invoice()
        await at.post(at.wanted(1, bill), at.wanted(2, at.credit(77, bill, line("25.00", "2.00"))))
        await at.post(at.withdrawn(3, bill))
        assert await at.batches() == ["IN-WC01-1001", "CM-WC01-1001-R77", "IN-WC01-1001-X1"]
        assert await at.booked("IN-WC01-1001-X1") == [("221.00", Decimal(6)), ("401.00", Decimal(75))]
        assert await at.open_amount() == 0


async def test_what_is_withdrawn_before_it_was_posted_leaves_no_trace(desk: OpenDesk) -> None:
    async with desk() as at:
        bill = at.invoice()
        credit = at.credit(77, bill, line("25.00", "2.00"))
        await at.post(at.wanted(1, bill), at.wanted(2, credit), at.withdrawn(3, bill), at.withdrawn(4, credit))
        truth = await at.truth()
        assert (truth["drafts"], truth["posted_files"], truth["ledger"]) == ([], [], [])
        assert set((await at.states()).values()) == {"withdrawn"}


async def test_a_draft_whose_posting_was_refused_goes_when_the_order_is_withdrawn(desk: OpenDesk) -> None:
    async with desk({"inactive_project": "post"}) as at:
        bill = at.invoice()
        await at.fault(
            "status", ("PUT", "PostTransFile"), status=500, body=_sentence("Project STORE.WEB01 is dormant.")
        )
        await at.post(at.wanted(1, bill))
        assert (await at.drafts(), await at.reasons()) == (["IN-WC01-1001"], [HoldReason.PROJECT_INACTIVE])
        await at.post(at.withdrawn(2, bill))
        assert (await at.drafts(), await at.batches(), await at.reasons()) == ([], [], [])


async def test_an_order_that_cannot_be_mapped_is_held_and_posted_once_it_can(desk: OpenDesk) -> None:
    async with desk() as at:
        bill = at.invoice()
        await at.post(at.held(1, bill))
        (hold,) = await at.holds()
        assert (hold.reason, hold.detail) == (HoldReason.TAX_CODE_UNKNOWN, "Tax rate 7 has no code.")
        assert (await at.truth())["calls"] == {}
        await at.post(at.wanted(2, bill))
        assert (await at.batches(), await at.reasons()) == (["IN-WC01-1001"], [])


async def test_a_credit_waits_behind_its_held_invoice_and_follows_it(desk: OpenDesk) -> None:
    async with desk() as at:
        bill = at.invoice()
        await at.post(at.held(1, bill), at.wanted(2, at.credit(77, bill, line("25.00", "2.00"))))
        assert (await at.batches(), await at.drafts(), len(await at.holds())) == ([], [], 1)
        await at.post(at.wanted(3, bill))
        assert await at.batches() == ["IN-WC01-1001", "CM-WC01-1001-R77"]
        assert await at.open_amount() == Decimal("81.00")


async def test_a_change_after_posting_is_held_and_never_edits_the_books(desk: OpenDesk) -> None:
    async with desk() as at:
        bill = at.invoice()
        await at.post(at.wanted(1, bill))
        before = (await at.truth())["ledger"]
        await at.post(at.wanted(2, at.invoice(1001, line("120.00", "9.60"))))
        assert await at.reasons() == [HoldReason.CHANGED_AFTER_POSTING]
        assert (await at.truth())["ledger"] == before
        await at.post(at.wanted(3, bill))
        assert (await at.reasons(), (await at.truth())["ledger"]) == ([], before)


async def test_the_same_command_twenty_times_is_one_invoice(desk: OpenDesk) -> None:
    async with desk() as at:
        command = at.wanted(1, at.invoice())
        await at.wish(*[command] * 20)
        at.expect(1)
        async with at.posting():
            await at.quiet()
        assert await at.batches() == ["IN-WC01-1001"]
        assert await at.open_amount() == Decimal("108.00")


async def test_nothing_behind_a_gap_is_posted_until_the_gap_is_filled(desk: OpenDesk) -> None:
    async with desk() as at:
        bill = at.invoice()
        await at.wish(at.wanted(2, at.credit(77, bill, line("25.00", "2.00"))))
        async with at.posting():
            await at.quiet()
            assert (await at.batches(), await at.drafts()) == ([], [])
            await at.wish(at.wanted(1, bill))
            await at.quiet()
        assert await at.batches() == ["IN-WC01-1001", "CM-WC01-1001-R77"]


async def test_a_newer_wish_replaces_a_draft_that_was_not_posted(desk: OpenDesk) -> None:
    async with desk() as at:
        await at.fault("status", ("PUT", "PostTransFile"), status=400, body=_sentence("The file is not approved."))
        await at.post(at.wanted(1, at.invoice()))
        assert (await at.drafts(), await at.reasons()) == (["IN-WC01-1001"], [HoldReason.REFUSED_BY_ERP])
        await at.post(at.wanted(2, at.invoice(1001, line("40.00", "3.20"))))
        assert (await at.drafts(), await at.batches()) == ([], ["IN-WC01-1001"])
        assert await at.open_amount() == Decimal("43.20")


def _sentence(text: str) -> str:
    return f'{{"message": "{text}"}}'
