"""Sessions: what is sent, one at a time, the 401 rule, and a refused password that is not tried again."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from mlc_common.clock import FixedClock
from mlc_common.errors import Retryable, Unconfirmed
from mlc_vendors.deltek import SignInRefused, UnknownShape
from mlc_vendors.deltek.models import Period

PERIOD = [{"Period": 202611}]


def _secret_free(form: Any, exchange: Any) -> Any:
    hidden = {"Password": "{secret}", "client_secret": "{client_secret}"}
    return {name: hidden.get(name, value) for name, value in form.items()} == exchange["request"]["form"]


async def test_the_password_grant_is_spelled_as_recorded(make_client: Any, tenant: Any, recorded: Any) -> None:
    tenant.play(recorded.answer(200, PERIOD))
    await make_client().active_period()
    assert _secret_free(tenant.tokens_asked[0], recorded.exchanges("token")[0])
    assert tenant.sent[0].headers == {
        "Authorization": "Bearer access-1",
        "Accept": "application/json",
        "Content-Type": "application/json",
    }


async def test_a_session_is_used_until_a_minute_before_its_end_and_then_refreshed(
    make_client: Any, tenant: Any, recorded: Any, clock: FixedClock
) -> None:
    tenant.play(*[recorded.answer(200, PERIOD)] * 3)
    tenant.token_steps = [
        recorded.answer_of(recorded.exchanges("token")[0]),
        recorded.answer_of(recorded.exchanges("token")[1]),
    ]
    client = make_client()
    await client.active_period()
    clock.advance(1799 - 61)
    await client.active_period()
    assert len(tenant.tokens_asked) == 1
    clock.advance(2)
    await client.active_period()
    assert _secret_free(tenant.tokens_asked[1], recorded.exchanges("token")[1])
    assert [sent.headers["Authorization"] for sent in tenant.sent] == [
        "Bearer opaque-access-1",
        "Bearer opaque-access-1",
        "Bearer opaque-access-2",
    ]


async def test_a_life_shorter_than_the_margin_does_not_renew_before_every_call(
    make_client: Any, tenant: Any, recorded: Any
) -> None:
    tenant.token_steps = [recorded.answer(200, {"access_token": "a", "expires_in": 10})]
    tenant.play(*[recorded.answer(200, PERIOD)] * 2)
    client = make_client()
    await client.active_period()
    await client.active_period()
    assert len(tenant.tokens_asked) == 1


async def test_a_refused_refresh_falls_back_to_the_password_once(
    make_client: Any, tenant: Any, recorded: Any, clock: FixedClock
) -> None:
    token = recorded.exchanges("token")
    tenant.token_steps = [recorded.answer_of(token[0]), recorded.answer_of(token[2]), recorded.answer_of(token[1])]
    tenant.play(*[recorded.answer(200, PERIOD)] * 2)
    client = make_client()
    await client.active_period()
    clock.advance(1799)
    await client.active_period()
    assert [form["grant_type"] for form in tenant.tokens_asked] == ["password", "refresh_token", "password"]


async def test_a_refresh_that_could_not_be_sent_is_tried_again_later(
    make_client: Any, tenant: Any, recorded: Any, clock: FixedClock
) -> None:
    token = recorded.exchanges("token")
    tenant.token_steps = [recorded.answer_of(token[0]), Retryable("down"), recorded.answer_of(token[1])]
    tenant.play(*[recorded.answer(200, PERIOD)] * 2)
    client = make_client()
    await client.active_period()
    clock.advance(1799)
    with pytest.raises(Retryable):
        await client.active_period()
    await client.active_period()
    assert [form["grant_type"] for form in tenant.tokens_asked] == ["password", "refresh_token", "refresh_token"]


async def test_many_requests_at_once_ask_for_one_session(make_client: Any, tenant: Any, recorded: Any) -> None:
    tenant.play(*[recorded.answer(200, PERIOD)] * 8)
    client = make_client()
    await asyncio.gather(*(client.active_period() for _ in range(8)))
    assert (len(tenant.tokens_asked), len(tenant.sent)) == (1, 8)


async def test_after_401_a_read_is_sent_again_with_a_refreshed_session_and_then_with_the_password(
    make_client: Any, tenant: Any, recorded: Any
) -> None:
    tenant.play(recorded.answer(401), recorded.answer(401), recorded.answer(200, PERIOD))
    period = await make_client().active_period()
    assert (type(period), period.period) == (Period, 202611)
    assert [form["grant_type"] for form in tenant.tokens_asked] == ["password", "refresh_token", "password"]
    assert [sent.headers["Authorization"] for sent in tenant.sent] == [f"Bearer access-{n}" for n in (1, 2, 3)]


async def test_a_third_401_fails_as_sign_in(make_client: Any, tenant: Any, recorded: Any) -> None:
    tenant.play(*[recorded.answer_of(recorded.exchanges("errors")[0])] * 3)
    with pytest.raises(SignInRefused):
        await make_client().active_period()
    assert len(tenant.sent) == 3


async def test_after_401_a_write_is_not_sent_again_but_the_next_call_has_a_new_session(
    make_client: Any, tenant: Any, recorded: Any
) -> None:
    client = make_client()
    tenant.play(recorded.answer(401), recorded.answer(200, PERIOD))
    with pytest.raises(Unconfirmed) as caught:
        await client.post_file("IN-1", period=202611)
    assert (caught.value.reference, len(tenant.sent)) == ("IN-1", 1)
    await client.active_period()
    assert [form["grant_type"] for form in tenant.tokens_asked] == ["password", "refresh_token"]
    assert tenant.sent[1].headers["Authorization"] == "Bearer access-2"


async def test_two_readers_with_the_same_stale_session_refresh_once(
    make_client: Any, tenant: Any, recorded: Any
) -> None:
    client = make_client()
    tenant.play(recorded.answer(200, PERIOD))
    await client.active_period()
    tenant.revoked = {"access-1"}
    tenant.play(*[recorded.answer(200, PERIOD)] * 2)
    await asyncio.gather(client.active_period(), client.active_period())
    assert [sent.headers["Authorization"][-1] for sent in tenant.sent] == ["1", "1", "1", "2", "2"]
    assert [form["grant_type"] for form in tenant.tokens_asked] == ["password", "refresh_token"]


async def test_a_refused_password_is_not_tried_again_until_a_person_says_so(
    make_client: Any, tenant: Any, recorded: Any
) -> None:
    refused = recorded.answer_of(recorded.exchanges("token")[3])
    tenant.token_steps = [refused, recorded.answer_of(recorded.exchanges("token")[0])]
    tenant.play(recorded.answer(200, PERIOD))
    client = make_client()
    for _ in range(3):
        with pytest.raises(SignInRefused, match="invalid_grant: The sign-in was refused; see the user record"):
            await client.active_period()
    assert (len(tenant.tokens_asked), tenant.sent) == (1, [])
    client.reset_sign_in()
    assert (await client.active_period()).period == 202611


async def test_the_token_endpoints_own_error_shape_is_read_also_without_a_description(
    make_client: Any, tenant: Any, recorded: Any
) -> None:
    tenant.token_steps = [recorded.answer_of(recorded.exchanges("token")[4])]
    with pytest.raises(SignInRefused, match="unsupported_grant_type"):
        await make_client().active_period()


@pytest.mark.parametrize(
    "echo",
    ['{"error": "bad", "error_description": "Password=p4ssw0rd&x"}', '{"error": "client s3cr3t is unknown"}'],
)
async def test_a_description_that_echoes_a_secret_is_not_quoted(
    make_client: Any, tenant: Any, recorded: Any, echo: Any
) -> None:
    tenant.token_steps = [recorded.answer(400, raw=echo)]
    with pytest.raises(SignInRefused, match="status 400") as caught:
        await make_client().active_period()
    assert "p4ssw0rd" not in str(caught.value) + repr(caught.value)
    assert "s3cr3t" not in str(caught.value)


@pytest.mark.parametrize("status", [400, 403, 404])
async def test_a_gateways_page_says_nothing_about_the_password(
    make_client: Any, tenant: Any, recorded: Any, status: Any
) -> None:
    page = recorded.answer(status, raw="<html>Password=p4ssw0rd</html>")
    tenant.token_steps = [page, recorded.answer_of(recorded.exchanges("token")[0])]
    tenant.play(recorded.answer(200, PERIOD))
    client = make_client()
    with pytest.raises(Retryable, match=f"with {status}") as caught:
        await client.active_period()
    assert "p4ssw0rd" not in str(caught.value)
    assert (await client.active_period()).period == 202611


@pytest.mark.parametrize("status", [429, 500, 503])
async def test_an_ill_token_endpoint_is_tried_again_later(
    make_client: Any, tenant: Any, recorded: Any, status: Any
) -> None:
    tenant.token_steps = [recorded.answer(status, after=7.0)]
    with pytest.raises(Retryable) as caught:
        await make_client().active_period()
    assert caught.value.after == 7.0


async def test_a_token_answer_without_a_token_is_an_error(make_client: Any, tenant: Any, recorded: Any) -> None:
    tenant.token_steps = [recorded.answer(200, {"expires_in": 1799})]
    with pytest.raises(UnknownShape):
        await make_client().active_period()


def test_credentials_do_not_show_their_secrets(credentials: Any) -> None:
    assert "p4ssw0rd" not in repr(credentials) + str(credentials)
    assert "s3cr3t" not in repr(credentials) + str(credentials)
