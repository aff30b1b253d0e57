"""What is sent again and what never is."""

from __future__ import annotations

import socket
from typing import Any

import pytest

from mlc_common.clock import FixedClock
from mlc_common.errors import ConfigurationError, Retryable, Unconfirmed
from mlc_common.http import CircuitOpen, Unreachable


async def test_a_get_is_sent_again_after_503_and_the_good_answer_is_returned(
    server: Any, script: Any, make_client: Any
) -> None:
    server.play(script.answer(503), script.answer(200, b'{"total": 10.10}'))
    answer = await make_client().request("GET", f"{server.url}/orders")
    assert (answer.status, str(answer.json()["total"]), len(server.seen)) == (200, "10.10", 2)


async def test_a_get_is_sent_again_after_the_connection_was_cut(server: Any, script: Any, make_client: Any) -> None:
    server.play(script.cut, script.cut_in_body, script.answer(200))
    answer = await make_client().request("GET", f"{server.url}/orders")
    assert (answer.status, len(server.seen)) == (200, 3)


async def test_after_the_last_attempt_the_servers_own_answer_is_returned(
    server: Any, script: Any, make_client: Any
) -> None:
    server.play(script.answer(500, b"broken"))
    answer = await make_client(max_attempts=3).request("GET", f"{server.url}/orders")
    assert (answer.status, answer.content, len(server.seen)) == (500, b"broken", 3)


async def test_a_get_that_is_never_answered_ends_as_retryable(server: Any, script: Any, make_client: Any) -> None:
    server.play(script.cut)
    with pytest.raises(Unreachable, match="was not answered"):
        await make_client(max_attempts=2).request("GET", f"{server.url}/orders")
    assert len(server.seen) == 2


async def test_a_client_error_is_returned_at_once(server: Any, script: Any, make_client: Any) -> None:
    server.play(script.answer(404))
    answer = await make_client().request("GET", f"{server.url}/orders")
    assert (answer.status, len(server.seen)) == (404, 1)


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE"])
async def test_a_write_that_was_cut_is_unconfirmed_and_sent_once(
    server: Any, script: Any, make_client: Any, method: Any
) -> None:
    server.play(script.cut, script.answer(200))
    with pytest.raises(Unconfirmed) as caught:
        await make_client().request(method, f"{server.url}/post", content=b"{}", template="trans.post")
    assert caught.value.reference == f"{method} trans.post"
    assert len(server.seen) == 1


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE"])
async def test_a_write_on_a_reused_connection_that_is_cut_is_not_sent_twice(
    server: Any, script: Any, make_client: Any, method: Any
) -> None:
    """aiohttp by itself would send PUT and DELETE again here."""
    client = make_client()
    server.play(script.answer(200), script.cut, script.answer(200))
    await client.request("GET", f"{server.url}/warm")
    with pytest.raises(Unconfirmed):
        await client.request(method, f"{server.url}/post", content=b"{}")
    assert [seen.connection for seen in server.seen] == [1, 1]


async def test_a_write_whose_answer_breaks_off_is_unconfirmed(server: Any, script: Any, make_client: Any) -> None:
    server.play(script.cut_in_body)
    with pytest.raises(Unconfirmed):
        await make_client().request("POST", f"{server.url}/post", content=b"{}")
    assert len(server.seen) == 1


async def test_a_write_without_an_answer_in_time_is_unconfirmed(server: Any, script: Any, make_client: Any) -> None:
    server.play(script.hang)
    with pytest.raises(Unconfirmed):
        await make_client().request("POST", f"{server.url}/post", content=b"{}", timeout_s=0.2)
    assert server.hanging.is_set()


async def test_a_write_answered_with_500_or_429_is_returned_and_not_sent_again(
    server: Any, script: Any, make_client: Any
) -> None:
    server.play(script.answer(500, b"closed"), script.answer(429))
    client = make_client()
    first = await client.request("POST", f"{server.url}/post", content=b"{}")
    second = await client.request("POST", f"{server.url}/post", content=b"{}")
    assert (first.status, first.content, second.status, len(server.seen)) == (500, b"closed", 429, 2)


async def test_a_write_to_a_port_where_nobody_listens_is_retryable(make_client: Any) -> None:
    with socket.socket() as taken:  # bound but not listening: refused for certain
        taken.bind(("127.0.0.1", 0))
        with pytest.raises(Unreachable):
            await make_client().request("POST", f"http://127.0.0.1:{taken.getsockname()[1]}/", content=b"{}")


async def test_a_write_to_an_unknown_name_is_retryable(make_client: Any) -> None:
    with pytest.raises(Unreachable):
        await make_client().request("POST", "http://no-such-host.invalid/", content=b"{}")


async def test_a_post_that_the_caller_calls_safe_is_sent_again(server: Any, script: Any, make_client: Any) -> None:
    server.play(script.cut, script.answer(200))
    answer = await make_client().request("POST", f"{server.url}/token", form={"a": "b c"}, safe=True)
    assert (answer.status, len(server.seen), server.seen[1].body) == (200, 2, b"a=b+c")


async def test_a_get_that_the_caller_calls_unsafe_is_sent_once(server: Any, script: Any, make_client: Any) -> None:
    server.play(script.cut, script.answer(200))
    with pytest.raises(Unconfirmed):
        await make_client().request("GET", f"{server.url}/consume", safe=False)
    assert len(server.seen) == 1


async def test_the_vendors_own_judgement_decides_which_500_is_an_illness(
    server: Any, script: Any, make_client: Any
) -> None:
    server.play(script.answer(500, b"Period closed"))
    client = make_client(client_options={"ill": lambda answer: b"closed" not in answer.content}, breaker_failures=1)
    answer = await client.request("GET", f"{server.url}/x")
    assert (answer.status, len(server.seen), client.breaker.state) == (500, 1, "closed")


async def test_back_off_doubles_with_jitter_and_stays_below_the_maximum(
    server: Any, script: Any, make_client: Any, clock: FixedClock
) -> None:
    server.play(script.answer(503))
    await make_client(jitter=1.0, max_attempts=5, retry_base_s=1, retry_max_s=3).request("GET", f"{server.url}/x")
    assert clock.monotonic() == 1 + 2 + 3 + 3


async def test_retry_after_in_seconds_is_waited_for(
    server: Any, script: Any, make_client: Any, clock: FixedClock
) -> None:
    server.play(script.answer(429, Retry_After="7"), script.answer(200))
    answer = await make_client(jitter=0.0).request("GET", f"{server.url}/x")
    assert (answer.status, clock.monotonic()) == (200, 7)


async def test_retry_after_as_a_date_is_waited_for(
    server: Any, script: Any, make_client: Any, clock: FixedClock
) -> None:
    server.play(script.answer(503, Retry_After="Fri, 20 Nov 2026 12:00:09 GMT"), script.answer(200))
    await make_client(jitter=0.0).request("GET", f"{server.url}/x")
    assert clock.monotonic() == 9


async def test_a_wait_longer_than_the_maximum_is_left_to_the_caller(
    server: Any, script: Any, make_client: Any, clock: FixedClock
) -> None:
    server.play(script.answer(429, Retry_After="120"))
    answer = await make_client(retry_max_s=30).request("GET", f"{server.url}/x")
    assert (answer.status, answer.after, len(server.seen), clock.monotonic()) == (429, 120, 1, 0)


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ({"X_Rate_Limit_Requests_Left": "0", "X_Rate_Limit_Time_Reset_Ms": "2500"}, 2.5),
        ({"RateLimit_Remaining": "0", "RateLimit_Reset": "4"}, 4),
        ({"X_RateLimit_Remaining": "0", "X_RateLimit_Reset": "1795176006"}, 6),
        ({"X_RateLimit_Remaining": "1", "X_RateLimit_Reset": "4"}, None),
        ({"Retry_After": "9"}, None),  # on a 200 it does not mean us
    ],
)
async def test_a_used_up_vendor_budget_silences_the_client(
    server: Any, script: Any, make_client: Any, clock: FixedClock, headers: dict[str, str], expected: float | None
) -> None:
    server.play(script.answer(200, b"{}", **headers), script.answer(200))
    client = make_client()
    answer = await client.request("GET", f"{server.url}/x")
    await client.request("POST", f"{server.url}/x")
    assert (answer.after, clock.monotonic()) == (expected, expected or 0)


async def test_the_breaker_opens_after_failures_in_a_row_and_sends_nothing(
    server: Any, script: Any, make_client: Any, clock: FixedClock
) -> None:
    server.play(script.answer(503))
    client = make_client(max_attempts=1, breaker_failures=3, breaker_open_s=30)
    for _ in range(3):
        await client.request("GET", f"{server.url}/x")
    assert client.breaker.state == "open"
    clock.advance(10)
    with pytest.raises(CircuitOpen) as caught:
        await client.request("POST", f"{server.url}/x")
    assert (caught.value.after, len(server.seen)) == (20, 3)


async def test_one_good_answer_between_failures_keeps_the_circuit_closed(
    server: Any, script: Any, make_client: Any
) -> None:
    server.play(script.answer(503), script.answer(404), script.answer(503), script.answer(404))
    client = make_client(max_attempts=1, breaker_failures=2)
    for _ in range(4):
        await client.request("GET", f"{server.url}/x")
    assert client.breaker.state == "closed"


async def test_writes_that_are_cut_open_the_breaker(server: Any, script: Any, make_client: Any) -> None:
    server.play(script.cut)
    client = make_client(breaker_failures=2)
    for _ in range(2):
        with pytest.raises(Unconfirmed):
            await client.request("POST", f"{server.url}/x")
    assert client.breaker.state == "open"


async def test_the_breaker_ends_the_retries_of_a_running_request(server: Any, script: Any, make_client: Any) -> None:
    server.play(script.cut)
    with pytest.raises(CircuitOpen):
        await make_client(max_attempts=4, breaker_failures=2).request("GET", f"{server.url}/x")
    assert len(server.seen) == 2


@pytest.mark.parametrize(("status", "state"), [(200, "closed"), (503, "open")])
async def test_after_the_pause_one_probe_decides(
    server: Any, script: Any, make_client: Any, clock: FixedClock, status: Any, state: Any
) -> None:
    server.play(script.answer(503), script.answer(status))
    client = make_client(max_attempts=1, breaker_failures=1, breaker_open_s=30)
    await client.request("GET", f"{server.url}/x")
    clock.advance(30)
    assert client.breaker.state == "half_open"
    await client.request("GET", f"{server.url}/x")
    assert client.breaker.state == state


async def test_an_answer_that_is_not_allowed_to_be_reached_says_what_to_change(make_client: Any) -> None:
    with pytest.raises(ConfigurationError, match="allow private"):
        await make_client(allow_private=False).request("GET", "http://127.0.0.1:1/")


async def test_a_request_that_would_wait_too_long_for_its_turn_is_retryable_and_not_sent(
    server: Any, script: Any, make_client: Any, clock: FixedClock
) -> None:
    server.play(script.answer(429, Retry_After="90"), script.answer(200))
    client = make_client(queue_timeout_s=60)
    await client.request("POST", f"{server.url}/x")
    with pytest.raises(Retryable) as caught:
        await client.request("POST", f"{server.url}/x")
    assert (caught.value.after, len(server.seen), clock.monotonic()) == (90, 1, 0)


async def test_every_attempt_is_reported_with_the_template_and_its_outcome(
    server: Any, script: Any, make_client: Any, recorder: Any
) -> None:
    server.play(script.answer(503), script.answer(200), script.cut)
    client = make_client(breaker_failures=2)
    await client.request("GET", f"{server.url}/firm/secret-id", template="firm.one")
    with pytest.raises(Unconfirmed):
        await client.request("POST", f"{server.url}/firm", template="firm.list")
    server.play(script.cut)
    with pytest.raises(Unconfirmed):
        await client.request("POST", f"{server.url}/firm", template="firm.list")
    with pytest.raises(CircuitOpen):
        await client.request("POST", f"{server.url}/firm", template="firm.list")
    expected: list[Any] = [("GET", "firm.one", "503"), ("GET", "firm.one", "200")]
    expected += [("POST", "firm.list", "unconfirmed")] * 2 + [("POST", "firm.list", "circuit_open")]
    assert recorder.heard == [("erp", *one) for one in expected]
