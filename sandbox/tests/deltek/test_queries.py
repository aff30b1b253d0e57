"""The query syntax of lists: filters in all spellings, paging, sorting, columns, and what is silently ignored."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

import pytest

from mlc_sandbox.deltek.desk import Desk, exact, found, new_desk

PERIODS = "api/Settings/Period"


@pytest.fixture(name="names")
async def _names(desk: Desk) -> Desk:
    for i in range(60):
        await desk.control("firms", {"Name": f"Firm {i:02d}", "ClientID": f"{i:032x}", "Status": "AID"[i % 3]})
    return desk


async def raw(desk: Desk, path_and_query: str) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = exact(await desk.call("GET", path_and_query))
    return rows


@pytest.mark.parametrize(
    ("opp", "value", "count"),
    [
        ("=", "202611", 1), ("eq", "202611", 1), ("", "202611", 1), ("!=", "202611", 35), ("ne", "202611", 35),
        (">", "202711", 1), ("gt", "202711", 1), (">=", "202711", 2), ("ge", "202711", 2), ("<", "202502", 1),
        ("lt", "202502", 1), ("<=", "202502", 2), ("le", "202502", 2), ("in", "202501,202502,209912", 2),
        ("like", "2026%", 12),
    ],
)  # fmt: skip
async def test_an_operator_may_be_a_symbol_a_word_or_missing(desk: Desk, opp: str, value: str, count: int) -> None:
    query = {"filterHash[0][name]": "Period", "filterHash[0][value]": value, "pageSize": "50"}
    if opp:
        query["filterHash[0][opp]"] = opp
    assert len(await desk.rows(PERIODS, **query)) == count


async def test_brackets_may_be_raw_or_encoded(desk: Desk) -> None:
    plain = "filterHash[0][name]=Period&filterHash[0][value]=202611&filterHash[0][opp]=="
    encoded = quote(plain, safe="=&").replace("%5D==", "%5D=%3D")
    assert encoded.startswith("filterHash%5B0%5D")
    assert await raw(desk, f"{PERIODS}?{plain}") == await raw(desk, f"{PERIODS}?{encoded}")


async def test_conditions_join_with_the_word_on_the_entry_before(desk: Desk) -> None:
    base = "filterHash[0][name]=Period&filterHash[0][value]=202601&filterHash[0][condition]={}&filterHash[0][seq]=0"
    second = "&filterHash[1][name]=Period&filterHash[1][value]=202602&filterHash[1][seq]=1"
    assert len(await raw(desk, f"{PERIODS}?{base.format('OR')}{second}")) == 2
    assert await raw(desk, f"{PERIODS}?{base.format('AND')}{second}") == []


async def test_and_binds_more_than_or_and_seq_gives_the_order(desk: Desk) -> None:
    """(Period = 202601 AND FmtPeriod = wrong) OR Period = 202602, written out of order."""
    entries = [("Period", "202602", "", "2"), ("Period", "202601", "AND", "0"), ("FmtPeriod", "wrong", "OR", "1")]
    query: dict[str, str] = {}
    for i, (name, value, condition, seq) in enumerate(entries):
        query |= {f"filterHash[{i}][name]": name, f"filterHash[{i}][value]": value, f"filterHash[{i}][seq]": seq}
        query[f"filterHash[{i}][condition]"] = condition
    assert [row["Period"] for row in await desk.rows(PERIODS, **query)] == [202602]


async def test_a_text_compares_without_letter_case_and_trailing_spaces(names: Desk) -> None:
    rows = await names.rows("api/firm", **found({"Name": "FIRM 07  "}))
    assert [row["Name"] for row in rows] == ["Firm 07"]


async def test_dates_compare_as_instants_in_any_form(desk: Desk) -> None:
    query = {"filterHash[0][name]": "AccountPdStart", "filterHash[0][value]": "2026-11-01T00:00:00Z"}
    query |= {"filterHash[0][type]": "datetime", "filterHash[0][opp]": "="}
    assert [row["Period"] for row in await desk.rows(PERIODS, **query)] == [202611]


async def test_a_page_has_twenty_rows_unless_asked_and_never_more_than_the_cap(names: Desk) -> None:
    assert len(await names.rows("api/firm")) == 20
    assert len(await names.rows("api/firm", page=1, pageSize=7)) == 7
    assert len(await names.rows("api/firm", page=1, pageSize=100)) == 50
    assert len(await names.rows("api/firm", page=2, pageSize=100, order="ClientID_A")) == 15
    assert await names.rows("api/firm", page=3, pageSize=100, order="ClientID_A") == []
    assert len(await names.rows("api/firm", offset=60, limit=50)) == 5


async def test_ordered_pages_hold_every_row_once(names: Desk) -> None:
    pages = [await names.rows("api/firm", page=p, pageSize=20, order="ClientID_A") for p in (1, 2, 3, 4)]
    keys = [row["ClientID"] for page in pages for row in page]
    assert len(keys) == 65
    assert keys == sorted(set(keys))


async def test_rows_without_an_order_come_differently_each_time(names: Desk) -> None:
    first = await names.rows("api/firm", pageSize=50)
    second = await names.rows("api/firm", pageSize=50)
    assert first != second


@pytest.mark.parametrize(("order", "first"), [
    ("Period_A", 202501), ("Period_D", 202712), ("Period asc", 202501), ("Period desc", 202712), ("Period", 202501),
    ("period_d", 202712), ("FYStart_D,Period_A", 202701),
])  # fmt: skip
async def test_both_spellings_of_the_order_work(desk: Desk, order: str, first: int) -> None:
    assert (await desk.rows(PERIODS, order=order))[0]["Period"] == first


async def test_field_filter_chooses_columns_and_never_rows(names: Desk) -> None:
    rows = await names.rows("api/firm", fieldFilter="ClientID,Name,Nonsense", pageSize=50)
    assert len(rows) == 50
    assert all(list(row) == ["ClientID", "Name"] for row in rows)


async def test_field_filter_trims_the_answer_of_a_write(desk: Desk) -> None:
    body = {"Name": "A", "SortName": "A", "Status": "A", "ClientInd": "Y", "VendorInd": "N"}
    answer = await desk.call("POST", "api/firm", query={"fieldFilter": "ClientID"}, body=body)
    assert list(answer.json()[0]) == ["ClientID"]


async def test_unknown_parameters_and_unknown_columns_give_unfiltered_rows(names: Desk) -> None:
    assert len(await names.rows("api/firm", Name="Firm 07")) == 20
    assert len(await names.rows("api/firm", **found({"Nmae": "Firm 07"}))) == 20
    assert len(await names.rows("api/firm", **found({"custMLKey": "WC01:1"}))) == 20


async def test_a_tenant_may_refuse_unknown_columns() -> None:
    async with new_desk(unknown_filter_field="refuse") as desk:
        assert (await desk.call("GET", "api/firm", query=found({"Nmae": "x"}))).status_code == 500


async def test_an_unknown_operator_is_a_server_fault(desk: Desk) -> None:
    query = {"filterHash[0][name]": "Period", "filterHash[0][value]": "1", "filterHash[0][opp]": "~"}
    assert (await desk.call("GET", PERIODS, query=query)).status_code == 500


@pytest.mark.parametrize("path", [
    "api/PSALedger/IN", "api/DataEntry/allLanding", "api/DataEntry/inLanding", "api/DataEntry/inMaster/X",
    "api/DataEntry/inDetail/X", "api/DataEntry/inControl/X",
])  # fmt: skip
async def test_limit_is_answered_with_500_on_ledger_and_entry_lists(desk: Desk, path: str) -> None:
    answer = await desk.call("GET", path, query={"limit": "50"})
    assert (answer.status_code, answer.json()) == (500, {"message": "An error has occurred."})


async def test_maxrows_caps_before_paging(desk: Desk) -> None:
    for i in range(30):
        await desk.control("foreign-invoices", {"WBS1": "STORE.WEB01", "Invoice": f"H{i:06d}", "Amount": 1})
    assert len(await desk.rows("api/PSALedger/IN")) == 20
    assert len(await desk.rows("api/PSALedger/IN", **{"q.maxrows": 500})) == 60
    assert len(await desk.rows("api/PSALedger/IN", **{"q.maxrows": 5})) == 5
    capped = {"q.maxrows": 55, "pageSize": 100, "order": "PKey_A"}
    assert len(await desk.rows("api/PSALedger/IN", page=1, **capped)) == 50
    assert len(await desk.rows("api/PSALedger/IN", page=2, **capped)) == 5


async def test_a_long_query_may_come_as_a_post(desk: Desk) -> None:
    body = "filterHash[0][name]=Period&filterHash[0][value]=202611&filterHash[0][opp]=%3D"
    headers = {"dvp-postAsGet": "true", "Content-Type": "application/x-www-form-urlencoded"}
    answer = await desk.call("POST", PERIODS, body=body, headers=headers)
    assert [row["Period"] for row in answer.json()] == [202611]


async def test_wbstype_keeps_one_level_and_without_it_phases_stand_among_projects(desk: Desk) -> None:
    billed = found({"BillingClientID": "91b7d2c4f0a64c7e9d3e2f1a0b9c8d7e"})
    assert {row["WBS2"] for row in await desk.rows("api/project", **billed)} == {" ", "ONLINE", "PHONE"}
    assert [row["WBS2"] for row in await desk.rows("api/project", wbstype="wbs1", **billed)] == [" "]
    assert len(await desk.rows("api/project", wbstype="wbs2", **billed)) == 2
