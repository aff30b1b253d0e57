"""Every operation against the recorded exchanges: what is sent is what was recorded, what comes back is typed."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from decimal import Decimal
from typing import Any

import pytest

from mlc_common.errors import ConfigurationError, Retryable, Unconfirmed
from mlc_vendors.deltek import (
    InvoiceFile,
    InvoiceLine,
    NewAddress,
    NewContact,
    NewFirm,
    RecordAmbiguous,
    UnknownShape,
    ValidationRefused,
    line_key,
)

INVOICE = InvoiceFile(
    batch="IN-WC01-1001",
    invoice="WA01001",
    description="1001 WC01",
    comment="Order 1001 WC01",
    period=202611,
    company="00",
    trans_date=date(2026, 11, 20),
    wbs1="STORE.WEB01",
    lines=(
        InvoiceLine(kind="line", account="401.00", amount=Decimal(100)),
        InvoiceLine(kind="line", account="402.00", amount=Decimal("50.0")),
        InvoiceLine(kind="shipping", account="404.00", amount=Decimal("10.00")),
        InvoiceLine(kind="discount", account="409.00", amount=Decimal("-15.00")),
        InvoiceLine(
            kind="tax", account="221.00", amount=Decimal("11.6"), tax_code="IL_STATE", tax_basis=Decimal("145.00")
        ),
    ),
)
CREDIT = InvoiceFile(
    batch="CM-WC01-1001-R77",
    invoice="WA01001",
    credit_memo_ref="WAR00077",
    description="Refund 77 of 1001 WC01",
    comment="Refund 77, order 1001 WC01",
    period=202611,
    company="00",
    trans_date=date(2026, 11, 20),
    wbs1="STORE.WEB01",
    lines=(
        InvoiceLine(kind="line", account="402.00", amount=Decimal(-50)),
        InvoiceLine(kind="discount", account="409.00", amount=Decimal(5)),
        InvoiceLine(kind="tax", account="221.00", amount=Decimal("-3.60"), tax_code="IL_STATE", tax_basis=Decimal(-45)),
    ),
)
KEYED = {"fields": {"firm.external_key": {"enabled": True}}}


def _asked(sent: Any) -> dict[str, Any]:
    request: dict[str, Any] = {"method": sent.method, "path": sent.path}
    if sent.params:
        request["query"] = dict(sent.params)
    if sent.body is not None:
        request["body"] = sent.body
    return request


def _recorded_request(exchange: dict[str, Any], **query: str) -> dict[str, Any]:
    request = {name: exchange["request"][name] for name in ("method", "path", "body") if name in exchange["request"]}
    if query or "query" in exchange["request"]:
        request["query"] = {**exchange["request"].get("query", {}), **query}
        request["query"].pop("fieldFilter", None)  # we read whole rows
    return request


@pytest.mark.parametrize(("sample", "file"), [("invoice-create.files-mode", INVOICE), ("credit-memo-create", CREDIT)])
async def test_an_invoice_or_credit_is_created_with_the_recorded_body(
    make_client: Any, tenant: Any, recorded: Any, sample: Any, file: Any
) -> None:
    exchange = recorded.exchanges(sample)[0]
    tenant.play(recorded.answer_of(exchange))
    row = await make_client().create_invoice(file)
    (sent,) = tenant.sent
    assert _asked(sent) == _recorded_request(exchange)
    assert (row.total, row.diff_total, row.period, row.company) == (file.total, Decimal(0), 202611, "00")
    assert (row.creator, row.posted, row.has_header) == ("ML_CONNECTOR", False, True)
    assert sent.template == "trans.control.create"


async def test_without_files_the_entry_carries_its_lines(make_client: Any, tenant: Any, recorded: Any) -> None:
    exchange = recorded.exchanges("invoice-create.no-files-mode")[0]
    tenant.play(recorded.answer_of(exchange))
    row = await make_client({"transactions": {"use_files": False}}).create_invoice(INVOICE)
    assert _asked(tenant.sent[0]) == _recorded_request(exchange)
    assert (row.batch, row.has_header, row.total, row.period) == ("IN-WC01-1001", False, None, None)


async def test_amending_sends_the_whole_file_to_its_own_address(make_client: Any, tenant: Any, recorded: Any) -> None:
    exchange = recorded.exchanges("invoice-create.files-mode")[0]
    tenant.play(recorded.answer(200, exchange["response"]["body"]))
    await make_client().amend_invoice(INVOICE)
    (sent,) = tenant.sent
    assert (sent.method, sent.path) == ("PUT", "api/DataEntry/inControl/IN-WC01-1001")
    assert sent.body == exchange["request"]["body"]


async def test_a_batch_that_the_tenant_renames_stops_the_connector(
    make_client: Any, tenant: Any, recorded: Any
) -> None:
    tenant.play(recorded.answer(201, [{"Batch": "0000042"}]))
    with pytest.raises(UnknownShape, match="stored IN-WC01-1001 as 0000042"):
        await make_client().create_invoice(INVOICE)


async def test_an_object_instead_of_an_array_is_accepted_from_a_write(
    make_client: Any, tenant: Any, recorded: Any
) -> None:
    tenant.play(recorded.answer(201, {"Batch": "IN-WC01-1001", "Total": "156.60", "DiffTotal": "0"}))
    row = await make_client().create_invoice(INVOICE)
    assert (row.total, row.diff_total) == (Decimal("156.60"), Decimal(0))


def test_line_keys_depend_on_batch_and_number_alone(recorded: Any) -> None:
    details = recorded.exchanges("invoice-create.files-mode")[0]["request"]["body"]["inDetail"]
    assert [line_key("IN-WC01-1001", number) for number in range(1, 6)] == [one["PKey"] for one in details]


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"batch": "B" * 33}, "batch"),
        ({"batch": ""}, "batch"),
        ({"invoice": "W1"}, "invoice number"),
        ({"invoice": "W" * 13}, "invoice number"),
        ({"credit_memo_ref": "C" * 13}, "credit number"),
        ({"wbs1": ""}, "project"),
        ({"lines": ()}, "no lines"),
        ({"lines": (replace(INVOICE.lines[0], account="4" * 14),)}, "account"),
        ({"lines": (replace(INVOICE.lines[0], amount=Decimal("1.005")),)}, "part of a cent"),
        ({"lines": (replace(INVOICE.lines[0], amount=Decimal("1e400")),)}, "larger"),
        ({"lines": (replace(INVOICE.lines[0], amount=Decimal("NaN")),)}, "larger"),
        ({"lines": (replace(INVOICE.lines[4], tax_code="X" * 11),)}, "tax code"),
        ({"lines": (replace(INVOICE.lines[4], tax_code="il_state"),)}, "upper case"),
        ({"lines": (replace(INVOICE.lines[4], tax_code=""),)}, "tax code"),
    ],
)
async def test_what_the_tenant_would_cut_or_pad_is_refused_before_it_is_sent(
    make_client: Any, tenant: Any, change: Any, says: Any
) -> None:
    with pytest.raises(ValidationRefused, match=says):
        await make_client().create_invoice(replace(INVOICE, **change))
    assert tenant.sent == []


async def test_texts_for_people_are_cut_and_amounts_have_two_decimals(
    make_client: Any, tenant: Any, recorded: Any
) -> None:
    tenant.play(recorded.answer(201, [{"Batch": INVOICE.batch}]))
    lines = (InvoiceLine(kind="line", account="401.00", amount=Decimal("1E+3")),)
    await make_client().create_invoice(replace(INVOICE, description="d" * 60, comment="c" * 100, lines=lines))
    body = tenant.sent[0].body
    assert (len(body["Description"]), len(body["inMaster"][0]["TransComment"])) == (40, 80)
    assert str(body["inDetail"][0]["Amount"]) == "1000.00"


async def test_spellings_of_the_tenant_reach_the_body(make_client: Any, tenant: Any, recorded: Any) -> None:
    overrides = {
        "transactions": {
            "sections": {"shipping": "A"},
            "blank_wbs": "",
            "creator": "WEB",
            "credit_memo": {"ref_field": "custCredit"},
            "signs": {"invoice_line_raises_ar": -1},
        },
        "fields": {"inMaster.comment": {"name": "Memo"}, "inMaster.external_key": {"enabled": True}},
        "limits": {"Description": 4},
    }
    tenant.play(recorded.answer(201, [{"Batch": INVOICE.batch}]))
    await make_client(overrides).create_invoice(replace(INVOICE, external_key="WC01:1001"))
    body = tenant.sent[0].body
    entry, shipping = body["inMaster"][0], body["inDetail"][2]
    assert (body["Description"], body["Creator"], body["Total"]) == ("1001", "WEB", Decimal("-156.60"))
    assert (entry["Memo"], entry["custMLKey"], entry["WBS2"]) == ("Order 1001 WC01", "WC01:1001", "")
    assert (shipping["InvoiceSection"], shipping["Amount"], shipping["custCredit"]) == ("A", Decimal("-10.00"), "")


async def test_a_file_and_what_it_holds_are_found_by_batch(make_client: Any, tenant: Any, recorded: Any) -> None:
    exchanges = recorded.exchanges("invoice-find")
    control, absent, entries, details = exchanges[:4]
    empty = recorded.answer(200, [])
    tenant.play(
        *(recorded.answer_of(one) for one in (control, absent, entries)), empty, recorded.answer_of(details), empty
    )
    client = make_client()
    row = await client.get_control("IN-WC01-1001")
    assert row is not None
    assert (row.total, row.sum_total, row.diff_total) == (Decimal("156.6"), Decimal("156.6"), Decimal(0))
    assert await client.get_control("IN-WC01-9999") is None
    (entry,) = await client.get_entries("IN-WC01-1001")
    assert (entry.invoice, entry.wbs1, entry.wbs2, entry.comment) == ("WA01001", "STORE.WEB01", "", "Order 1001 WC01")
    assert (entry.trans_date, entry.currency, entry.posted) == (date(2026, 11, 20), "USD", False)
    lines = await client.get_details("IN-WC01-1001")
    assert [line.amount for line in lines] == [Decimal(text) for text in ("100", "50", "10", "-15", "11.6")]
    assert (lines[4].tax_code, lines[4].tax_basis, lines[4].section) == ("IL_STATE", Decimal(145), "T")
    assert lines[0].account == "401.00"
    assert [(sent.method, sent.path) for sent in tenant.sent[:2]] == [
        (one["request"]["method"], one["request"]["path"]) for one in (control, absent)
    ]


async def test_posted_rows_are_asked_for_as_recorded_and_balance(make_client: Any, tenant: Any, recorded: Any) -> None:
    exchange = next(e for e in recorded.exchanges("invoice-find") if "posted;" in e.get("case", ""))
    tenant.play(recorded.answer_of(exchange), recorded.answer(200, []))
    rows = await make_client().ledger_rows("IN-WC01-1001")
    assert _asked(tenant.sent[0]) == _recorded_request(exchange, **{"q.maxrows": "5000"})
    assert sum(row.amount for row in rows) == 0
    assert sum(row.amount for row in rows if not row.auto) == Decimal("-156.60")
    assert {(row.period, row.post_seq) for row in rows} == {(202611, 59)}


async def test_the_open_balance_is_asked_for_by_invoice_and_project(
    make_client: Any, tenant: Any, recorded: Any
) -> None:
    exchange = recorded.exchanges("credit-memo-create")[1]
    tenant.play(recorded.answer_of(exchange), recorded.answer(200, []))
    (balance,) = await make_client().ar_balance("STORE.WEB01", "WA01001")
    assert (balance.balance, balance.original, balance.credit_memo_ref) == (
        Decimal("108.0"),
        Decimal("156.6"),
        "WAR00077",
    )
    assert balance.billing_client_id == "0a1b2c3d4e5f60718293a4b5c6d7e8f9"
    query = dict(tenant.sent[0].params)
    assert (query["filterHash[0][name]"], query["filterHash[0][condition]"]) == ("Invoice", "AND")
    assert (query["filterHash[1][name]"], query["filterHash[1][value]"]) == ("WBS1", "STORE.WEB01")


async def test_the_posting_state_of_a_file_is_read(make_client: Any, tenant: Any, recorded: Any) -> None:
    exchange = recorded.exchanges("batch-landing")[0]
    tenant.play(recorded.answer_of(exchange), recorded.answer(200, []))
    (row,) = await make_client().landing("IN-WC01-1001")
    assert (row.trans_type, row.posted, row.post_seq, row.period) == ("IN", True, 59, 202611)


async def test_a_firm_is_found_by_our_key_as_recorded(make_client: Any, tenant: Any, recorded: Any) -> None:
    exchange = recorded.exchanges("firm-find")[0]
    tenant.play(recorded.answer_of(exchange), recorded.answer(200, []))
    firm = await make_client(KEYED).find_firm_by_external_key("WC01:42")
    assert firm is not None
    assert (firm.client_id, firm.number, firm.external_key) == (
        "3f0c9a51e2b94c0b8a7d6e5f4c3b2a10",
        "C00042",
        "WC01:42",
    )
    assert _asked(tenant.sent[0]) == _recorded_request(exchange)


async def test_two_firms_with_our_key_are_nobodys_guess(make_client: Any, tenant: Any, recorded: Any) -> None:
    rows = [{"ClientID": f"{n}", "custMLKey": "WC01:42"} for n in (1, 2)]
    tenant.play(recorded.answer(200, rows), recorded.answer(200, []))
    with pytest.raises(RecordAmbiguous, match="2 firms"):
        await make_client(KEYED).find_firm_by_external_key("WC01:42")


async def test_without_the_column_firms_cannot_be_found_by_our_key(make_client: Any, tenant: Any) -> None:
    with pytest.raises(ConfigurationError, match=r"firm\.external_key"):
        await make_client().find_firm_by_external_key("WC01:42")
    assert tenant.sent == []


async def test_a_firm_is_created_as_recorded_and_read_back_with_its_number(
    make_client: Any, tenant: Any, recorded: Any
) -> None:
    created, read_back = recorded.exchanges("firm-create")[:2]
    tenant.play(recorded.answer_of(created), recorded.answer_of(read_back))
    firm = await make_client(KEYED).create_firm(NewFirm(name="Contoso Retail Inc", external_key="WC01:77"))
    assert [_asked(sent) for sent in tenant.sent] == [_recorded_request(created), _recorded_request(read_back)]
    assert (firm.number, firm.external_key) == ("C00132", "WC01:77")
    assert [sent.safe for sent in tenant.sent] == [False, True]


async def test_a_firm_that_cannot_be_read_back_may_exist(make_client: Any, tenant: Any, recorded: Any) -> None:
    created = recorded.answer_of(recorded.exchanges("firm-create")[0])
    for after in (Retryable("down"), recorded.answer(404, {"message": "Record not found"})):
        tenant.play(created, after)
        with pytest.raises(Unconfirmed) as caught:
            await make_client(KEYED).create_firm(NewFirm(name="Contoso Retail Inc", external_key="WC01:77"))
        assert caught.value.reference == "WC01:77"


async def test_an_address_is_added_as_recorded_once(make_client: Any, tenant: Any, recorded: Any) -> None:
    exchange = recorded.exchanges("firm-create")[2]
    client_id = "7ac1f00d5e6b4d3c9f8e7d6c5b4a3921"
    address = NewAddress(
        label="Billing", address1="1 Main St", city="Springfield", state="IL", postcode="62701", country="United States"
    )
    none_yet, empty = recorded.answer(404, {"message": "Record not found"}), recorded.answer(200, [])
    tenant.play(none_yet, recorded.answer_of(exchange), recorded.answer_of(exchange), empty)
    client = make_client()
    assert await client.ensure_address(client_id, address) is True
    assert await client.ensure_address(client_id, address) is False
    assert _asked(tenant.sent[1]) == _recorded_request(exchange)
    assert [sent.method for sent in tenant.sent] == ["GET", "POST", "GET", "GET"]


async def test_a_contact_is_added_as_recorded_once(make_client: Any, tenant: Any, recorded: Any) -> None:
    exchange = recorded.exchanges("firm-create")[3]
    client_id = "7ac1f00d5e6b4d3c9f8e7d6c5b4a3921"
    contact = NewContact(last_name="Reyes", first_name="Ana", email="ana@contoso.example", phone="+1 217 555 0100")
    stored = {**exchange["response"]["body"][0], "Email": "Ana@contoso.example"}
    empty = recorded.answer(200, [])
    tenant.play(empty, recorded.answer_of(exchange), recorded.answer(200, [stored]), empty)
    client = make_client()
    assert await client.ensure_contact(client_id, contact) is True
    assert await client.ensure_contact(client_id, contact) is False
    assert _asked(tenant.sent[1]) == _recorded_request(exchange)


async def test_a_project_and_its_phase_are_read(make_client: Any, tenant: Any, recorded: Any) -> None:
    one, phases = recorded.exchanges("project-get")
    online = recorded.answer(200, [phases["response"]["body"][0]])
    tenant.play(recorded.answer_of(one), online, recorded.answer(200, []))
    client = make_client()
    project = await client.get_project("STORE.WEB01")
    assert project is not None
    assert (project.status, project.ready, project.has_sublevel, project.org) == ("A", True, False, "00.WEB")
    assert project.billing_client_id == "0a1b2c3d4e5f60718293a4b5c6d7e8f9"
    phase = await client.get_project("STORE.B2B02", "ONLINE")
    assert phase is not None
    assert (phase.wbs2, phase.wbs3, phase.name) == ("ONLINE", "", "Online")
    query = dict(tenant.sent[1].params)
    assert (query["wbstype"], query["order"], query["filterHash[1][value]"]) == ("wbs2", "WBS2_A", "ONLINE")


async def test_projects_are_found_by_their_billing_client(make_client: Any, tenant: Any, recorded: Any) -> None:
    row = recorded.exchanges("project-get")[0]["response"]["body"][0]
    tenant.play(recorded.answer(200, [row]), recorded.answer(200, []))
    (project,) = await make_client().projects_of_billing_client("0a1b2c3d4e5f60718293a4b5c6d7e8f9")
    assert project.wbs1 == "STORE.WEB01"
    query = dict(tenant.sent[0].params)
    assert (query["filterHash[0][name]"], query["wbstype"]) == ("BillingClientID", "wbs1")


async def test_accounts_tax_codes_and_auto_posting_are_read(make_client: Any, tenant: Any, recorded: Any) -> None:
    accounts, _, taxes, _, auto = recorded.exchanges("master-data")[:5]
    empty = recorded.answer(200, [])
    tenant.play(
        recorded.answer_of(accounts), recorded.answer_of(taxes), empty, recorded.answer_of(taxes), empty,
        recorded.answer_of(auto),
    )  # fmt: skip
    client = make_client()
    account = await client.get_account("401.00")
    assert account is not None
    assert (account.account, account.type, account.status) == ("401.00", 4, "A")
    tax = await client.get_tax_code("IL_STATE")
    assert tax is not None
    assert (tax.rate, tax.status) == (Decimal("8.0"), "A")
    assert await client.get_tax_code("NY") is None
    posting = await client.auto_posting("00")
    assert posting is not None
    assert posting.accounts_receivable == "111.00"
    assert _asked(tenant.sent[-1]) == _recorded_request(auto)


async def test_periods_and_login_state_are_read_and_set(make_client: Any, tenant: Any, recorded: Any) -> None:
    periods, set_period, set_company = recorded.exchanges("settings-period")
    empty = recorded.answer(200, [])
    tenant.play(recorded.answer_of(periods), empty, recorded.answer_of(set_period), recorded.answer_of(set_company))
    client = make_client()
    newest, closed = await client.periods()
    assert (newest.period, newest.start, newest.end, newest.closed) == (
        202611,
        date(2026, 11, 1),
        date(2026, 11, 30),
        False,
    )
    assert (closed.period, closed.closed, closed.closed_everywhere) == (202610, True, True)
    await client.set_period(202611)
    await client.set_company("00")
    assert [_asked(sent) for sent in tenant.sent[-2:]] == [
        _recorded_request(set_period),
        _recorded_request(set_company),
    ]


async def test_a_period_or_company_that_was_not_taken_over_is_an_error(
    make_client: Any, tenant: Any, recorded: Any
) -> None:
    tenant.play(recorded.answer(200, [{"Period": 202610}]), recorded.answer(200, [{"Company": "01"}]))
    client = make_client()
    with pytest.raises(UnknownShape, match="202610 instead of 202611"):
        await client.set_period(202611)
    with pytest.raises(UnknownShape, match="01 instead of 00"):
        await client.set_company("00")


async def test_columns_can_be_probed_by_metadata(make_client: Any, tenant: Any, recorded: Any) -> None:
    exchange = recorded.exchanges("metadata")[0]
    tenant.play(recorded.answer_of(exchange), recorded.answer(200, {"what": "else"}))
    client = make_client()
    assert await client.field_names("INEntry") == {"Invoice", "TransComment"}
    with pytest.raises(UnknownShape):
        await client.field_names("INEntry")
