"""What networks and servers do to single calls: however a call ends, the books hold the document exactly once."""

from __future__ import annotations

import asyncio
from decimal import Decimal
from typing import Any

import pytest

from mlc_common.accounting import HoldReason

from .desk import CREATE, POST, WINDOW_S, Desk, OpenDesk
from .documents import line

pytestmark = [pytest.mark.kafka, pytest.mark.postgres, pytest.mark.asyncio(loop_scope="session")]

HTML = "<html><body>Bad gateway</body></html>"
BOTH = pytest.mark.parametrize("call", [CREATE, POST], ids=["create", "post"])


async def posted_once(at: Desk) -> None:
    """Post one order, and see that it stands in the books once."""
    await at.post(at.wanted(1, at.invoice()))
    assert await in_the_books_once(at)


async def in_the_books_once(at: Desk) -> bool:
    """Whether the order's invoice is posted once, nothing else is, and nothing waits for a person."""
    truth = await at.truth()
    assert (await at.batches(), truth["drafts"], await at.reasons()) == (["IN-WC01-1001"], [], [])
    assert await at.booked("IN-WC01-1001") == [("221.00", Decimal(-8)), ("401.00", Decimal(-100))]
    return await at.open_amount() == Decimal(108)


@BOTH
@pytest.mark.parametrize(
    "fault",
    [
        {"kind": "cut_before"},
        {"kind": "cut_after"},
        {"kind": "cut_during"},
        {"kind": "hang_after"},
        {"kind": "replace_body", "status": 500, "body": HTML},
        {"kind": "replace_body", "status": 200, "body": '"no list of anything"'},
    ],
    ids=[
        "cut before",
        "cut after",
        "cut in the answer",
        "hang after",
        "500 after",
        "unreadable 200 after",
    ],
)
async def test_a_write_without_an_answer_is_looked_for_and_never_repeated_blindly(
    desk: OpenDesk, call: tuple[str, str], fault: dict[str, Any]
) -> None:
    async with desk() as at:
        await at.fault(call=call, **fault)
        await posted_once(at)


@BOTH
async def test_a_write_that_takes_effect_after_its_connection_was_cut_is_waited_for(
    desk: OpenDesk, call: tuple[str, str]
) -> None:
    async with desk() as at:
        await at.fault("late_commit", call, seconds=WINDOW_S * 0.6)
        await posted_once(at)


@BOTH
async def test_a_tenant_that_asks_for_a_pause_gets_it(desk: OpenDesk, call: tuple[str, str]) -> None:
    async with desk() as at:
        await at.fault(
            "status", call, status=429, headers={"Retry-After": "1"}, body='{"message": "Too many requests."}'
        )
        await posted_once(at)
        assert (await at.calls())[f"{call[0]} api/{call[1].removesuffix('$')}"] == 2


@pytest.mark.parametrize(("call", "status"), [(CREATE, 400), (POST, 500)], ids=["create", "post"])
async def test_a_readable_refusal_holds_with_the_tenants_own_sentence(
    desk: OpenDesk, call: tuple[str, str], status: int
) -> None:
    async with desk() as at:
        await at.fault("status", call, status=status, body='{"message": "Please provide a Vendor Type for table X"}')
        await at.post(at.wanted(1, at.invoice()))
        (hold,) = await at.holds()
        assert hold.reason == HoldReason.REFUSED_BY_ERP
        assert "Please provide a Vendor Type" in hold.detail
        assert await at.batches() == []
        await at.post(at.wanted(2, at.invoice()))
        assert await in_the_books_once(at)


async def test_a_session_that_ends_after_every_second_call_costs_time_and_no_document(desk: OpenDesk) -> None:
    async with desk({"token_calls": 2}) as at:
        bill = at.invoice()
        await at.post(at.wanted(1, bill), at.wanted(2, at.credit(77, bill, line("25.00", "2.00"))))
        assert await at.batches() == ["IN-WC01-1001", "CM-WC01-1001-R77"]
        assert (await at.open_amount(), await at.drafts()) == (Decimal(81), [])


async def test_revoked_sessions_are_renewed_by_the_password(desk: OpenDesk) -> None:
    async with desk() as at:
        await at.wish(at.wanted(1, at.invoice(1001)))
        async with at.posting():
            await at.quiet()
            await at.tell("tokens/revoke")
            await at.wish(at.wanted(1, at.invoice(1002)))
            await at.quiet()
        assert await at.batches() == ["IN-WC01-1001", "IN-WC01-1002"]


@pytest.mark.parametrize("kind", ["cut_after", "status"])
async def test_look_ups_that_fail_are_repeated(desk: OpenDesk, kind: str) -> None:
    async with desk() as at:
        await at.fault(kind, ("GET", "PSALedger|inControl|inDetail|Accounts"), times=3, status=500, body=HTML)
        await posted_once(at)


@pytest.mark.parametrize("call", [CREATE, POST], ids=["create", "post"])
async def test_a_gateway_that_delivers_a_write_twice_doubles_nothing(desk: OpenDesk, call: tuple[str, str]) -> None:
    async with desk() as at:
        await at.tell("doubles", method=call[0], path=call[1])
        await posted_once(at)


@pytest.mark.parametrize(
    ("flags", "answer"), [(True, "fault"), (False, "fault"), (False, "zero")], ids=["marked", "not marked", "refused"]
)
async def test_a_posting_run_that_stopped_half_way_is_recognised_by_the_ledger(
    desk: OpenDesk, flags: bool, answer: str
) -> None:
    async with desk() as at:
        await at.tell("half-posts", batch="IN-WC01-1001", masters=1, flags=flags, answer=answer)
        await at.post(at.wanted(1, at.invoice()))
        assert await at.booked("IN-WC01-1001") == [("221.00", Decimal(-8)), ("401.00", Decimal(-100))]
        assert (await at.open_amount(), await at.reasons()) == (Decimal(108), [])
        assert await at.states() == {"IN-WC01-1001": "verified"}


async def test_a_run_that_stopped_before_the_first_entry_is_posted_again(desk: OpenDesk) -> None:
    async with desk() as at:
        await at.tell("half-posts", batch="IN-WC01-1001", masters=0)
        await posted_once(at)


async def test_while_the_breaker_is_open_nothing_is_leased_and_then_it_goes_on_by_itself(desk: OpenDesk) -> None:
    async with desk() as at:
        await at.fault("status", ("", "/api/"), status=503, body=HTML, times=-1)
        await at.wish(at.wanted(1, at.invoice()))
        async with at.posting():
            await at.until(lambda: opened(at))
            await at.wish(*(at.wanted(1, at.invoice(2000 + n)) for n in range(10)))
            await at.until(lambda: arrived(at, 11))
            await at.calls()
            await asyncio.sleep(0.4)
            calls = sum((await at.calls()).values())
            assert calls <= 2  # one probe each half second, and no more however much waits
            assert await at.reasons() == []
            await at.heal()
            await at.quiet()
        assert len(await at.batches()) == 11
        assert await at.drafts() == []


async def opened(at: Desk) -> bool:
    """Whether the breaker shows as open."""
    text = at.runtime.metrics.render()[1].decode()
    return f'mlc_breaker_state{{connection="{at.erp}"}} 2.0' in text


async def arrived(at: Desk, commands: int) -> bool:
    """Whether so many commands are in the queue."""
    query = "select count(*) from posting_queue where flow = $1"
    return bool(await at.runtime.pool.fetchval(query, at.flow) == commands)
