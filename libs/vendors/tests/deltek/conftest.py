"""A tenant that plays scripted answers, and the recorded exchanges of the fact sheet."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, cast

import httpx
import pytest

from mlc_common import exactjson
from mlc_common.clock import FixedClock
from mlc_common.errors import ConnectorError
from mlc_common.http import HttpAnswer, HttpClient
from mlc_vendors.deltek import DeltekClient, DeltekCredentials, load_contract

DATA = Path(__file__).parent / "data"
ROOT = "https://acme.example/Acme/"


@dataclass(frozen=True)
class Sent:
    method: str
    path: str
    params: list[tuple[str, str]]
    headers: Mapping[str, str]
    body: Any
    form: Mapping[str, str] | None
    safe: bool
    timeout_s: float | None
    template: str


def answer(status: int, body: Any = None, *, raw: bytes | str | None = None, after: float | None = None) -> HttpAnswer:
    content = raw.encode() if isinstance(raw, str) else raw
    if content is None:
        content = b"" if body is None else exactjson.dumps(body)
    return HttpAnswer(status, httpx.Headers(), content, "/", after)


Step = HttpAnswer | ConnectorError


@dataclass
class ScriptedTenant:
    """Stands where ``HttpClient`` stands. Gives out tokens by itself unless the token steps are scripted."""

    steps: list[Step] = field(default_factory=list)
    token_steps: list[Step] = field(default_factory=list)
    sent: list[Sent] = field(default_factory=list)
    tokens_asked: list[Mapping[str, str]] = field(default_factory=list)
    revoked: set[str] = field(default_factory=set)

    def play(self, *steps: Step) -> None:
        self.steps = list(steps)

    async def request(
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str] | None = None,
        params: list[tuple[str, str]] | None = None,
        content: bytes | None = None,
        form: Mapping[str, str] | None = None,
        safe: bool | None = None,
        timeout_s: float | None = None,
        template: str = "",
    ) -> HttpAnswer:
        assert url.startswith(ROOT), url
        if template == "auth.token":
            return self._token(form or {})
        body = exactjson.loads(content) if content is not None else None
        safe = method in {"GET"} if safe is None else safe
        self.sent.append(
            Sent(
                method, url.removeprefix(ROOT), list(params or []), headers or {}, body, form, safe, timeout_s, template
            )
        )
        await asyncio.sleep(0)  # requests of several callers are under way at once
        if (headers or {})["Authorization"].removeprefix("Bearer ") in self.revoked:
            return answer(401)
        step = self.steps.pop(0)
        if isinstance(step, ConnectorError):
            raise step
        return step

    def _token(self, form: Mapping[str, str]) -> HttpAnswer:
        self.tokens_asked.append(dict(form))
        if not self.token_steps:
            number = len(self.tokens_asked)
            body = {"access_token": f"access-{number}", "refresh_token": f"refresh-{number}", "expires_in": 1799}
            return answer(200, body)
        step = self.token_steps.pop(0)
        if isinstance(step, ConnectorError):
            raise step
        return step


@pytest.fixture
def tenant() -> ScriptedTenant:
    return ScriptedTenant()


@pytest.fixture
def clock() -> FixedClock:
    return FixedClock(datetime(2026, 11, 20, 12, 0, 0, tzinfo=UTC))


@pytest.fixture
def credentials() -> DeltekCredentials:
    return DeltekCredentials(
        username="ML_CONNECTOR",
        password="p4ssw0rd",
        database="ACMEPROD",
        client_id="{client_id}",
        client_secret="s3cr3t",
    )


@pytest.fixture
def make_client(
    tenant: ScriptedTenant, clock: FixedClock, credentials: DeltekCredentials
) -> Callable[..., DeltekClient]:
    def make(overrides: Mapping[str, Any] | None = None) -> DeltekClient:
        contract = load_contract(overrides).at(ROOT)
        return DeltekClient(contract, credentials, http=cast(HttpClient, tenant), clock=clock)

    return make


class Recorded:
    """Exchanges of the fact sheet's samples."""

    answer = staticmethod(answer)

    @staticmethod
    def exchanges(name: str) -> list[dict[str, Any]]:
        loaded = exactjson.loads((DATA / f"{name}.json").read_bytes())
        found: list[dict[str, Any]] = loaded["exchanges"]
        return found

    @staticmethod
    def answer_of(exchange: Mapping[str, Any]) -> HttpAnswer:
        response = exchange["response"]
        return answer(response["status"], response.get("body"), raw=response.get("body_raw"))

    @staticmethod
    def default_contract() -> dict[str, Any]:
        loaded: dict[str, Any] = json.loads((DATA / "tenant_contract.default.json").read_text())
        return loaded


@pytest.fixture
def recorded() -> type[Recorded]:
    return Recorded
