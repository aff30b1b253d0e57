"""The vendor's ASGI app: throttle, route, token, rights, handler, answer.

A handler runs to its end without awaiting, so each call is one transaction. Refusals become answers here and nowhere
else; anything unforeseen is an error of the sandbox and must show as one.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from starlette.types import Receive, Scope, Send

from mlc_sandbox.deltek import refusals
from mlc_sandbox.deltek.auth import Tokens
from mlc_sandbox.deltek.calls import Call
from mlc_sandbox.deltek.limits import ConcurrencyCount, RateLimit
from mlc_sandbox.deltek.query import parse_query
from mlc_sandbox.deltek.refusals import Refusal
from mlc_sandbox.deltek.routing import Router
from mlc_sandbox.deltek.tenant import Tenant
from mlc_sandbox.deltek.wire import Answer


@dataclass(slots=True)
class Double:
    """A gateway that delivers matching calls twice; the second answer is lost."""

    method: str
    path: re.Pattern[str]
    times: int = 1


class VendorApi:
    """Serves everything below the tenant's prefix."""

    def __init__(self, tenant: Tenant, router: Router) -> None:
        self.tenant = tenant
        self.router = router
        self.tokens = Tokens(tenant)
        self.rate = RateLimit()
        self.concurrency = ConcurrencyCount()
        self.doubles: list[Double] = []

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one HTTP call."""
        body = await _read(receive)
        if body is None:
            return
        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
        raw_path = scope.get("raw_path") or scope["path"].encode()
        incoming = Incoming(
            method=scope["method"],
            path=raw_path.decode("latin-1").partition("?")[0],
            query=scope["query_string"].decode("latin-1"),
            headers=headers,
            body=body,
        )
        answer = self.answer(incoming)
        for _ in range(self._repeats(incoming)):
            self.answer(incoming)
        await _send(send, answer)

    def template_of(self, path: str) -> str:
        """The endpoint of a path, for counting."""
        below = self._below_prefix(path)
        return "(outside)" if below is None else self.router.template_of(below)

    def answer(self, incoming: Incoming) -> Answer:
        """Answer one call; refusals are answers too."""
        try:
            return self._handle(incoming)
        except Refusal as refusal:
            status = refusal.status or self.tenant.config.refusal_status
            return Answer(refusal.body(), status=status)

    def _handle(self, incoming: Incoming) -> Answer:
        config = self.tenant.config
        wait = self.rate.wait(config.rate_limit)
        too_many = config.max_concurrent is not None and self.concurrency.now > config.max_concurrent
        if wait or too_many:
            return Answer(refusals.throttled().body(), status=429, headers=(("Retry-After", str(wait or 1)),))
        below = self._below_prefix(incoming.path)
        if below is None:
            raise refusals.no_resource()
        method, query = incoming.as_get() if incoming.is_post_as_get() else (incoming.method, incoming.query)
        endpoint, keys = self.router.find(method, below)
        if not endpoint.needs_token:
            return self.tokens.grant(incoming.media_type(), incoming.body)
        user = self.tokens.user_of(incoming.headers.get("authorization", ""))
        if endpoint.area and endpoint.area in user.denied:
            raise refusals.no_rights()
        call = Call(self.tenant, user, parse_query(query), incoming.body, incoming.media_type(), keys)
        return endpoint.handler(call)

    def _below_prefix(self, path: str) -> str | None:
        prefix = f"{self.tenant.config.prefix}/"
        return path[len(prefix) :] if path.startswith(prefix) else None

    def _repeats(self, incoming: Incoming) -> int:
        for double in self.doubles:
            if double.times and double.method == incoming.method and double.path.search(incoming.path):
                double.times -= 1
                return 1
        return 0


@dataclass(frozen=True, slots=True)
class Incoming:
    """An HTTP request whose body is read; `path` is still percent-encoded."""

    method: str
    path: str
    query: str
    headers: dict[str, str]
    body: bytes

    def media_type(self) -> str:
        """The content type without its parameters, lower case."""
        return self.headers.get("content-type", "").partition(";")[0].strip().lower()

    def is_post_as_get(self) -> bool:
        """Whether this POST stands for a GET whose query is too long for a URL."""
        return self.method == "POST" and self.headers.get("dvp-postasget", "").lower() == "true"

    def as_get(self) -> tuple[str, str]:
        """Method and query string of the GET it stands for."""
        return "GET", "&".join(part for part in (self.query, self.body.decode("utf-8", "replace")) if part)


async def _read(receive: Receive) -> bytes | None:
    """The whole body; None when the client went away before it was complete: half a request has no effect."""
    parts: list[bytes] = []
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            return None
        parts.append(message.get("body", b""))
        if not message.get("more_body", False):
            return b"".join(parts)


async def _send(send: Send, answer: Answer) -> None:
    content = answer.content()
    headers = [
        (b"content-type", b"application/json; charset=utf-8"),
        (b"content-length", str(len(content)).encode()),
        *((name.lower().encode(), value.encode()) for name, value in answer.headers),
    ]
    await send({"type": "http.response.start", "status": answer.status, "headers": headers})
    await send({"type": "http.response.body", "body": content})
