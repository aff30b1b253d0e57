"""The rate limit, concurrency, doubled delivery, and faults on a real connection."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import NoReturn

import httpx
import pytest
from starlette.types import Receive, Scope, Send

from mlc_sandbox.deltek.app import create_app
from mlc_sandbox.deltek.config import Config
from mlc_sandbox.deltek.desk import OPEN_ALL, Desk, desk_at, new_desk
from mlc_sandbox.deltek.limits import Concurrency, ConcurrencyCount, RateLimit
from mlc_sandbox.deltek.specimens import invoice, transfer
from mlc_sandbox.server import serve

CONTROL = "api/DataEntry/inControl"


@pytest.fixture
async def live() -> AsyncIterator[Desk]:
    """A desk that calls over a real connection, so that a cut is a cut."""
    async with serve(create_app(OPEN_ALL)) as running, httpx.AsyncClient(base_url=running.url, timeout=5) as http:
        desk = Desk(http)
        await desk.sign_in()
        yield desk


def test_the_bucket_holds_one_second_of_calls_and_says_how_long_to_wait() -> None:
    now = [0.0]
    limit = RateLimit(lambda: now[0])
    assert [limit.wait(5) for _ in range(6)] == [0, 0, 0, 0, 0, 1]
    now[0] = 0.21
    assert [limit.wait(5) for _ in range(2)] == [0, 1]
    now[0] = 100.0
    assert [limit.wait(5) for _ in range(6)] == [0, 0, 0, 0, 0, 1]
    assert limit.wait(None) == 0
    assert limit.wait(0.1) == 0
    assert limit.wait(0.1) == 10


async def test_the_default_is_five_calls_a_second_answered_with_429_and_retry_after() -> None:
    assert Config().rate_limit == 5
    async with new_desk(rate_limit=1) as desk:
        answer = await desk.call("GET", "api/firm")
    assert (answer.status_code, answer.json()) == (429, {"message": "Too many requests."})
    assert answer.headers["Retry-After"] == "1"


async def test_the_limit_can_be_lifted_while_running() -> None:
    async with new_desk(rate_limit=1) as desk:
        await desk.control("settings", {"rate_limit": None})
        await desk.sign_in()
        assert [(await desk.call("GET", "api/firm")).status_code for _ in range(20)] == [200] * 20


async def test_calls_under_way_are_counted_with_their_peak_and_writes_apart() -> None:
    count, all_there = ConcurrencyCount(), asyncio.Barrier(6)

    async def waiting(scope: Scope, receive: Receive, send: Send) -> None:
        await all_there.wait()

    async def unused(*_: object) -> NoReturn:
        raise AssertionError("the middleware must not touch the connection itself")

    app = Concurrency(waiting, count)
    paths = ["/Acme/api/token", "/Acme/api/firm", "/Acme/api/firm", "/Acme/api/firm"]
    calls = [{"type": "http", "method": "POST", "path": path} for path in paths]
    calls += [{"type": "http", "method": "GET", "path": "/Acme/api/firm"}] * 2
    await asyncio.gather(*(app(call, unused, unused) for call in calls))
    assert count.figures() == {"now": 0, "peak": 6, "writes_now": 0, "writes_peak": 3}


async def test_calls_above_the_allowed_concurrency_get_429() -> None:
    app = create_app({**OPEN_ALL, "max_concurrent": 2})
    async with desk_at(app) as desk:
        app.state.api.concurrency.enter(writes=0)
        assert (await desk.call("GET", "api/firm")).status_code == 200
        app.state.api.concurrency.enter(writes=0)
        assert (await desk.call("GET", "api/firm")).status_code == 429
        assert (await desk.dump())["concurrency"]["peak"] == 3


async def test_calls_are_counted_by_endpoint_and_controls_are_not(desk: Desk) -> None:
    for batch in ("B-1", "B-2"):
        await desk.call("GET", f"{CONTROL}/{batch}")
    counted = (await desk.dump())["calls"]
    assert counted == {"GET api/DataEntry/inControl/{Batch}": 2, "POST api/token": 1}


async def test_a_gateway_may_deliver_a_call_twice(desk: Desk) -> None:
    await desk.control("doubles", {"method": "POST", "path": "/api/firm$"})
    body = {"Name": "Twice", "SortName": "T", "Status": "A", "ClientInd": "Y", "VendorInd": "N"}
    assert (await desk.call("POST", "api/firm", body=body)).status_code == 201
    assert (await desk.call("POST", "api/firm", body=body | {"Name": "Once"})).status_code == 201
    names = [firm["Name"] for firm in (await desk.dump())["firms"]]
    assert (names.count("Twice"), names.count("Once")) == (2, 1)


@pytest.mark.parametrize(("kind", "effects"), [("cut_before", 0), ("cut_after", 1)])
async def test_a_cut_connection_leaves_or_hides_the_effect(live: Desk, kind: str, effects: int) -> None:
    await live.control("faults", {"kind": kind, "method": "POST", "path": "inControl"})
    with pytest.raises((httpx.RemoteProtocolError, httpx.ReadError)):
        await live.call("POST", CONTROL, body=invoice())
    assert len((await live.dump())["drafts"]) == effects


async def test_posting_may_hang_after_its_commit(live: Desk) -> None:
    await live.call("POST", CONTROL, body=invoice())
    await live.control("faults", {"kind": "hang_after", "path": "PostTransFile"})
    with pytest.raises(httpx.ReadTimeout):
        await live.http.put(
            f"{live.prefix}/api/DataEntry/PostTransFile",
            json=transfer(),
            headers={"Authorization": f"Bearer {live.token}"},
            timeout=0.3,
        )
    assert (await live.dump())["ar"]["STORE.WEB01|WA00001"]["Balance"] == "108.00"


async def test_a_late_commit_shows_only_after_its_time(live: Desk) -> None:
    await live.http.post("/_sandbox/clock", json={"freeze": "2026-11-20T15:04:11+00:00"})
    await live.control("faults", {"kind": "late_commit", "method": "POST", "path": "inControl", "seconds": 40})
    with pytest.raises((httpx.RemoteProtocolError, httpx.ReadError)):
        await live.call("POST", CONTROL, body=invoice())
    assert (await live.call("GET", f"{CONTROL}/IN-WC01-1")).status_code == 404
    await live.http.post("/_sandbox/clock", json={"advance": 41})
    async with asyncio.timeout(5):
        while (await live.call("GET", f"{CONTROL}/IN-WC01-1")).status_code != 200:
            await asyncio.sleep(0)


async def test_a_fault_status_has_no_effect(desk: Desk) -> None:
    await desk.control("faults", {"kind": "status", "method": "POST", "path": "inControl", "status": 503})
    assert (await desk.call("POST", CONTROL, body=invoice())).status_code == 503
    assert (await desk.dump())["drafts"] == []


async def test_a_person_may_delete_our_draft(desk: Desk) -> None:
    await desk.call("POST", CONTROL, body=invoice())
    await desk.control("drafts/delete", {"batch": "IN-WC01-1"})
    assert (await desk.call("GET", f"{CONTROL}/IN-WC01-1")).status_code == 404


@pytest.mark.parametrize(
    ("path", "body", "status"),
    [
        ("settings", {"colour": "red"}, 400),
        ("settings", {"refusal_status": 418}, 400),
        ("settings", {"use_files": "yes"}, 400),
        ("firms", {"Name": "A", "Colour": "red"}, 400),
        ("firms", {}, 404),
        ("drafts/delete", {"batch": "NO-SUCH"}, 404),
        ("half-posts", {"answer": "maybe"}, 400),
        ("users", {"colour": "red"}, 400),
        ("foreign-invoices", {"WBS1": "NO.SUCH", "Invoice": "1", "Amount": 1}, 400),
    ],
)
async def test_a_control_call_that_makes_no_sense_is_refused(
    desk: Desk, path: str, body: dict[str, object], status: int
) -> None:
    answer = await desk.http.post(f"/_sandbox/{path}", json=body)
    assert answer.status_code == status, answer.text


def test_an_unknown_setting_stops_the_start() -> None:
    with pytest.raises(ValueError, match="colour"):
        create_app({"colour": "red"})
