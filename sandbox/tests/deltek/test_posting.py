"""Posting: what reaches the books, what is refused then, what merges, and what an interrupted run leaves."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from mlc_sandbox.deltek.desk import Desk, exact, found, new_desk
from mlc_sandbox.deltek.specimens import invoice, transfer

CONTROL = "api/DataEntry/inControl"
POST = "api/DataEntry/PostTransFile"


async def create(desk: Desk, body: dict[str, Any], prefix: str = "in") -> None:
    answer = await desk.call("POST", f"api/DataEntry/{prefix}Control", body=body)
    assert answer.status_code == 201, answer.text


async def post(desk: Desk, *parms: Any, **named: Any) -> str:
    """The text inside the JSON string that answers a posting."""
    body = transfer(*parms, **named)
    answer = await desk.call("PUT", POST, body=body)
    assert answer.status_code == 200, answer.text
    text: str = answer.json()
    return text


async def posted(desk: Desk, body: dict[str, Any]) -> None:
    await create(desk, body)
    assert '"retList": "1"' in await post(desk, body["Batch"])


def balances(truth: dict[str, Any], currency: str = "USD") -> dict[str, Decimal]:
    return {account: Decimal(amount) for account, amount in truth["trial_balance"][currency].items()}


async def test_an_invoice_credits_revenue_and_tax_and_debits_receivables(desk: Desk) -> None:
    await posted(desk, invoice())
    truth = await desk.dump()
    assert balances(truth) == {"401.00": Decimal(-100), "221.00": Decimal(-8), "111.00": Decimal(108)}
    assert truth["ar"]["STORE.WEB01|WA00001"]["Balance"] == "108.00"
    assert truth["ar"]["STORE.WEB01|WA00001"]["BillingClient"] == "Online customers"
    assert [(p["batch"], p["period"], p["post_seq"], p["user"]) for p in truth["posting_log"]] == [
        ("IN-WC01-1", 202611, 1, "ML_CONNECTOR")
    ]


async def test_the_ledger_holds_the_lines_and_one_generated_row(desk: Desk) -> None:
    await posted(desk, invoice())
    rows = await desk.rows("api/PSALedger/IN", **found({"Batch": "IN-WC01-1"}), order="Account_A")
    assert [(r["Account"], r["AutoEntry"], r["Amount"], r["Invoice"], r["RefNo"]) for r in rows] == [
        ("111.00", "Y", Decimal("108.00"), "", "Auto"),
        ("221.00", "N", Decimal("-8.00"), "WA00001", "WA00001"),
        ("401.00", "N", Decimal("-100.00"), "WA00001", "WA00001"),
    ]
    assert rows[1]["PKey"] == "00000002IN-W"


async def test_a_second_posting_of_one_project_and_number_merges_without_a_word(desk: Desk) -> None:
    await posted(desk, invoice("B-1", "WA00001"))
    await posted(desk, invoice("B-2", "WA00001"))
    truth = await desk.dump()
    assert list(truth["ar"]) == ["STORE.WEB01|WA00001"]
    assert truth["ar"]["STORE.WEB01|WA00001"]["Balance"] == "216.00"
    assert balances(truth)["401.00"] == Decimal(-200)
    assert [p["amount"] for p in truth["ar"]["STORE.WEB01|WA00001"]["Postings"]] == ["108.00", "108.00"]


async def test_one_number_on_two_projects_is_two_receivables(desk: Desk) -> None:
    await posted(desk, invoice("B-1", "WA00001"))
    await posted(desk, invoice("B-2", "WA00001", wbs=("STORE.B2B01",)))
    rows = await desk.rows("api/ARReview/ARBalance", **found({"Invoice": "WA00001"}))
    assert {row["BillingClient"] for row in rows} == {"Online customers", "Northwind Traders Ltd"}


async def test_a_credit_lowers_the_balance_and_leaves_the_original_amount(desk: Desk) -> None:
    await posted(desk, invoice())
    lines = [("401.00", Decimal("-50.00"), ""), ("221.00", Decimal("-4.00"), "IL_STATE")]
    await posted(desk, invoice("CM-1", credit="WAR00001", lines=lines))
    (row,) = await desk.rows("api/ARReview/ARBalance", **found({"Invoice": "WA00001", "WBS1": "STORE.WEB01"}))
    assert (row["Balance"], row["OriginalAmt"], row["CreditMemoRefNo"]) == (54, 108, "WAR00001")
    details = await desk.rows("api/ARReview/ARBalanceDetail", ARWBS1InvoiceKey="STORE.WEB01|WA00001,X|Y")
    assert sorted(d["InvoiceAmount"] for d in details) == [-54, 108]
    assert await desk.rows("api/ARReview/ARBalanceDetail") == []


async def test_a_receipt_settles_the_invoice_and_the_fee_is_an_expense(desk: Desk) -> None:
    await posted(desk, invoice())
    await create(desk, receipt("WA00001"), "cr")
    await post(desk, "CR-1", transtype="CR")
    truth = await desk.dump()
    assert truth["ar"]["STORE.WEB01|WA00001"]["Balance"] == "0.00"
    assert balances(truth) == {
        "401.00": Decimal(-100),
        "221.00": Decimal(-8),
        "111.00": Decimal(0),
        "521.00": Decimal(5),
        "101.00": Decimal(103),
    }
    (paid,) = await desk.rows("api/ARReview/ARBalanceDetailCR", ARWBS1InvoiceKey="STORE.WEB01|WA00001")
    assert paid["Amount"] == 108


async def test_a_receipt_cannot_apply_to_an_invoice_that_is_not_posted(desk: Desk) -> None:
    await create(desk, invoice())
    answer = await desk.call("POST", "api/DataEntry/crControl", body=receipt("WA00001"))
    assert answer.json()["message"] == "Invoice WA00001 does not exist for project STORE.WEB01"


async def test_a_bank_may_replace_the_reference_number() -> None:
    async with new_desk(bank_autonumber=True) as desk:
        await posted(desk, invoice())
        await create(desk, receipt("WA00001"), "cr")
        assert [m["RefNo"] for m in await desk.rows("api/DataEntry/crMaster/CR-1")] == ["00000001"]
        assert {d["RefNo"] for d in await desk.rows("api/DataEntry/crDetail/CR-1")} == {"00000001"}


def receipt(number: str) -> dict[str, Any]:
    entry = {"Batch": "CR-1", "RefNo": "R1"}
    line = entry | {"WBS1": "STORE.WEB01", "WBS2": " ", "WBS3": " "}
    return {
        "Batch": "CR-1",
        "Total": Decimal("103.00"),
        "DefaultBank": "OPER",
        "Period": 202611,
        "Company": "00",
        "crMaster": [entry | {"TransDate": "2026-11-20", "BankCode": "OPER", "Status": "A"}],
        "crDetail": [
            line | {"PKey": "a1", "Account": "111.00", "Amount": Decimal("108.00"), "Invoice": number},
            line | {"PKey": "a2", "Account": "521.00", "Amount": Decimal("-5.00")},
        ],
    }


async def test_the_posting_sequence_restarts_in_each_period(desk: Desk) -> None:
    for i, period in enumerate((202611, 202611, 202612), 1):
        await create(desk, invoice(f"B-{i}", f"WA0000{i}", Period=period))
        await post(desk, f"B-{i}", period)
    log = (await desk.dump())["posting_log"]
    assert [(p["period"], p["post_seq"]) for p in log] == [(202611, 1), (202611, 2), (202612, 1)]


async def test_the_period_of_the_call_decides_and_not_the_date(desk: Desk) -> None:
    await create(desk, invoice())
    await post(desk, "IN-WC01-1", 202701)
    assert {row["Period"] for row in (await desk.dump())["ledger"]} == {202701}


async def test_the_login_may_decide_the_period_of_a_posting() -> None:
    async with new_desk(login_state="login") as desk:
        await create(desk, invoice())
        await desk.control("users", {"active_period": 202712})
        assert '"periodList": "202712"' in await post(desk)
        assert {row["Period"] for row in (await desk.dump())["ledger"]} == {202712}


async def close_the_period(desk: Desk) -> None:
    await desk.control("periods", {"Period": 202611, "closed": True})


async def deactivate(desk: Desk) -> None:
    await desk.control("projects/status", {"WBS1": "STORE.WEB01", "Status": "I"})


async def nothing(_: Desk) -> None:
    """No change between creation and posting."""


@pytest.mark.parametrize(
    ("before", "changes", "parms", "sentence"),
    [
        (close_the_period, {}, {}, "Period 202611 is closed."),
        (deactivate, {}, {}, "Project STORE.WEB01 is not active."),
        (nothing, {"Total": Decimal("108.01")}, {}, "The control total differs from the entries by 0.01."),
        (nothing, {}, {"period": "209901"}, "Period 209901 does not exist"),
        (nothing, {}, {"batch": "NO-SUCH"}, "No such file."),
        (nothing, {}, {"transtype": "CR"}, "No such file."),
        (nothing, {}, {"transtype": "XX"}, "No such file."),
    ],
)
async def test_a_file_that_cannot_be_posted_is_answered_200_with_zero(
    desk: Desk, before: Any, changes: dict[str, Any], parms: dict[str, Any], sentence: str
) -> None:
    await create(desk, invoice(**changes))
    await before(desk)
    text = await post(desk, **parms)
    assert '"retList": "0"' in text
    assert '"postseqList": "0"' in text
    assert sentence in text
    truth = await desk.dump()
    assert (truth["ledger"], len(truth["drafts"])) == ([], 1)


async def test_closed_periods_and_inactive_projects_may_be_refused_only_at_post() -> None:
    async with new_desk(closed_period="post", inactive_project="post") as desk:
        await desk.control("projects/status", {"WBS1": "STORE.WEB01", "Status": "D"})
        await create(desk, invoice(Period=202609))
        assert "Period 202609 is closed." in await post(desk, period=202609)
        assert "Project STORE.WEB01 is not active." in await post(desk)


async def test_control_totals_may_be_ignored() -> None:
    async with new_desk(ignore_control_totals=True) as desk:
        await posted(desk, invoice(Total=Decimal("1.00")))


async def test_where_approvals_are_required_only_approved_files_post() -> None:
    async with new_desk(approvals_required=True) as desk:
        body = invoice()
        body["inMaster"][0]["Status"] = "N"
        await create(desk, body)
        assert "The file is not approved." in await post(desk)
        body["inMaster"][0]["Status"] = "A"
        await desk.call("PUT", f"{CONTROL}/IN-WC01-1", body={"inMaster": body["inMaster"]})
        assert '"retList": "1"' in await post(desk)


async def test_a_second_posting_of_one_file_does_nothing(desk: Desk) -> None:
    await posted(desk, invoice())
    assert "The file has already been posted." in await post(desk)
    assert len((await desk.dump())["ledger"]) == 3


async def test_the_answer_lacks_a_comma_and_may_come_in_other_forms(desk: Desk) -> None:
    text = await post(desk)
    assert '"typeList": "IN"\r\n    "batchList"' in text
    await desk.control("settings", {"transfile_answer": "object"})
    assert (await desk.call("PUT", POST, body=transfer())).json()["retList"] == "0"
    await desk.control("settings", {"transfile_answer": "json_string"})
    answer = await desk.call("PUT", POST, body=transfer())
    assert isinstance(answer.json(), str)
    assert '"typeList":"IN","batchList"' in answer.json()


@pytest.mark.parametrize("body", [{}, {"parms": []}, {"parms": {}}, {"parms": ["IN-1"]}])
async def test_a_posting_without_parameters_is_a_fault(desk: Desk, body: dict[str, Any]) -> None:
    assert (await desk.call("PUT", POST, body=body)).status_code == 500


def two_invoices() -> dict[str, Any]:
    first, second = invoice("B-1", "WA00001"), invoice("B-1", "WA00002")
    for i, line in enumerate(second["inDetail"]):
        line["PKey"] = f"second{i}"
    return first | {
        "Total": Decimal("216.00"),
        "inMaster": first["inMaster"] + second["inMaster"],
        "inDetail": first["inDetail"] + second["inDetail"],
    }


async def test_an_interrupted_run_posts_half_and_the_next_run_the_rest(desk: Desk) -> None:
    await create(desk, two_invoices())
    await desk.control("half-posts", {"masters": 1})
    assert (await desk.call("PUT", POST, body=transfer("B-1"))).status_code == 500
    truth = await desk.dump()
    assert list(truth["ar"]) == ["STORE.WEB01|WA00001"]
    assert [d["control"]["Posted"] for d in truth["drafts"]] == ["N"]
    assert '"retList": "1"' in await post(desk, "B-1")
    truth = await desk.dump()
    assert {key: row["Balance"] for key, row in truth["ar"].items()} == {
        "STORE.WEB01|WA00001": "108.00",
        "STORE.WEB01|WA00002": "108.00",
    }


async def test_a_run_may_stop_between_the_ledger_and_the_flag_so_that_a_blind_second_run_doubles(desk: Desk) -> None:
    await create(desk, invoice())
    await desk.control("half-posts", {"batch": "IN-WC01-1", "masters": 1, "flags": False, "answer": "zero"})
    assert '"retList": "0"' in await post(desk)
    rows = await desk.rows("api/PSALedger/IN", **found({"Batch": "IN-WC01-1"}))
    assert len(rows) == 3
    (landing,) = await desk.rows("api/DataEntry/allLanding", **found({"Batch": "IN-WC01-1"}))
    assert landing["Posted"] == "N"
    await post(desk)
    assert (await desk.dump())["ar"]["STORE.WEB01|WA00001"]["Balance"] == "216.00"


async def test_a_half_posted_file_cannot_be_deleted(desk: Desk) -> None:
    await create(desk, two_invoices())
    await desk.control("half-posts", {"masters": 1})
    await desk.call("PUT", POST, body=transfer("B-1"))
    assert (await desk.call("DELETE", f"{CONTROL}/B-1")).status_code == 400


async def test_a_journal_moves_accounts_and_no_receivable(desk: Desk) -> None:
    await create(desk, journal(Decimal("60.00")), "je")
    assert '"retList": "1"' in await post(desk, "JE-1", transtype="JE")
    truth = await desk.dump()
    assert balances(truth) == {"131.00": Decimal(60), "401.00": Decimal(-60)}
    assert truth["ar"] == {}


async def test_a_balance_sheet_line_may_leave_the_project_blank_and_a_revenue_line_may_not(desk: Desk) -> None:
    body = journal(Decimal("60.00"))
    body["jeDetail"][0] |= {"WBS1": " "}
    await create(desk, body, "je")
    body = journal(Decimal("60.00")) | {"Batch": "JE-2"}
    for row in (*body["jeMaster"], *body["jeDetail"]):
        row["Batch"] = "JE-2"
    body["jeDetail"][1] |= {"WBS1": " "}
    answer = await desk.call("POST", "api/DataEntry/jeControl", body=body)
    assert answer.status_code == 400


async def test_a_journal_whose_total_differs_from_its_lines_does_not_post(desk: Desk) -> None:
    await create(desk, journal(Decimal("60.00")) | {"CreditsTotal": Decimal("59.00")}, "je")
    assert "The control total differs" in await post(desk, "JE-1", transtype="JE")


def journal(amount: Decimal) -> dict[str, Any]:
    entry = {"Batch": "JE-1", "RefNo": "S1"}
    line = entry | {"WBS1": "STORE.AMZ01", "WBS2": " ", "WBS3": " ", "DebitAmount": 0, "CreditAmount": 0}
    return {
        "Batch": "JE-1",
        "Total": amount,
        "CreditsTotal": amount,
        "Period": 202611,
        "jeMaster": [entry | {"TransDate": "2026-11-20", "Status": "A"}],
        "jeDetail": [
            line | {"PKey": "a1", "Account": "131.00", "DebitAmount": amount},
            line | {"PKey": "a2", "Account": "401.00", "CreditAmount": amount},
        ],
    }


async def test_a_voucher_splits_net_and_tax_and_owes_the_gross(desk: Desk) -> None:
    entry = {"Batch": "AP-1", "MasterPKey": "m1"}
    line = entry | {"PKey": "a1", "WBS1": "STORE.AMZ01", "WBS2": " ", "WBS3": " ", "Account": "521.00"}
    body = {
        "Batch": "AP-1",
        "Total": 216,
        "Period": 202611,
        "apMaster": [entry | {"Vendor": "000056", "TransDate": "2026-11-20", "LiabCode": "TRADE", "Status": "A"}],
        "apDetail": [line | {"Amount": 216, "NetAmount": 200}],
        "apDetailTax": [entry | {"PKey": "a1", "TaxCode": "IL_STATE", "TaxAmount": 16}],
    }
    await create(desk, body, "ap")
    await post(desk, "AP-1", transtype="AP")
    assert balances(await desk.dump()) == {"521.00": Decimal(200), "221.00": Decimal(16), "201.00": Decimal(-216)}
    body["apMaster"] = [body["apMaster"][0] | {"Vendor": "56"}]  # type: ignore[index] # the list above
    refused = await desk.call("POST", "api/DataEntry/apControl", body=body)
    assert "Object reference not set" in refused.json()["message"]


async def test_a_yen_project_posts_in_yen_and_at_the_rate_where_one_is_set() -> None:
    async with new_desk(exchange_rates={"JPY": "0.0066"}) as desk:
        lines = [("401.00", Decimal(1200), ""), ("222.00", Decimal(120), "JP_CT")]
        await posted(desk, invoice(wbs=("STORE.JP01",), lines=lines))
        truth = await desk.dump()
        assert balances(truth, "JPY") == {"401.00": Decimal(-1200), "222.00": Decimal(-120), "111.00": Decimal(1320)}
        assert truth["ar"]["STORE.JP01|WA00001"]["Currency"] == "JPY"
        rows = await desk.rows("api/PSALedger/IN", **found({"Account": "401.00"}))
        assert [(r["Amount"], r["TransactionAmount"]) for r in rows] == [(Decimal("-7.92"), -1200)]


async def test_every_currency_balances_to_zero_after_many_postings(desk: Desk) -> None:
    for i in range(20):
        project = ("STORE.WEB01", "STORE.JP01", "STORE.B2B01")[i % 3]
        lines = [("401.00", Decimal(i * 7 + 1), ""), ("409.00", Decimal(-i), "")]
        await posted(desk, invoice(f"B-{i}", f"WA{i:05d}", wbs=(project,), lines=lines))
    truth = await desk.dump()
    assert {c: sum(balances(truth, c).values()) for c in truth["trial_balance"]} == {"USD": 0, "JPY": 0}
    owed = sum(Decimal(row["Balance"]) for row in truth["ar"].values())
    assert owed == balances(truth)["111.00"] + balances(truth, "JPY")["111.00"]


async def test_a_foreign_invoice_with_our_number_shows_in_receivables_under_another_batch(desk: Desk) -> None:
    made = await desk.control("foreign-invoices", {"WBS1": "STORE.WEB01", "Invoice": "WA00001", "Amount": "20.00"})
    assert made["posted"] is True
    assert await desk.rows("api/PSALedger/IN", **found({"Batch": "IN-WC01-1"})) == []
    (row,) = await desk.rows("api/ARReview/ARBalance", **found({"Invoice": "WA00001"}))
    assert row["Balance"] == 20


async def test_tax_rows_and_the_summary_follow_the_ledger(desk: Desk) -> None:
    await posted(desk, invoice())
    assert [row["TaxCode"] for row in await desk.rows("api/LedgerTax/IN")] == ["IL_STATE"]
    sums = {row["Account"]: row["Amount"] for row in await desk.rows("api/GLSummary")}
    assert sums == {"401.00": -100, "221.00": -8, "111.00": 108}


async def test_settled_receivables_may_be_hidden() -> None:
    async with new_desk(hide_settled_ar=True) as desk:
        await posted(desk, invoice())
        assert len(await desk.rows("api/ARReview/ARBalance")) == 1
        await create(desk, receipt("WA00001"), "cr")
        await post(desk, "CR-1", transtype="CR")
        assert await desk.rows("api/ARReview/ARBalance") == []


async def test_the_post_date_can_be_asked_for(desk: Desk) -> None:
    await posted(desk, invoice())
    query = {"filterHash[0][name]": "PostDate", "filterHash[0][type]": "datetime", "filterHash[0][opp]": ">="}
    assert len(await desk.rows("api/PSALedger/IN", **query, **{"filterHash[0][value]": "2026-11-20T00:00:00Z"})) == 3
    assert await desk.rows("api/PSALedger/IN", **query, **{"filterHash[0][value]": "2026-11-21T00:00:00Z"}) == []
    assert exact(await desk.call("GET", "api/PSALedger/in"))
