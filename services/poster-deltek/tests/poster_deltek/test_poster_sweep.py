"""Drafts left behind after their document was posted are cleared away; nobody else's, and none that is in work."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from mlc_common.events import DocumentWish
from mlc_poster_deltek.sweep import Sweep

from .desk import Desk, OpenDesk, file_for

pytestmark = [pytest.mark.kafka, pytest.mark.postgres, pytest.mark.asyncio(loop_scope="session")]


async def swept(at: Desk) -> list[str]:
    """Sweep once."""
    async with at.client() as client:
        return await Sweep(client, at.runtime.pool, at.runtime.clock, connection=at.erp).once()


async def test_a_second_file_of_a_posted_document_is_removed_and_the_books_are_not_touched(desk: OpenDesk) -> None:
    async with desk({"duplicate_guard": "unposted"}) as at:
        await at.post(at.wanted(1, at.invoice(1001)), at.wanted(1, at.invoice(1002)))
        books = (await at.truth())["ledger"]
        async with at.client() as woken:
            await woken.create_invoice(file_for(at.invoice(1001)))
        assert await at.drafts() == ["IN-WC01-1001"]
        assert await swept(at) == ["IN-WC01-1001"]
        assert (await at.drafts(), (await at.truth())["ledger"]) == ([], books)
        assert await swept(at) == []


async def test_drafts_that_wait_for_a_person_and_drafts_of_others_are_left_alone(desk: OpenDesk) -> None:
    async with desk() as at:
        await at.fault("status", ("PUT", "PostTransFile"), status=400, body='{"message": "The file is not approved."}')
        await at.post(at.wanted(1, at.invoice()))
        await at.tell("foreign-invoices", WBS1="STORE.WEB01", Invoice="HAND001", Amount="1.00", post=False)
        assert await swept(at) == []
        assert await at.drafts() == ["IN-WC01-1001", "HAND-0001"]


async def test_a_file_whose_document_the_ledger_does_not_show_is_left_for_a_person(desk: OpenDesk) -> None:
    """Our own table says posted; that alone removes nothing."""
    async with desk() as at:
        async with at.client() as client:
            await client.create_invoice(file_for(at.invoice()))
        await at.wish(at.held(1, at.invoice()))
        async with at.posting():
            await at.quiet()
        await at.runtime.pool.execute(
            """
            update posting_documents set state = 'verified', settled_seq = newest_seq, posted = $2,
                plan = '{"reference": "IN-WC01-1001", "number": "WA01001", "resolved": ' || $3 || '}'
            where flow = $1
            """,
            at.flow,
            DocumentWish(document=at.invoice()).document.model_dump_json(),
            '{"project": "STORE.WEB01", "period": "202611", "company": "00", "invoice": "WA01001"}',
        )
        assert await swept(at) == []
        assert await at.drafts() == ["IN-WC01-1001"]


@pytest.mark.parametrize(("altered", "swept_away"), [(False, True), (True, False)], ids=["as we sent it", "altered"])
async def test_a_file_of_a_withdrawn_document_is_removed_if_it_is_what_we_sent(
    desk: OpenDesk, altered: bool, swept_away: bool
) -> None:
    """Its sender was frozen, and woke up when the order had been cancelled: a person who posts it would book that."""
    async with desk() as at:
        await at.fault("status", ("PUT", "PostTransFile"), status=400, body='{"message": "The file is not approved."}')
        await at.post(at.wanted(1, at.invoice()))
        await at.heal()
        await at.post(at.withdrawn(2, at.invoice()))
        assert (await at.drafts(), list((await at.states()).values())) == ([], ["withdrawn"])
        file = file_for(at.invoice())
        async with at.client() as woken:
            await woken.create_invoice(replace(file, trans_date=file.trans_date - timedelta(1)) if altered else file)
        assert await swept(at) == (["IN-WC01-1001"] if swept_away else [])
        assert await at.drafts() == ([] if swept_away else ["IN-WC01-1001"])
