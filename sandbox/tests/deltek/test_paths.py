"""Paths of the tenant: two roots, prefix, letter case, unknown paths and methods, media types."""

from __future__ import annotations

import pytest

from mlc_sandbox.deltek.desk import Desk, new_desk
from mlc_sandbox.deltek.specimens import invoice


@pytest.mark.parametrize("path", ["api/Firm", "API/FIRM", "api/firm/", "api/dataentry/ALLLANDING", "Api/psaledger/in"])
async def test_resource_names_ignore_letter_case_and_one_trailing_slash(desk: Desk, path: str) -> None:
    assert (await desk.call("GET", path)).status_code == 200


@pytest.mark.parametrize(
    "path", ["api/AccountConfiguration/CFGAutoPosting", "api/firm/a/b/c", "vision/firm", "api", "api/nothing"]
)
async def test_a_path_under_the_wrong_root_is_not_found(desk: Desk, path: str) -> None:
    answer = await desk.call("GET", path)
    assert answer.status_code == 404
    assert answer.json() == {"message": "No HTTP resource was found that matches the request."}


async def test_the_prefix_keeps_its_letter_case(desk: Desk) -> None:
    headers = {"Authorization": f"Bearer {desk.token}"}
    assert (await desk.http.get("/Acme/api/firm", headers=headers)).status_code == 200
    assert (await desk.http.get("/acme/api/firm", headers=headers)).status_code == 404
    assert (await desk.http.get("/api/firm", headers=headers)).status_code == 404


@pytest.mark.parametrize("prefix", ["", "/vantagepoint", "a/B/c/"])
async def test_the_prefix_can_be_any_path(prefix: str) -> None:
    async with new_desk(prefix=prefix) as desk:
        assert (await desk.call("GET", "api/firm")).status_code == 200
        tenant = (await desk.http.get("/_sandbox/tenant")).json()
        assert tenant["tenant_root"].endswith(f"{desk.prefix}/")
        assert (await desk.http.get(f"{tenant['tenant_root']}api/firm")).status_code == 401


async def test_another_method_on_a_known_path_is_405(desk: Desk) -> None:
    answer = await desk.call("DELETE", "api/firm")
    assert answer.status_code == 405


async def test_a_write_without_the_json_content_type_is_415(desk: Desk) -> None:
    answer = await desk.call("POST", "api/DataEntry/inControl", body="{}", headers={"Content-Type": "text/plain"})
    assert answer.status_code == 415


@pytest.mark.parametrize("body", ["", "[]", "{", '{"Batch": NaN}', b"\xff", '"text"', "[" * 100_000])
async def test_a_body_that_is_no_json_object_is_invalid(desk: Desk, body: str | bytes) -> None:
    answer = await desk.call("POST", "api/DataEntry/inControl", body=body)
    assert (answer.status_code, answer.json()) == (400, {"message": "The request is invalid."})


async def test_a_key_may_hold_a_slash_when_it_is_encoded(desk: Desk) -> None:
    await desk.call("POST", "api/DataEntry/inControl", body=invoice("IN/1"))
    assert (await desk.call("GET", "api/DataEntry/inControl/IN%2F1")).status_code == 200
    assert (await desk.call("GET", "api/DataEntry/inControl/IN/1")).status_code == 404


async def test_a_role_without_the_right_gets_403(desk: Desk) -> None:
    await desk.control("users", {"denied": ["post"]})
    await desk.call("POST", "api/DataEntry/inControl", body=invoice())
    answer = await desk.call("PUT", "api/DataEntry/PostTransFile", body={"parms": {"batch": "IN-WC01-1"}})
    assert answer.status_code == 403
    assert answer.json() == {"message": "You do not have access rights to this application."}


async def test_an_emoji_and_a_lone_surrogate_in_a_name_do_not_break_the_answer(desk: Desk) -> None:
    others = '"SortName": "x", "Status": "A", "ClientInd": "Y", "VendorInd": "N"'
    body = '{"Name": "Caf\\u00e9 \\ud83d\\ude00 \\ud800", ' + others + "}"
    answer = await desk.call("POST", "api/firm", body=body)
    assert answer.json()[0]["Name"] == "Café 😀 ?"
