"""A running store, a client with its key, and a receiver of webhooks that answers as it is told."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any

import httpx
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from mlc_sandbox.server import serve
from mlc_sandbox.woocommerce.app import create_app

KEY = ("ck_" + "a1" * 20, "cs_" + "b2" * 20)


@dataclass
class Received:
    """One request that the receiver got."""

    method: str
    path: str
    headers: list[tuple[str, str]]
    body: bytes

    def header(self, name: str) -> str | None:
        """The value of a header, whatever its case."""
        return next((value for key, value in self.headers if key.lower() == name.lower()), None)

    @property
    def is_ping(self) -> bool:
        """Whether it is a ping and no delivery."""
        return self.body.startswith(b"webhook_id=") or self.method == "GET"


@dataclass
class Receiver:
    """Stands where a connector would: keeps what it gets, answers with ``statuses`` by path (200 else)."""

    url: str = ""
    got: list[Received] = field(default_factory=list)
    statuses: dict[str, int] = field(default_factory=dict)
    hold: asyncio.Event | None = None

    async def take(self, request: Request) -> Response:
        """Keep a request and answer it."""
        headers = [(name.decode(), value.decode()) for name, value in request.headers.raw]
        received = Received(request.method, request.url.path, headers, await request.body())
        self.got.append(received)
        if self.hold is not None and not received.is_ping:
            await self.hold.wait()
        status = self.statuses.get(request.url.path, 200)
        location = {"Location": f"{self.url}/elsewhere"} if 300 <= status < 400 else {}
        return Response(status_code=status, headers=location)

    def deliveries(self, path: str = "") -> list[Received]:
        """What came that is no ping."""
        return [one for one in self.got if not one.is_ping and one.path.startswith(path)]

    def pings(self, path: str = "") -> list[Received]:
        """The pings."""
        return [one for one in self.got if one.is_ping and one.path.startswith(path)]


@dataclass
class Market:
    """A running sandbox store with a client."""

    url: str
    app: Starlette
    client: httpx.AsyncClient
    receiver: Receiver

    async def rest(self, method: str, path: str, body: Any = None, **more: Any) -> httpx.Response:
        """Call the REST API with the full key."""
        return await self.client.request(method, f"{self.url}/wp-json/wc/v3/{path}", json=body, auth=KEY, **more)

    async def told(self, method: str, path: str, body: Any = None) -> Any:
        """Call the REST API and read what it tells; a refusal fails the test."""
        answer = await self.rest(method, path, body)
        assert answer.status_code < 300, answer.text
        return answer.json()

    async def act(self, path: str, body: Any = None, method: str = "POST") -> Any:
        """Use the control API."""
        answer = await self.client.request(method, f"{self.url}/_sandbox/{path}", json=body)
        assert answer.status_code < 300, answer.text
        return answer.json()

    async def hook(self, topic: str, path: str = "/hook", **more: Any) -> int:
        """Register a webhook to the receiver; its id."""
        body = {"topic": topic, "delivery_url": f"{self.receiver.url}{path}", "secret": "s3cret", **more}
        return int((await self.told("POST", "webhooks", body))["id"])

    async def state(self, webhook_id: int) -> dict[str, Any]:
        """A webhook with what REST hides."""
        found: list[dict[str, Any]] = await self.act("webhooks", method="GET")
        return next(hook for hook in found if hook["id"] == webhook_id)


@pytest.fixture
def config() -> dict[str, Any]:
    """Settings of the store; a test module may override it."""
    return {}


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    receiver = Receiver()
    routes = [Route("/{path:path}", receiver.take, methods=["GET", "POST"])]
    async with serve(Starlette(routes=routes)) as running:
        receiver.url = running.url
        yield receiver


@pytest.fixture
async def market(config: dict[str, Any], receiver: Receiver) -> AsyncIterator[Market]:
    app = create_app(config)
    async with serve(app) as running, httpx.AsyncClient(timeout=10) as client:
        yield Market(running.url, app, client, receiver)
