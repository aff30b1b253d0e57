"""Tokens of the tenant: what signs in, what expires, what is refused and in which shape."""

from __future__ import annotations

import pytest

from mlc_sandbox.deltek.desk import Desk, new_desk

NO_DATABASE = {"error": "invalid_grant", "error_description": "The database is not available for sign-in."}
NO_SIGN_IN = {"error": "invalid_grant", "error_description": "The sign-in was refused; see the user record."}


async def test_a_token_dies_after_its_lifetime(desk: Desk) -> None:
    await desk.http.post("/_sandbox/clock", json={"advance": 1798})
    assert (await desk.call("GET", "api/Settings/ActivePeriod")).status_code == 200
    await desk.http.post("/_sandbox/clock", json={"advance": 2})
    answer = await desk.call("GET", "api/Settings/ActivePeriod")
    assert answer.status_code == 401
    assert answer.json() == {"message": "Authorization has been denied for this request."}


async def test_a_token_can_be_made_to_last_two_calls() -> None:
    async with new_desk(token_calls=2) as desk:
        statuses = [(await desk.call("GET", "api/firm")).status_code for _ in range(3)]
    assert statuses == [200, 200, 401]


async def test_a_refresh_token_works_once_and_brings_a_new_one(desk: Desk) -> None:
    first = (await desk.sign_in()).json()
    second = await desk.grant(grant_type="refresh_token", refresh_token=first["refresh_token"])
    again = await desk.grant(grant_type="refresh_token", refresh_token=first["refresh_token"])
    third = await desk.grant(grant_type="refresh_token", refresh_token=second.json()["refresh_token"])
    assert [second.status_code, again.status_code, third.status_code] == [200, 400, 200]
    assert again.json()["error"] == "invalid_grant"
    assert second.json()["access_token"] != first["access_token"]


async def test_revoked_tokens_are_refused_and_the_password_still_works(desk: Desk) -> None:
    refresh = (await desk.sign_in()).json()["refresh_token"]
    await desk.control("tokens/revoke")
    assert (await desk.call("GET", "api/firm")).status_code == 401
    assert (await desk.grant(grant_type="refresh_token", refresh_token=refresh)).status_code == 400
    assert (await desk.sign_in()).status_code == 200
    assert (await desk.call("GET", "api/firm")).status_code == 200


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"database": ""}, NO_DATABASE),
        ({"database": "OTHER"}, NO_DATABASE),
        ({"Client_Id": "nobody"}, {"error": "invalid_client"}),
        ({"client_secret": "wrong"}, {"error": "invalid_client"}),
        ({"grant_type": ""}, {"error": "unsupported_grant_type"}),
        ({"Username": "NOBODY"}, NO_SIGN_IN),
    ],
)
async def test_a_wrong_sign_in_is_answered_in_the_token_shape(
    desk: Desk, fields: dict[str, str], expected: dict[str, str]
) -> None:
    right = {"Username": "ML_CONNECTOR", "Password": "sandbox-password", "grant_type": "password"}
    answer = await desk.grant(**{**right, **fields})
    assert answer.status_code == 400
    assert answer.json() == expected


async def test_names_of_the_form_may_be_in_any_letter_case(desk: Desk) -> None:
    form = {
        "username": "ML_CONNECTOR",
        "PASSWORD": "sandbox-password",
        "Grant_Type": "password",
        "Database": "ACMEPROD",
        "client_id": "sandbox-client",
        "CLIENT_SECRET": "sandbox-secret",
    }
    assert (await desk.http.post("/Acme/api/token", data=form)).status_code == 200


@pytest.mark.parametrize("state", ["disabled", "password_expired"])
async def test_a_user_who_may_not_sign_in_gets_a_plain_400(desk: Desk, state: str) -> None:
    await desk.control("users", {state: True})
    answer = await desk.sign_in()
    assert answer.status_code == 400
    assert answer.json()["error"] == "invalid_grant"


async def test_a_json_body_is_no_token_form(desk: Desk) -> None:
    answer = await desk.http.post("/Acme/api/token", json={"grant_type": "password"})
    assert (answer.status_code, answer.json()) == (400, {"error": "unsupported_grant_type"})


@pytest.mark.parametrize("header", ["", "Bearer", "Bearer nonsense", "Basic abc"])
async def test_a_call_without_a_valid_token_is_refused(desk: Desk, header: str) -> None:
    answer = await desk.http.get("/Acme/api/firm", headers={"Authorization": header})
    assert answer.status_code == 401
