"""The shared fault middleware, clock and control API, around a small app with one counter, over real connections."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from mlc_sandbox.clock import SandboxClock
from mlc_sandbox.control import control_routes
from mlc_sandbox.faults import FaultMiddleware, FaultPlan
from mlc_sandbox.server import serve


def counter_app() -> Starlette:
    plan, clock = FaultPlan(), SandboxClock(datetime(2026, 11, 21, tzinfo=UTC))
    bodies: list[str] = []

    async def things(request: Request) -> Response:
        if request.method == "POST":
            bodies.append((await request.body()).decode())
        return JSONResponse({"count": len(bodies), "auth": request.headers.get("authorization")})

    app = Starlette(
        routes=[
            Route("/things/{id}", things, methods=["GET", "POST"]),
            *control_routes(plan, clock, lambda: {"bodies": bodies}),
        ],
        middleware=[Middleware(FaultMiddleware, plan=plan, clock=clock)],
    )
    app.state.faults, app.state.clock, app.state.bodies = plan, clock, bodies
    return app


@pytest.fixture
async def app() -> Starlette:
    return counter_app()


@pytest.fixture
async def client(app: Starlette) -> AsyncIterator[httpx.AsyncClient]:
    async with serve(app) as running, httpx.AsyncClient(base_url=running.url, timeout=5) as session:
        yield session


async def plan(client: httpx.AsyncClient, **spec: Any) -> None:
    answer = await client.post("/_sandbox/faults", json=spec)
    assert answer.status_code == 201, answer.text


async def test_without_faults_calls_pass_and_are_counted_by_template(client: httpx.AsyncClient) -> None:
    await client.get("/things/1")
    await client.get("/things/2")
    counted = (await client.get("/_sandbox/calls")).json()
    assert counted == {"total": 2, "calls": [{"method": "GET", "path": "/things/{id}", "count": 2}]}


async def test_cut_before_resets_the_connection_and_has_no_effect(client: httpx.AsyncClient, app: Starlette) -> None:
    await plan(client, match={"method": "POST", "path": "^/things"}, kind="cut_before")
    with pytest.raises((httpx.RemoteProtocolError, httpx.ReadError)):
        await client.post("/things/1", content="a")
    assert app.state.bodies == []
    assert (await client.post("/things/1", content="b")).json()["count"] == 1


async def test_cut_after_has_the_effect_but_gives_no_answer(client: httpx.AsyncClient, app: Starlette) -> None:
    await plan(client, match={"path": "^/things"}, kind="cut_after")
    with pytest.raises((httpx.RemoteProtocolError, httpx.ReadError)):
        await client.post("/things/1", content="a")
    assert app.state.bodies == ["a"]


async def test_cut_during_breaks_the_answer_in_the_middle(client: httpx.AsyncClient, app: Starlette) -> None:
    await plan(client, match={"path": "^/things"}, kind="cut_during")
    with pytest.raises(httpx.RemoteProtocolError):
        await client.post("/things/1", content="a")
    assert app.state.bodies == ["a"]


async def test_hang_after_has_the_effect_and_answers_only_by_the_clients_patience(
    client: httpx.AsyncClient, app: Starlette
) -> None:
    await plan(client, match={"path": "^/things"}, kind="hang_after")
    with pytest.raises(httpx.ReadTimeout):
        await client.post("/things/1", content="a", timeout=0.2)
    assert app.state.bodies == ["a"]


async def test_a_late_commit_takes_effect_when_the_sandbox_clock_gets_there(
    client: httpx.AsyncClient, app: Starlette
) -> None:
    app.state.clock.freeze()
    await plan(client, match={"path": "^/things"}, kind="late_commit", seconds=300)
    with pytest.raises((httpx.RemoteProtocolError, httpx.ReadError)):
        await client.post("/things/1", content="late")
    assert app.state.bodies == []
    await client.post("/_sandbox/clock", json={"advance": 301})
    await asyncio.wait_for(app.state.faults.settle(), 5)
    assert app.state.bodies == ["late"]


async def test_status_answers_what_it_was_told_with_its_headers(client: httpx.AsyncClient, app: Starlette) -> None:
    await plan(client, match={"path": "^/things"}, kind="status", status=429, body="slow", headers={"Retry-After": "7"})
    answer = await client.post("/things/1", content="a")
    assert (answer.status_code, answer.text, answer.headers["retry-after"]) == (429, "slow", "7")
    assert app.state.bodies == []


async def test_replace_body_does_it_and_answers_a_login_page_with_200(
    client: httpx.AsyncClient, app: Starlette
) -> None:
    await plan(client, match={"path": "^/things"}, kind="replace_body")
    answer = await client.post("/things/1", content="a")
    assert (answer.status_code, answer.text[:9], app.state.bodies) == (200, "<!DOCTYPE", ["a"])


async def test_a_prefix_spoils_the_real_answer(client: httpx.AsyncClient) -> None:
    await plan(client, match={"path": "^/things"}, kind="replace_body", prefix="Notice: ")
    assert (await client.get("/things/1")).text.startswith('Notice: {"count":')


async def test_stripped_headers_do_not_reach_the_server(client: httpx.AsyncClient) -> None:
    await plan(client, match={"path": "^/things"}, kind="strip_headers")
    first = await client.get("/things/1", headers={"Authorization": "Basic x"})
    second = await client.get("/things/1", headers={"Authorization": "Basic x"})
    assert (first.json()["auth"], second.json()["auth"]) == (None, "Basic x")


async def test_a_stale_get_keeps_answering_by_url_what_was_true_once(client: httpx.AsyncClient) -> None:
    await plan(client, match={"method": "GET", "path": "^/things"}, kind="stale_get", times=-1)
    await client.get("/things/1")
    await client.post("/things/1", content="a")
    stale, other = await client.get("/things/1"), await client.get("/things/1?_=1")
    assert (stale.json()["count"], other.json()["count"]) == (0, 1)


async def test_skip_and_times_choose_which_calls_are_hit(client: httpx.AsyncClient) -> None:
    await plan(client, match={"path": "^/things"}, kind="status", status=500, skip=1, times=2)
    assert [(await client.get("/things/1")).status_code for _ in range(4)] == [200, 500, 500, 200]
    listed = (await client.get("/_sandbox/faults")).json()["faults"]
    assert [(fault["kind"], fault["hits"]) for fault in listed] == [("status", 2)]


async def test_a_fault_may_look_at_the_body_and_the_query(client: httpx.AsyncClient) -> None:
    await plan(client, match={"method": "POST", "path": r"\?page=2", "body": "needle"}, kind="status", times=-1)
    calls = [("/things/1?page=2", "hay"), ("/things/1?page=1", "needle"), ("/things/1?page=2", "a needle")]
    assert [(await client.post(url, content=body)).status_code for url, body in calls] == [200, 200, 503]


async def test_delays_add_to_the_fault_that_follows(client: httpx.AsyncClient) -> None:
    await plan(client, match={"path": "^/things"}, kind="delay", seconds=0.05)
    await plan(client, match={"path": "^/things"}, kind="status", status=502)
    started = asyncio.get_running_loop().time()
    assert (await client.get("/things/1")).status_code == 502
    assert asyncio.get_running_loop().time() - started >= 0.05


async def test_control_calls_are_neither_hit_nor_counted(client: httpx.AsyncClient) -> None:
    await plan(client, match={"path": ""}, kind="status", status=500, times=-1)
    assert (await client.get("/_sandbox/dump")).json() == {"bodies": []}
    assert (await client.get("/_sandbox/calls")).json()["total"] == 0
    await client.delete("/_sandbox/faults")
    assert (await client.get("/things/1")).status_code == 200


@pytest.mark.parametrize(
    "spec", [{"kind": "explode"}, {"kind": "delay", "secs": 1}, {"kind": "status", "match": {"path": "("}}]
)
async def test_a_fault_that_makes_no_sense_is_refused(client: httpx.AsyncClient, spec: dict[str, Any]) -> None:
    assert (await client.post("/_sandbox/faults", json=spec)).status_code == 400


async def test_the_clock_can_be_set_frozen_and_moved(client: httpx.AsyncClient) -> None:
    await client.post("/_sandbox/clock", json={"freeze": "2026-01-01T00:00:00Z"})
    moved = (await client.post("/_sandbox/clock", json={"advance": 3600})).json()
    assert moved == {"now": "2026-01-01T01:00:00+00:00", "frozen": True}
    await client.post("/_sandbox/clock", json={"set": "2027-01-01T00:00:00+00:00"})
    assert (await client.get("/_sandbox/clock")).json()["now"].startswith("2027-01-01T00:00:0")


async def test_answers_are_dated_once_by_the_sandbox_clock(client: httpx.AsyncClient, app: Starlette) -> None:
    app.state.clock.freeze(datetime(2027, 3, 4, 5, 6, 7, tzinfo=UTC))
    answer = await client.get("/things/1")
    assert answer.headers.get_list("date") == ["Thu, 04 Mar 2027 05:06:07 GMT"]


async def test_a_server_ends_although_a_client_hangs() -> None:
    async with httpx.AsyncClient(timeout=None) as session:
        async with serve(counter_app()) as running:
            await session.post(f"{running.url}/_sandbox/faults", json={"kind": "hang_after", "times": -1})
            hanging = asyncio.create_task(session.get(f"{running.url}/things/1"))
            while (await session.get(f"{running.url}/_sandbox/calls")).json()["total"] == 0:
                await asyncio.sleep(0.01)
        with contextlib.suppress(httpx.HTTPError):
            await hanging
    assert hanging.done()
