"""Firms, addresses, contacts, projects, accounts and tax codes: what is refused, filled later, or rewritten."""

from __future__ import annotations

from typing import Any

import pytest

from mlc_sandbox.deltek.desk import Desk, exact, found, new_desk

FIRM = {"Name": "Contoso Ltd", "SortName": "Contoso", "Status": "A", "ClientInd": "Y", "VendorInd": "N"}
ADDRESS = {"Address": "Billing", "Address1": "1 Main St", "City": "Springfield", "Country": "US", "PrimaryInd": "true"}


async def post(desk: Desk, path: str, body: dict[str, Any]) -> dict[str, Any]:
    answer = await desk.call("POST", path, body=body)
    assert answer.status_code == 201, answer.text
    row: dict[str, Any] = exact(answer)[0]
    return row


async def test_a_new_firms_number_is_blank_in_the_answer_and_there_on_the_next_read(desk: Desk) -> None:
    made = await post(desk, "api/firm", FIRM)
    assert made["Client"] == ""
    assert (await desk.rows(f"api/firm/{made['ClientID']}"))[0]["Client"] == "C00132"


async def test_the_external_key_is_refused_unless_the_tenant_has_defined_it(desk: Desk) -> None:
    body = FIRM | {"custMLKey": "WC01:1"}
    refused = await desk.call("POST", "api/firm", body=body)
    assert (refused.status_code, refused.json()["message"]) == (400, "Field custMLKey does not exist")
    await desk.control("settings", {"firm_external_key": True})
    made = await post(desk, "api/firm", body)
    rows = await desk.rows("api/firm", **found({"custMLKey": "WC01:1"}))
    assert [row["ClientID"] for row in rows] == [made["ClientID"]]


async def test_metadata_tells_whether_the_external_key_exists() -> None:
    for enabled in (True, False):
        async with new_desk(firm_external_key=enabled) as desk:
            fields = exact(await desk.call("GET", "api/metadata/firm"))["Fields"]
        assert ("custMLKey" in {f["FieldName"] for f in fields}) is enabled


async def test_metadata_names_keep_their_letter_case(desk: Desk) -> None:
    assert (await desk.call("GET", "api/metadata/INEntry")).status_code == 200
    assert (await desk.call("GET", "api/metadata/inentry")).status_code == 404


async def test_two_firms_may_have_one_name(desk: Desk) -> None:
    await post(desk, "api/firm", FIRM)
    await post(desk, "api/firm", FIRM)
    assert len(await desk.rows("api/firm", **found({"Name": "Contoso Ltd"}))) == 2


@pytest.mark.parametrize(
    ("changes", "status", "message"),
    [
        ({"Client": "X1"}, 400, "Firm Number value ignored, autonumber enabled and override is not allowed"),
        ({"VendorInd": "Y"}, 400, "Please provide a Vendor Type for table Firm"),
        ({"Name": ""}, 400, "Please provide a Name for table Firm"),
        ({"A": 1, "B": 2}, 400, "Field A does not exist<BR/>Field B does not exist"),
        ({"Name": "x" * 101}, 500, "String or binary data would be truncated in table 'ACMEPROD.dbo.CL'"),
    ],
)  # fmt: skip
async def test_a_firm_is_refused_with_its_sentence(
    desk: Desk, changes: dict[str, Any], status: int, message: str
) -> None:
    answer = await desk.call("POST", "api/firm", body=FIRM | changes)
    assert answer.status_code == status
    assert answer.json()["message"].startswith(message)
    assert len(await desk.rows("api/firm")) == 5


async def test_a_missing_column_and_an_unknown_field_have_opposite_meanings(desk: Desk) -> None:
    body = {k: v for k, v in FIRM.items() if k != "SortName"}
    assert (await desk.call("POST", "api/firm", body=body)).json()["message"] == "Column:SortName does not exist"


async def test_a_put_changes_what_is_sent_and_validates_the_whole_record(desk: Desk) -> None:
    made = await post(desk, "api/firm", FIRM)
    path = f"api/firm/{made['ClientID']}"
    changed = await desk.call("PUT", path, body={"WebSite": "https://contoso.example"})
    assert (changed.status_code, exact(changed)[0]["Name"]) == (200, "Contoso Ltd")
    await desk.control("firms", FIRM | {"ClientID": made["ClientID"], "VendorInd": "Y"})
    refused = await desk.call("PUT", path, body={"Memo": "x"})
    assert (refused.status_code, refused.json()["message"]) == (400, "Please provide a Vendor Type for table Firm")


async def test_an_absent_firm_is_404_or_an_empty_array() -> None:
    async with new_desk(absent_single="empty") as desk:
        answer = await desk.call("GET", "api/firm/ffff")
    assert (answer.status_code, answer.json()) == (200, [])


async def test_a_created_record_may_be_answered_as_an_object() -> None:
    async with new_desk(created_answer="object") as desk:
        assert (await desk.call("POST", "api/firm", body=FIRM)).json()["Name"] == "Contoso Ltd"


async def test_addresses_are_404_before_the_first_and_each_post_adds_one(desk: Desk) -> None:
    path = f"api/firm/{(await post(desk, 'api/firm', FIRM))['ClientID']}/address"
    assert (await desk.call("GET", path)).status_code == 404
    await post(desk, path, ADDRESS)
    await post(desk, path, ADDRESS)
    assert len(await desk.rows(path)) == 2


async def test_the_primary_address_shows_on_the_firm(desk: Desk) -> None:
    made = await post(desk, "api/firm", FIRM)
    await post(desk, f"api/firm/{made['ClientID']}/address", ADDRESS | {"Email": "ap@contoso.example"})
    rows = await desk.rows("api/firm", **found({"PrimaryEmail": "ap@contoso.example"}))
    assert [row["ClientID"] for row in rows] == [made["ClientID"]]


@pytest.mark.parametrize(("form", "accepted"), [
    ("both", ["US", "United States", ""]), ("code", ["US"]), ("name", ["United States", "Japan"]),
])  # fmt: skip
async def test_countries_come_from_a_master_list(form: str, accepted: list[str]) -> None:
    async with new_desk(country_form=form) as desk:
        path = f"api/firm/{(await post(desk, 'api/firm', FIRM))['ClientID']}/address"
        for country in accepted:
            assert (await desk.call("POST", path, body=ADDRESS | {"Country": country})).status_code == 201
        refused = await desk.call("POST", path, body=ADDRESS | {"Country": "USA"})
        assert (refused.status_code, refused.json()["message"]) == (400, "Country USA does not exist")


async def test_a_contact_needs_a_last_name_and_a_firm_that_exists(desk: Desk) -> None:
    firm = await post(desk, "api/firm", FIRM)
    contact = {"ClientID": firm["ClientID"], "ContactStatus": "A", "LastName": "Reyes", "Email": "ana@contoso.example"}
    made = await post(desk, "api/contact", contact)
    assert (await desk.rows(f"api/contact/{made['ContactID']}"))[0]["Email"] == "ana@contoso.example"
    blank = await desk.call("POST", "api/contact", body=contact | {"LastName": " "})
    lost = await desk.call("POST", "api/contact", body=contact | {"ClientID": "f" * 32})
    assert (blank.status_code, lost.status_code) == (400, 500)
    assert "Object reference not set" in lost.json()["message"]


async def test_a_vendor_number_is_padded_to_six_digits(desk: Desk) -> None:
    made = await post(desk, "api/firm", FIRM | {"VendorInd": "Y", "Category": "Trade", "Vendor": "77"})
    assert (await desk.rows(f"api/firm/{made['ClientID']}"))[0]["Vendor"] == "000077"


async def test_a_firm_that_a_project_bills_cannot_be_deleted(desk: Desk) -> None:
    used = await desk.call("DELETE", "api/firm/5be1f3a7c09d4e6fa2b4c6d8e0f1a3b5")
    free = await post(desk, "api/firm", FIRM)
    gone = await desk.call("DELETE", f"api/firm/{free['ClientID']}")
    assert (used.status_code, gone.status_code) == (400, 200)
    assert (await desk.call("GET", f"api/firm/{free['ClientID']}")).status_code == 404


async def test_a_phase_makes_its_project_one_with_lower_levels(desk: Desk) -> None:
    project = {"WBS1": "NEW.01", "Name": "New", "ChargeType": "R", "Status": "A", "Org": "00.WEB"}
    await post(desk, "api/project", project)
    assert (await desk.rows("api/project/NEW.01"))[0]["SubLevel"] == "N"
    await post(desk, "api/project", project | {"WBS2": "P1", "Name": "Phase"})
    assert (await desk.rows("api/project/NEW.01"))[0]["SubLevel"] == "Y"
    again = await desk.call("POST", "api/project", body=project)
    assert again.json()["message"] == "Record NEW.01 already exists and cannot be added."


async def test_a_tax_code_is_stored_upper_case_and_cut_so_that_the_sent_code_is_not_found(desk: Desk) -> None:
    body = {"Code": "il_springfield", "Description": "City", "Rate": 1, "Status": "A"}
    assert (await post(desk, "api/TaxCodeEntity", body))["Code"] == "IL_SPRINGF"
    assert (await desk.call("PUT", "api/TaxCodeEntity/il_springfield", body={"Rate": 2})).status_code == 404
    assert (await desk.call("PUT", "api/TaxCodeEntity/IL_SPRINGF", body={"Rate": 2})).status_code == 200


async def test_an_account_code_stays_text_with_its_zeros(desk: Desk) -> None:
    codes = {row["Account"] for row in await desk.rows("api/Accounts/", pageSize=50)}
    assert {"401.00", "409.00", "111.00", "221.00"} <= codes


async def test_the_default_data_has_what_the_flows_need(desk: Desk) -> None:
    periods = await desk.rows("api/Settings/Period", pageSize=50, order="Period_A")
    assert next(p["Period"] for p in periods if p["ActiveCompanyClosed"] == "N") == 202610
    assert len(periods) == 36
    codes = {row["Code"] for row in await desk.rows("api/TaxCodeEntity/")}
    assert codes >= {"IL_STATE", "NY_STATE", "NY_CITY", "JP_CT"}
    projects = {row["WBS1"]: row for row in await desk.rows("api/project", wbstype="wbs1")}
    assert projects["STORE.JP01"]["BillingCurrencyCode"] == "JPY"
    firm = (await desk.rows(f"api/firm/{projects['STORE.WEB01']['BillingClientID']}"))[0]
    assert firm["Name"] == "Online customers"
