"""Look-ups: spelling, paging, and rows checked against what was asked."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from mlc_common.errors import Retryable
from mlc_vendors.deltek import Condition, EndpointMissing, LookupMismatch, UnknownShape, load_contract
from mlc_vendors.deltek.query import MOST_ROWS, Lookup, Walk, filter_params, page_params


def test_conditions_are_spelled_as_recorded(recorded: Any) -> None:
    query = recorded.exchanges("firm-find")[0]["request"]["query"]
    params = filter_params([Condition("custMLKey", "WC01:42")], load_contract().query)
    assert dict(params) == {name: value for name, value in query.items() if name.startswith("filterHash")}


def test_the_joining_word_sits_on_the_entry_before() -> None:
    params = dict(filter_params([Condition("A", "x"), Condition("B", 5, "ge")], load_contract().query))
    assert params["filterHash[0][condition]"] == "AND"
    assert "filterHash[1][condition]" not in params
    assert (params["filterHash[1][seq]"], params["filterHash[1][opp]"], params["filterHash[1][type]"]) == (
        "1",
        ">=",
        "int",
    )


def test_page_size_and_order_are_always_said_and_entry_lists_get_a_row_cap() -> None:
    query = load_contract().query
    lookup = Lookup(key=("PKey",), order="PKey")
    hub = dict(page_params(lookup, 0, "firm", query))
    ledger = dict(page_params(lookup, 2, "PSALedger/IN", query))
    assert hub == {"page": "1", "pageSize": "100", "order": "PKey_A"}
    assert ledger == {"page": "3", "pageSize": "100", "order": "PKey_A", "q.maxrows": str(MOST_ROWS)}


def _walk(*where: Condition) -> Walk:
    return Walk(Lookup(where=where, key=("K",), order="K"), "test")


def _rows(*keys: int) -> list[dict[str, Any]]:
    return [{"K": key, "Batch": "B1"} for key in keys]


def test_an_empty_first_page_is_the_end() -> None:
    walk = _walk()
    assert (walk.add([]), walk.rows) == (False, {})


def test_a_short_first_page_needs_one_look_at_the_next() -> None:
    walk = _walk()
    assert walk.add(_rows(1, 2)) is True
    assert walk.add([]) is False
    assert len(walk.rows) == 2


def test_a_page_shorter_than_the_first_is_the_end_also_where_the_tenant_caps_pages() -> None:
    walk = _walk()
    assert [walk.add(_rows(1, 2, 3)), walk.add(_rows(4, 5, 6)), walk.add(_rows(7))] == [True, True, False]
    assert len(walk.rows) == 7


def test_the_same_key_on_two_pages_is_one_row() -> None:
    walk = _walk()
    walk.add(_rows(1, 2))
    assert walk.add(_rows(2, 3)) is True
    assert [key for (key,) in walk.rows] == ["1", "2", "3"]


def test_a_tenant_that_ignores_paging_does_not_keep_us_for_ever() -> None:
    walk = _walk()
    assert [walk.add(_rows(1, 2)), walk.add(_rows(1, 2))] == [True, False]


def test_a_row_that_was_not_asked_for_is_an_error_wherever_it_comes() -> None:
    walk = _walk(Condition("Batch", "B1"))
    walk.add(_rows(1, 2))
    with pytest.raises(LookupMismatch, match="Batch is not the one asked for"):
        walk.add([{"K": 3, "Batch": "B1"}, {"K": 4, "Batch": "B2"}])


def test_a_row_without_the_column_that_was_asked_for_is_an_error() -> None:
    with pytest.raises(LookupMismatch):
        _walk(Condition("custMLKey", "WC01:1")).add([{"K": 1}])


def test_a_row_without_its_key_is_an_error_and_not_one_row_for_all() -> None:
    with pytest.raises(UnknownShape, match="without K"):
        _walk().add([{"X": 1}, {"X": 2}])


def test_different_rows_of_one_key_on_one_page_are_an_error() -> None:
    with pytest.raises(UnknownShape, match="different rows of one key"):
        _walk().add([{"K": 1, "Amount": Decimal("1")}, {"K": 1, "Amount": Decimal("2")}])


def test_more_rows_than_a_look_up_can_have_are_an_error() -> None:
    with pytest.raises(LookupMismatch, match="narrow"):
        _walk().add(_rows(*range(MOST_ROWS)))


@pytest.mark.parametrize(
    ("condition", "row", "holds"),
    [
        (Condition("A", "x"), {"A": "X "}, True),  # the database compares so
        (Condition("A", "x"), {"A": "xy"}, False),
        (Condition("A", "x"), {"A": None}, False),
        (Condition("A", 202611), {"A": "202611"}, True),
        (Condition("A", "north", "like"), {"A": "Northwind"}, True),
        (Condition("A", "north", "like"), {"A": "South"}, False),
        (Condition("A", 5, "ge"), {"A": 5}, True),
        (Condition("A", 5, "lt"), {"A": 5}, False),
        (Condition("A", "2026-11-20T00:00:00", "ge"), {"A": "2026-11-20T00:00:00.000"}, True),
        (Condition("A", "2026-11-20T00:00:00", "lt"), {"A": "2026-11-21T00:00:00.000"}, False),
    ],
)
def test_conditions_hold_as_the_tenant_means_them(condition: Any, row: Any, holds: Any) -> None:
    assert condition.holds(row) is holds


LEDGER_ROW = {"Batch": "B1", "Period": 202611, "PostSeq": 1, "Account": "401.00", "Amount": Decimal("-1.50")}


async def test_a_look_up_reads_all_pages_of_a_tenant_that_caps_them(
    make_client: Any, tenant: Any, recorded: Any
) -> None:
    pages = [[{**LEDGER_ROW, "PKey": f"{n:04}"} for n in range(start, start + 50)] for start in (0, 50)]
    pages.append([{**LEDGER_ROW, "PKey": "0100"}])
    tenant.play(*(recorded.answer(200, page) for page in pages))
    rows = await make_client().ledger_rows("B1")
    assert (len(rows), sum(row.amount for row in rows)) == (101, Decimal("-151.50"))
    assert [dict(sent.params)["page"] for sent in tenant.sent] == ["1", "2", "3"]


async def test_the_recorded_wrong_filter_answer_is_neither_hit_nor_miss(
    make_client: Any, tenant: Any, recorded: Any
) -> None:
    foreign = next(e for e in recorded.exchanges("invoice-find") if "WRONG" in e.get("case", ""))
    tenant.play(recorded.answer_of(foreign))
    with pytest.raises(LookupMismatch):
        await make_client().ledger_rows("IN-WC01-1001")


@pytest.mark.parametrize("wrapper", ["rows", "data", "Body"])
async def test_wrapped_rows_are_unwrapped(make_client: Any, tenant: Any, recorded: Any, wrapper: Any) -> None:
    tenant.play(recorded.answer(200, {wrapper: []}))
    assert await make_client().ledger_rows("B1") == []


@pytest.mark.parametrize("body", [{"message": "all is well"}, "[]", 5, None, [1, 2], {"rows": {}}])
async def test_an_unknown_shape_never_counts_as_no_rows(
    make_client: Any, tenant: Any, recorded: Any, body: Any
) -> None:
    tenant.play(recorded.answer(200, raw="null") if body is None else recorded.answer(200, body))
    with pytest.raises(UnknownShape):
        await make_client().ledger_rows("B1")


async def test_a_web_page_instead_of_rows_is_no_answer(make_client: Any, tenant: Any, recorded: Any) -> None:
    tenant.play(recorded.answer(200, raw="<html>maintenance</html>"))
    with pytest.raises(Retryable, match="page instead of data"):
        await make_client().ledger_rows("B1")


@pytest.mark.parametrize(
    "status_and_body", [(404, {"message": "Record not found", "detail": "x"}), (200, []), (404, None)]
)
async def test_absence_has_two_spellings(make_client: Any, tenant: Any, recorded: Any, status_and_body: Any) -> None:
    status, body = status_and_body
    tenant.play(recorded.answer(status, body))
    assert await make_client().get_control("IN-WC01-9999") is None


async def test_a_missing_address_is_not_a_missing_record(make_client: Any, tenant: Any, recorded: Any) -> None:
    wrong_root = next(e for e in recorded.exchanges("master-data") if "wrong root" in e.get("case", ""))
    tenant.play(recorded.answer_of(wrong_root))
    with pytest.raises(EndpointMissing):
        await make_client().get_control("IN-WC01-1001")


async def test_a_404_page_of_a_gateway_is_not_a_missing_record(make_client: Any, tenant: Any, recorded: Any) -> None:
    tenant.play(recorded.answer(404, raw="<html>not here</html>"))
    with pytest.raises(Retryable):
        await make_client().get_control("IN-WC01-1001")


async def test_another_record_than_the_one_asked_for_is_an_error(make_client: Any, tenant: Any, recorded: Any) -> None:
    tenant.play(recorded.answer(200, [{"Batch": "IN-WC01-0007"}]))
    with pytest.raises(LookupMismatch):
        await make_client().get_control("IN-WC01-1001")


async def test_a_row_whose_amount_cannot_be_read_is_refused_and_not_taken_as_zero(
    make_client: Any, tenant: Any, recorded: Any
) -> None:
    for bad in ("", None, "NaN", "1e400", True, "12,50"):
        tenant.play(recorded.answer(200, [{**LEDGER_ROW, "PKey": "1", "Amount": bad}]), recorded.answer(200, []))
        with pytest.raises(UnknownShape, match="Amount"):
            await make_client().ledger_rows("B1")
