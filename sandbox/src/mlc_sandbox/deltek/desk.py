"""A desk at which tests and demonstrations sit: signs in to a tenant, calls it, works its controls.

It is deliberately naive (no retry, no paging, no checks) and no client for production; amounts come back as Decimal.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

import httpx
import simplejson
from starlette.applications import Starlette

from mlc_sandbox.deltek.app import create_app
from mlc_sandbox.deltek.config import SANDBOX_PASSWORD, SANDBOX_USER
from mlc_sandbox.deltek.tenant import Tenant

OPEN_ALL = {"rate_limit": None, "start": "2026-11-20T15:04:11.220+00:00"}


class Desk:
    """Calls one tenant.

    Args:
        http: a client whose base address is the sandbox's.
        prefix: the tenant's path prefix.
    """

    def __init__(self, http: httpx.AsyncClient, prefix: str = "/Acme") -> None:
        self.http = http
        self.prefix = prefix
        self.token = ""

    async def sign_in(self, user: str = SANDBOX_USER, password: str = SANDBOX_PASSWORD) -> httpx.Response:
        """Take a token by password and keep it."""
        answer = await self.grant(Username=user, Password=password, grant_type="password", Integrated="N")
        if answer.status_code == 200:
            self.token = answer.json()["access_token"]
        return answer

    async def grant(self, **fields: str) -> httpx.Response:
        """Ask the token endpoint; database, client id and secret are filled in unless given."""
        form = {
            "database": "ACMEPROD",
            "Client_Id": "sandbox-client",
            "client_secret": "sandbox-secret",
            **fields,
        }
        return await self.http.post(f"{self.prefix}/api/token", data=form)

    async def call(
        self, method: str, path: str, *, query: Any = None, body: Any = None, headers: Mapping[str, str] | None = None
    ) -> httpx.Response:
        """Call a path below the tenant's root (`api/…`, `vision/…`) with the token."""
        sent = {"Authorization": f"Bearer {self.token}", "Accept": "application/json", **(headers or {})}
        sent.setdefault("Content-Type", "application/json")
        content = body if isinstance(body, str | bytes | None) else simplejson.dumps(body, use_decimal=True)
        return await self.http.request(method, f"{self.prefix}/{path}", params=query, content=content, headers=sent)

    async def rows(self, path: str, **query: Any) -> list[dict[str, Any]]:
        """GET a list and read its rows."""
        found: list[dict[str, Any]] = exact(await self.call("GET", path, query=query))
        return found

    async def control(self, path: str, body: Any = None) -> dict[str, Any]:
        """Work a control of the sandbox (POST); raises for a refused one."""
        answer = await self.http.post(f"/_sandbox/{path}", content=simplejson.dumps(body or {}, use_decimal=True))
        answer.raise_for_status()
        found: dict[str, Any] = exact(answer)
        return found

    async def dump(self) -> dict[str, Any]:
        """The truth of the tenant's books."""
        found: dict[str, Any] = exact(await self.http.get("/_sandbox/dump"))
        return found


def exact(answer: httpx.Response) -> Any:
    """The JSON of an answer with exact numbers."""
    return simplejson.loads(answer.content.decode("utf-8"), use_decimal=True)


def found(path_filter: Mapping[str, str]) -> dict[str, str]:
    """The filterHash parameters that ask for rows whose columns equal these values."""
    query: dict[str, str] = {}
    for i, (name, value) in enumerate(path_filter.items()):
        query |= {f"filterHash[{i}][name]": name, f"filterHash[{i}][value]": value, f"filterHash[{i}][opp]": "="}
        query |= {f"filterHash[{i}][type]": "string", f"filterHash[{i}][seq]": str(i)}
    return query


@asynccontextmanager
async def desk_at(app: Starlette) -> AsyncIterator[Desk]:
    """A desk that calls an app in the same process, without a network."""
    tenant: Tenant = app.state.tenant
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://tenant.sandbox") as http:
        desk = Desk(http, tenant.config.prefix)
        await desk.sign_in()
        yield desk


@asynccontextmanager
async def new_desk(**config: Any) -> AsyncIterator[Desk]:
    """A desk at a new tenant: no rate limit, and a clock that starts in an open period, unless told otherwise."""
    async with desk_at(create_app({**OPEN_ALL, **config})) as desk:
        yield desk
