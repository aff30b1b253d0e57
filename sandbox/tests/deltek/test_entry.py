"""Unposted invoices: what is stored, rewritten, refused, changed and deleted."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
import simplejson

from mlc_sandbox.deltek.desk import Desk, exact, found, new_desk
from mlc_sandbox.deltek.specimens import invoice

CONTROL = "api/DataEntry/inControl"
Lines = list[tuple[str, Decimal, str]]


async def create(desk: Desk, body: dict[str, Any]) -> dict[str, Any]:
    answer = await desk.call("POST", CONTROL, body=body)
    assert answer.status_code == 201, answer.text
    row: dict[str, Any] = exact(answer)[0]
    return row


async def refusal(desk: Desk, body: dict[str, Any]) -> tuple[int, str]:
    """The status and sentence of a refused creation, after making sure that nothing was stored."""
    answer = await desk.call("POST", CONTROL, body=body)
    assert (await desk.dump())["drafts"] == []
    return answer.status_code, answer.json()["message"]


async def test_creating_does_not_post(desk: Desk) -> None:
    await create(desk, invoice())
    truth = await desk.dump()
    assert [d["batch"] for d in truth["drafts"]] == ["IN-WC01-1"]
    assert (truth["ledger"], truth["ar"], truth["trial_balance"]) == ([], {}, {})


async def test_control_totals_are_compared_with_the_lines_and_a_difference_is_stored(desk: Desk) -> None:
    row = await create(desk, invoice(Total=Decimal("108.01")))
    assert (row["SumTotal"], row["DiffTotal"]) == (Decimal("108.00"), Decimal("0.01"))


async def test_amounts_keep_their_exact_digits(desk: Desk) -> None:
    lines: Lines = [
        ("401.00", Decimal("0.10"), ""),
        ("402.00", Decimal("0.20"), ""),
        ("404.00", Decimal("1234567890.12"), ""),
    ]
    row = await create(desk, invoice(lines=lines))
    assert row["SumTotal"] == Decimal("1234567890.42")
    details = await desk.rows("api/DataEntry/inDetail/IN-WC01-1", order="Seq_A")
    assert [d["Amount"] for d in details] == [amount for _, amount, _ in lines]


@pytest.mark.parametrize("amount", ["0.30000000000000004", "1E+2", "1e400", "1.005", "true", '"abc"', '"NaN"', "[1]"])
async def test_an_amount_that_is_no_plain_number_of_cents_is_refused(desk: Desk, amount: str) -> None:
    body = invoice(lines=[("401.00", Decimal("77.77"), "")])
    text = simplejson.dumps(body, use_decimal=True).replace('"Amount": 77.77', f'"Amount": {amount}')
    answer = await desk.call("POST", CONTROL, body=text)
    assert (answer.status_code, answer.json()["message"].split(":")[0]) == (400, "Invalid value for Amount")


async def test_amounts_may_come_as_text_and_with_trailing_zeros(desk: Desk) -> None:
    body = invoice(lines=[("401.00", Decimal("10.5000"), "")])
    body["inDetail"][0]["Amount"] = "10.5000"
    assert (await create(desk, body))["DiffTotal"] == 0


async def test_a_short_invoice_number_gets_leading_zeros(desk: Desk) -> None:
    await create(desk, invoice(number="123"))
    master = (await desk.rows("api/DataEntry/inMaster/IN-WC01-1"))[0]
    details = await desk.rows("api/DataEntry/inDetail/IN-WC01-1")
    assert {master["Invoice"], *(d["Invoice"] for d in details)} == {"0000123"}


async def test_a_tax_code_on_a_line_is_upper_cased_and_cut(desk: Desk) -> None:
    await desk.control("taxcodes", {"Code": "LONGTAXCODE1"})
    body = invoice(lines=[("221.00", Decimal("1.00"), "longtaxcode9")])
    await create(desk, body)
    assert (await desk.rows("api/DataEntry/inDetail/IN-WC01-1"))[0]["TaxCode"] == "LONGTAXCOD"


@pytest.mark.parametrize("status", [400, 500])
async def test_the_same_batch_is_refused_even_with_another_body_and_in_other_letters(status: int) -> None:
    async with new_desk(refusal_status=status) as desk:
        await create(desk, invoice())
        answer = await desk.call("POST", CONTROL, body=invoice("in-wc01-1", "WA00002"))
        assert answer.status_code == status
        sentence = "Record in-wc01-1 already exists and cannot be added."
        assert answer.json() == {"message": sentence, "detail": sentence}
        assert len((await desk.dump())["drafts"]) == 1


async def test_a_batch_name_is_taken_after_posting_too_unless_the_tenant_forgets() -> None:
    for guard, expected in (("always", 400), ("unposted", 201)):
        async with new_desk(duplicate_guard=guard) as desk:
            await create(desk, invoice())
            await desk.call(
                "PUT", "api/DataEntry/PostTransFile", body={"parms": {"batch": "IN-WC01-1", "transtype": "IN"}}
            )
            assert (await desk.call("POST", CONTROL, body=invoice())).status_code == expected


LINE = [("401.00", Decimal("1.00"), "")]


@pytest.mark.parametrize(
    ("changes", "status", "message"),
    [
        ({"Colour": "x"}, 400, "Field Colour does not exist"),
        ({"wbs": ("NO.SUCH",)}, 400, "Project NO.SUCH does not exist"),
        ({"wbs": ("STORE.B2B02",)}, 400, "Project STORE.B2B02 has lower levels; charge the lowest level."),
        ({"wbs": ("STORE.B2B02", "PHONE")}, 400, "Project STORE.B2B02 is not active."),
        ({"wbs": ("STORE.WEB01", "")}, 500, "Object reference not set to an instance of an object."),
        ({"wbs": ("STORE.WEB01", None)}, 500, "Object reference not set to an instance of an object."),
        ({"lines": [("999.99", Decimal(1), "")]}, 400, "Account 999.99 does not exist"),
        ({"lines": [("221.00", Decimal(1), "NO_SUCH")]}, 400, "Tax Code NO_SUCH does not exist"),
        ({"Period": 202609}, 400, "Period 202609 is closed."),
        ({"Period": 209901}, 400, "Period 209901 does not exist"),
        ({"Company": ""}, 400, "Cannot insert NULL into Company"),
        ({"Company": "99"}, 400, "Company 99 does not exist"),
        ({"EndDate": "20 November"}, 400, "String was not recognized as a valid DateTime."),
        ({"Batch": ""}, 400, "Please provide a Batch for table inControl"),
    ],
)
async def test_an_invoice_is_refused_with_its_sentence_and_leaves_nothing(
    desk: Desk, changes: dict[str, Any], status: int, message: str
) -> None:
    assert await refusal(desk, invoice(**{"lines": LINE, **changes})) == (status, message)


@pytest.mark.parametrize(
    ("grid", "column", "value", "status", "message"),
    [
        ("inMaster", "Invoice", "X" * 13, 500, "String or binary data would be truncated"),
        ("inMaster", "TransComment", "X" * 81, 500, "String or binary data would be truncated"),
        ("inMaster", "Status", "X", 400, "Status X does not exist"),
        ("inMaster", "TransDate", "", 400, "Please provide a TransDate for table inMaster"),
        ("inMaster", "custMLKey", "k", 400, "Field custMLKey does not exist"),
        ("inDetail", "InvoiceSection", "Q", 400, "Invoice Section Q does not exist"),
        ("inDetail", "InvoiceSection", "T", 400, "Please provide a Tax Code for table inDetail"),
        ("inDetail", "Invoice", "OTHER01", 500, "Object reference not set"),
        ("inDetail", "Batch", "OTHER", 500, "Object reference not set"),
        ("inDetail", "PKey", "X" * 33, 500, "String or binary data would be truncated"),
        ("inDetail", "PKey", "", 400, "Please provide a PKey for table inDetail"),
        ("inDetail", "Account", "4" * 14, 500, "String or binary data would be truncated"),
        ("inDetail", "Quantity", 2, 400, "Field Quantity does not exist"),
    ],
)  # fmt: skip
async def test_a_bad_value_in_an_entry_or_line_is_refused(
    desk: Desk, grid: str, column: str, value: Any, status: int, message: str
) -> None:
    body = invoice(lines=LINE)
    body[grid][0][column] = value
    found_status, sentence = await refusal(desk, body)
    assert (found_status, sentence[: len(message)]) == (status, message)


@pytest.mark.parametrize(("grid", "column"), [("inMaster", "Invoice"), ("inDetail", "PKey"), ("inDetail", "Amount")])
async def test_a_mandatory_key_that_is_left_out_is_a_missing_column(desk: Desk, grid: str, column: str) -> None:
    body = invoice(lines=LINE)
    del body[grid][0][column]
    assert await refusal(desk, body) == (400, f"Column:{column} does not exist")


async def test_one_line_key_cannot_be_used_twice(desk: Desk) -> None:
    body = invoice(lines=LINE * 2)
    body["inDetail"][1]["PKey"] = body["inDetail"][0]["PKey"]
    assert (await refusal(desk, body))[1].endswith("already exists and cannot be added.")


async def test_inactive_accounts_and_codes_overhead_and_unready_projects_are_refused(desk: Desk) -> None:
    await desk.control("accounts", {"Account": "401.00", "Status": "I"})
    assert await refusal(desk, invoice()) == (400, "Account 401.00 is not active.")
    await desk.control("accounts", {"Account": "401.00"})
    await desk.control("taxcodes", {"Code": "IL_STATE", "Status": "I"})
    assert await refusal(desk, invoice()) == (400, "Tax Code IL_STATE is not active.")
    for column, value, sentence in (
        ("ChargeType", "H", "Project STORE.WEB01 is not a regular project."),
        ("ReadyForProcessing", "N", "Project STORE.WEB01 is not ready for processing."),
        ("Status", "D", "Project STORE.WEB01 is not active."),
    ):
        await desk.control("projects/status", {"WBS1": "STORE.WEB01", column: value})
        assert await refusal(desk, invoice(lines=LINE)) == (400, sentence)
        await desk.control("projects/status", {"WBS1": "STORE.WEB01", "ChargeType": "R", "ReadyForProcessing": "Y"})


async def test_the_external_key_of_an_invoice_needs_the_tenants_column() -> None:
    async with new_desk(invoice_external_key=True) as desk:
        body = invoice()
        body["inMaster"][0]["custMLKey"] = "WC01:1"
        await create(desk, body)
        assert (await desk.rows("api/DataEntry/inMaster/IN-WC01-1"))[0]["custMLKey"] == "WC01:1"


async def test_period_and_company_default_to_the_login(desk: Desk) -> None:
    await desk.call("PUT", "api/Settings/ActivePeriod/202612")
    row = await create(desk, {k: v for k, v in invoice().items() if k not in {"Period", "Company"}})
    assert (row["Period"], row["Company"]) == (202612, "00")


async def test_the_login_state_may_win_over_the_body_and_another_worker_moves_it() -> None:
    async with new_desk(login_state="login") as desk:
        await desk.call("PUT", "api/Settings/ActivePeriod/202611")
        await desk.control("users", {"active_period": 202701})
        assert (await create(desk, invoice()))["Period"] == 202701


async def test_the_active_period_belongs_to_the_user_and_not_to_the_token(desk: Desk) -> None:
    await desk.call("PUT", "api/Settings/ActivePeriod/202612")
    await desk.sign_in()
    assert (await desk.rows("api/Settings/ActivePeriod"))[0]["Period"] == 202612
    await desk.control("users", {"name": "OTHER", "password": "other"})
    await desk.sign_in("OTHER", "other")
    assert (await desk.rows("api/Settings/ActivePeriod"))[0]["Period"] == 202611


async def test_a_put_replaces_the_lines_it_sends_and_keeps_the_rest(desk: Desk) -> None:
    await create(desk, invoice())
    new = invoice(lines=[("402.00", Decimal("9.99"), "")])
    answer = await desk.call("PUT", f"{CONTROL}/IN-WC01-1", body={"Total": new["Total"], "inDetail": new["inDetail"]})
    assert answer.status_code == 200
    assert (
        exact(answer)[0] | {"SumTotal": Decimal("9.99"), "DiffTotal": 0, "Description": "Order 1"} == exact(answer)[0]
    )
    assert [d["Account"] for d in await desk.rows("api/DataEntry/inDetail/IN-WC01-1")] == ["402.00"]


async def test_a_put_is_validated_like_a_new_file(desk: Desk) -> None:
    await create(desk, invoice())
    await desk.control("periods", {"Period": 202611, "closed": True})
    answer = await desk.call("PUT", f"{CONTROL}/IN-WC01-1", body={"Description": "x"})
    assert (answer.status_code, answer.json()["message"]) == (400, "Period 202611 is closed.")


async def test_a_deleted_draft_is_gone_and_its_name_is_free(desk: Desk) -> None:
    await create(desk, invoice())
    assert (await desk.call("DELETE", f"{CONTROL}/IN-WC01-1")).status_code == 200
    assert (await desk.call("GET", f"{CONTROL}/IN-WC01-1")).status_code == 404
    assert await desk.rows("api/DataEntry/inDetail/IN-WC01-1") == []
    assert await desk.rows("api/DataEntry/allLanding") == []
    await create(desk, invoice())


async def test_a_posted_file_can_be_neither_changed_nor_deleted(desk: Desk) -> None:
    await create(desk, invoice())
    await desk.call("PUT", "api/DataEntry/PostTransFile", body={"parms": {"batch": "IN-WC01-1", "transtype": "IN"}})
    for method, body, verb in (("PUT", {"Description": "x"}, "changed"), ("DELETE", None, "deleted")):
        answer = await desk.call(method, f"{CONTROL}/IN-WC01-1", body=body)
        assert answer.json()["message"] == f"Record IN-WC01-1 is posted and cannot be {verb}."
    assert len((await desk.dump())["posted_files"]) == 1


async def test_the_landing_lists_name_every_file_of_their_type(desk: Desk) -> None:
    await create(desk, invoice())
    rows = await desk.rows("api/DataEntry/allLanding", **found({"Batch": "IN-WC01-1"}))
    assert [(r["Batch"], r["PostStatusDesc"], r["Posted"]) for r in rows] == [("IN-WC01-1", "Not Posted", "N")]
    assert len(await desk.rows("api/DataEntry/inLanding")) == 1
    assert await desk.rows("api/DataEntry/crLanding") == []
    assert await desk.rows("api/DataEntry/cvLanding") == []


@pytest.mark.parametrize(("style", "shown"), [
    ("millis", "2026-11-20T00:00:00.000"), ("seconds", "2026-11-20T00:00:00"), ("date", "2026-11-20"),
    ("zulu", "2026-11-20T00:00:00Z"), ("offset", "2026-11-20T00:00:00+00:00"),
])  # fmt: skip
async def test_dates_may_be_shown_in_other_forms(style: str, shown: str) -> None:
    async with new_desk(date_style=style) as desk:
        assert (await create(desk, invoice()))["EndDate"] == shown


async def test_lines_of_a_long_invoice_come_in_pages(desk: Desk) -> None:
    await create(desk, invoice(lines=LINE * 45))
    assert len(await desk.rows("api/DataEntry/inDetail/IN-WC01-1")) == 20
    pages = [await desk.rows("api/DataEntry/inDetail/IN-WC01-1", page=p, pageSize=30, order="Seq_A") for p in (1, 2)]
    assert [len(page) for page in pages] == [30, 15]
