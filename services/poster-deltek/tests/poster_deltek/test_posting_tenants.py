"""Tenants differ, people and frozen processes act at the wrong moment: the books come out right all the same."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from mlc_common.accounting import HoldReason

from .desk import CREATE, Desk, OpenDesk, file_for
from .documents import line

pytestmark = [pytest.mark.kafka, pytest.mark.postgres, pytest.mark.asyncio(loop_scope="session")]

NO_FILES: dict[str, Any] = {"use_files": False}
LOOSE: dict[str, Any] = {"transactions": NO_FILES}
USER = "ML_CONNECTOR"


async def invoice_and_credit(at: Desk) -> None:
    """Post an order with a refund and a cancellation, and see that the books say so."""
    bill = at.invoice()
    await at.post(at.wanted(1, bill), at.wanted(2, at.credit(77, bill, line("25.00", "2.00"))))
    assert await at.open_amount() == Decimal(81)
    await at.post(at.withdrawn(3, bill))
    assert (await at.open_amount(), await at.drafts(), await at.reasons()) == (Decimal(0), [], [])
    assert await at.batches() == ["IN-WC01-1001", "CM-WC01-1001-R77", "IN-WC01-1001-X1"]


@pytest.mark.parametrize(
    ("erp", "contract"),
    [
        ({"refusal_status": 500, "created_answer": "object", "absent_single": "empty"}, {}),
        (NO_FILES, LOOSE),
        ({**NO_FILES, "refusal_status": 500, "absent_single": "empty"}, LOOSE),
        ({"page_size_cap": 1}, {}),
        ({"transfile_answer": "object", "date_style": "zulu"}, {}),
    ],
    ids=["refuses with 500", "no files", "no files, 500", "one row a page", "tidy answers"],
)
async def test_invoice_credit_and_cancellation_are_posted_whatever_the_tenant_is_like(
    desk: OpenDesk, erp: dict[str, Any], contract: dict[str, Any]
) -> None:
    async with desk(erp, contract=contract) as at:
        await invoice_and_credit(at)


@pytest.mark.parametrize("call", [CREATE, ("PUT", "PostTransFile$")], ids=["create", "post"])
async def test_without_files_a_write_without_an_answer_is_found_by_its_batch(
    desk: OpenDesk, call: tuple[str, str]
) -> None:
    async with desk(NO_FILES, contract=LOOSE) as at:
        await at.fault("cut_after", ("", "inMaster|PostTransFile") if call == CREATE else call, skip=1)
        await at.post(at.wanted(1, at.invoice()))
        assert (await at.batches(), await at.drafts()) == (["IN-WC01-1001"], [])
        assert await at.open_amount() == Decimal(108)


async def test_an_invoice_of_ours_is_found_behind_many_rows_of_others(desk: OpenDesk) -> None:
    """Nothing is posted twice because a look stopped at a short first page."""
    async with desk({"page_size_cap": 3}) as at:
        for number in range(12):
            await at.tell("foreign-invoices", WBS1="STORE.B2B01", Invoice="WA01001", Amount=f"{number + 1}.00")
        lines = [line(f"{n + 1}.00", source_line=f"line:{n}") for n in range(8)]
        bill = at.invoice(1001, *lines)
        await at.fault("cut_after", ("PUT", "PostTransFile$"))
        await at.post(at.wanted(1, bill))
        assert await at.booked("IN-WC01-1001") == sorted(("401.00", -one.net) for one in lines)
        assert (await at.open_amount(), await at.states()) == (Decimal(36), {"IN-WC01-1001": "verified"})


async def test_a_person_who_moves_the_logins_period_moves_none_of_our_documents(desk: OpenDesk) -> None:
    async with desk({"login_state": "login"}) as at:
        async with at.posting():
            for order in range(1001, 1004):
                await at.tell("users", name=USER, active_period=202612)
                await at.wish(at.wanted(1, at.invoice(order)))
                await at.quiet()
        assert {row["Period"] for row in (await at.truth())["ledger"]} == {202611}
        assert (len(await at.batches()), await at.drafts(), await at.reasons()) == (3, [], [])


async def test_a_period_moved_between_create_and_posting_is_set_again(desk: OpenDesk) -> None:
    async with desk({"login_state": "login"}) as at:
        await at.fault("delay", ("GET", "inDetail"), seconds=0.4)  # the draft is there and not yet posted
        await at.wish(at.wanted(1, at.invoice()))
        async with at.posting():
            await at.until(lambda: has_draft(at))
            await at.tell("users", name=USER, active_period=202612)
            await at.quiet()
        assert {row["Period"] for row in (await at.truth())["ledger"]} == {202611}


async def test_a_draft_that_a_person_edited_is_never_posted_as_it_is(desk: OpenDesk) -> None:
    async with desk() as at:
        await at.fault("status", ("PUT", "PostTransFile"), status=400, body='{"message": "The file is not approved."}')
        await at.post(at.wanted(1, at.invoice()))
        assert await at.drafts() == ["IN-WC01-1001"]
        async with at.client() as client:
            await client.amend_invoice(file_for(at.invoice(1001, line("999.00"))))
        await at.post(at.wanted(2, at.invoice()))
        assert (await at.open_amount(), await at.drafts()) == (Decimal(108), [])


async def test_a_file_of_somebody_else_under_our_name_is_a_conflict(desk: OpenDesk) -> None:
    async with desk() as at:
        await at.tell(
            "foreign-invoices", WBS1="STORE.WEB01", Invoice="HAND001", Amount="1.00", Batch="IN-WC01-1001", post=False
        )
        await at.post(at.wanted(1, at.invoice()))
        assert (await at.reasons(), await at.drafts()) == ([HoldReason.CONFLICT_IN_ERP], ["IN-WC01-1001"])
        assert await at.batches() == []


@pytest.mark.parametrize("guard", ["always", "unposted"])
async def test_a_frozen_sender_that_wakes_up_late_doubles_nothing(desk: OpenDesk, guard: str) -> None:
    """Its create meets a file that is posted; where the tenant lets it in, the next look clears it away."""
    async with desk({"duplicate_guard": guard}) as at:
        bill = at.invoice()
        await at.fault("hang_after", ("PUT", "PostTransFile$"))
        await at.wish(at.wanted(1, bill))
        async with at.posting():
            await at.until(lambda: is_posted(at))  # and the poster ends before it hears of it
        async with at.client() as frozen:
            woke = await attempt(frozen.create_invoice(file_for(bill)))
        async with at.posting():
            await at.quiet()
        assert woke == ("created" if guard == "unposted" else "DuplicateRecord")
        assert len([row for row in (await at.truth())["ledger"] if row["AutoEntry"] == "N"]) == 2
        assert (await at.open_amount(), await at.drafts(), await at.reasons()) == (Decimal(108), [], [])


async def test_a_create_that_another_sender_was_faster_with_is_taken_up(desk: OpenDesk) -> None:
    async with desk() as at:
        await at.fault("delay", CREATE, seconds=0.3)
        await at.wish(at.wanted(1, at.invoice()))
        async with at.client() as other, at.posting():
            await at.until(lambda: announced(at))
            await attempt(other.create_invoice(file_for(at.invoice())))
            await at.quiet()
        assert (await at.batches(), await at.drafts(), await at.open_amount()) == (["IN-WC01-1001"], [], Decimal(108))


async def test_a_role_without_the_right_to_post_holds_and_says_so(desk: OpenDesk) -> None:
    async with desk() as at:
        await at.tell("users", name=USER, denied=["post"])
        await at.post(at.wanted(1, at.invoice()))
        assert await at.reasons() == [HoldReason.RIGHTS_MISSING]
        await at.tell("users", name=USER, denied=[])
        await at.post(at.wanted(2, at.invoice()))
        assert (await at.batches(), await at.open_amount()) == (["IN-WC01-1001"], Decimal(108))


async def has_draft(at: Desk) -> bool:
    return bool(await at.drafts())


async def is_posted(at: Desk) -> bool:
    return bool(await at.batches())


async def announced(at: Desk) -> bool:
    return "creating" in (await at.states()).values()


async def attempt(writing: Any) -> str:
    """What became of a write: created, or the name of the refusal."""
    try:
        await writing
    except Exception as error:
        return type(error).__name__
    return "created"
