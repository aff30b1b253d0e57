"""The mode without files: one entry per call, no landing rows, and posted entries that disappear."""

from __future__ import annotations

from collections.abc import AsyncIterator
from decimal import Decimal

import pytest

from mlc_sandbox.deltek.desk import Desk, exact, found, new_desk
from mlc_sandbox.deltek.specimens import invoice, loose_invoice, transfer

MASTER = "api/DataEntry/inMaster/IN-WC01-1%7CWA00001"


@pytest.fixture
async def loose() -> AsyncIterator[Desk]:
    async with new_desk(use_files=False) as desk:
        yield desk


async def test_an_entry_is_created_under_batch_and_number_and_read_back(loose: Desk) -> None:
    answer = await loose.call("POST", MASTER, body=loose_invoice())
    assert (answer.status_code, exact(answer)[0]["ClientName"]) == (201, "Online customers")
    assert len(await loose.rows("api/DataEntry/inMaster/IN-WC01-1")) == 1
    assert len(await loose.rows("api/DataEntry/inDetail/IN-WC01-1")) == 2
    assert (await loose.call("GET", MASTER)).status_code == 200


async def test_there_are_no_files_to_see(loose: Desk) -> None:
    await loose.call("POST", MASTER, body=loose_invoice())
    assert (await loose.call("GET", "api/DataEntry/inControl/IN-WC01-1")).status_code == 404
    assert await loose.rows("api/DataEntry/allLanding") == []


async def test_each_mode_refuses_the_calls_of_the_other(loose: Desk, desk: Desk) -> None:
    with_files = await loose.call("POST", "api/DataEntry/inControl", body=invoice())
    without = await desk.call("POST", MASTER, body=loose_invoice())
    assert (with_files.status_code, without.status_code) == (400, 400)
    assert "do not use files" in with_files.json()["message"]
    assert "use files" in without.json()["message"]


async def test_a_posted_entry_disappears_from_entry_and_stands_in_the_ledger(loose: Desk) -> None:
    await loose.call("POST", MASTER, body=loose_invoice())
    answer = await loose.call("PUT", "api/DataEntry/PostTransFile", body=transfer())
    assert '"retList": "1"' in answer.json()
    assert await loose.rows("api/DataEntry/inMaster/IN-WC01-1") == []
    assert await loose.rows("api/DataEntry/inDetail/IN-WC01-1") == []
    assert (await loose.call("GET", MASTER)).status_code == 404
    assert len(await loose.rows("api/PSALedger/IN", **found({"Batch": "IN-WC01-1"}))) == 3
    again = await loose.call("PUT", "api/DataEntry/PostTransFile", body=transfer())
    assert '"retList": "0"' in again.json()


@pytest.mark.parametrize(("guard", "status"), [("always", 400), ("unposted", 201)])
async def test_the_same_entry_is_refused_while_it_waits_and_after_posting_unless_forgotten(
    guard: str, status: int
) -> None:
    async with new_desk(use_files=False, duplicate_guard=guard) as desk:
        await desk.call("POST", MASTER, body=loose_invoice())
        again = await desk.call("POST", MASTER, body=loose_invoice())
        assert again.json()["message"] == "Record IN-WC01-1|WA00001 already exists and cannot be added."
        await desk.call("PUT", "api/DataEntry/PostTransFile", body=transfer())
        assert (await desk.call("POST", MASTER, body=loose_invoice())).status_code == status


async def test_two_entries_share_a_batch_and_post_together(loose: Desk) -> None:
    await loose.call("POST", MASTER, body=loose_invoice())
    second = loose_invoice("IN-WC01-1", "WA00002")
    answer = await loose.call("POST", "api/DataEntry/inMaster/IN-WC01-1%7CWA00002", body=second)
    assert answer.status_code == 201, answer.text
    await loose.call("PUT", "api/DataEntry/PostTransFile", body=transfer())
    truth = await loose.dump()
    assert {key: row["Balance"] for key, row in truth["ar"].items()} == {
        "STORE.WEB01|WA00001": "108.00",
        "STORE.WEB01|WA00002": "108.00",
    }


async def test_an_entry_can_be_changed_and_deleted_while_it_waits(loose: Desk) -> None:
    await loose.call("POST", MASTER, body=loose_invoice())
    new = loose_invoice(lines=[("402.00", Decimal("9.99"), "")])
    changed = await loose.call("PUT", MASTER, body={"TransComment": "new", "inDetail": new["inDetail"]})
    assert exact(changed)[0]["TransComment"] == "new"
    assert [d["Amount"] for d in await loose.rows("api/DataEntry/inDetail/IN-WC01-1")] == [Decimal("9.99")]
    assert (await loose.call("DELETE", MASTER)).status_code == 200
    assert (await loose.call("DELETE", MASTER)).status_code == 404
    assert (await loose.dump())["drafts"] == []


async def test_a_body_that_contradicts_its_path_is_a_fault(loose: Desk) -> None:
    answer = await loose.call("POST", MASTER, body=loose_invoice(number="WA00009"))
    assert answer.status_code == 500
    assert (await loose.dump())["drafts"] == []


async def test_a_short_number_in_path_and_body_is_padded_alike(loose: Desk) -> None:
    answer = await loose.call("POST", "api/DataEntry/inMaster/B%7C12", body=loose_invoice("B", "12"))
    assert (answer.status_code, exact(answer)[0]["Invoice"]) == (201, "0000012")


async def test_the_probe_for_the_mode_can_be_asked_at_any_time(desk: Desk) -> None:
    await desk.control("settings", {"use_files": False})
    assert (await desk.call("POST", "api/DataEntry/inControl", body=invoice())).status_code == 400
