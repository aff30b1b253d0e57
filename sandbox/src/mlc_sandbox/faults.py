"""The middleware that makes planned faults happen around a vendor's whole ASGI app.

It must never touch the control paths under ``/_sandbox/``, and costs one comparison per call while no fault is planned.
Which faults there are and what they take: ``fault_plan``. Cutting means aborting uvicorn's transport, because an ASGI
app has no way of its own to close a connection without an answer.
"""

from __future__ import annotations

import asyncio
import base64
from email.utils import format_datetime
from typing import Any

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from mlc_sandbox.clock import SandboxClock
from mlc_sandbox.fault_plan import ALWAYS, KINDS, Fault, FaultPlan, template_of

__all__ = ["ALWAYS", "CONTROL_PREFIX", "KINDS", "Fault", "FaultMiddleware", "FaultPlan", "template_of"]

CONTROL_PREFIX = "/_sandbox"
LOGIN_PAGE = "<!DOCTYPE html><html><head><title>Log In</title></head><body>Please log in.</body></html>"


class Answer:
    """An answer of the inner app, kept instead of sent."""

    def __init__(self) -> None:
        self.status = 200
        self.headers: list[tuple[bytes, bytes]] = []
        self.body = b""

    async def keep(self, message: Message) -> None:
        """Take the place of ``send``."""
        if message["type"] == "http.response.start":
            self.status = message["status"]
            self.headers = list(message.get("headers", []))
        elif message["type"] == "http.response.body":
            self.body += message.get("body", b"")

    def with_length(self, length: int) -> list[tuple[bytes, bytes]]:
        """The headers, saying that the body has ``length`` bytes."""
        kept = [(name, value) for name, value in self.headers if name.lower() != b"content-length"]
        return [*kept, (b"content-length", str(length).encode())]


class FaultMiddleware:
    """Applies a plan's faults to the calls of the inner app and counts the calls.

    Args:
        app: The vendor's ASGI app.
        plan: What happens to which call.
        clock: When a late effect takes place.
    """

    def __init__(self, app: ASGIApp, plan: FaultPlan, clock: SandboxClock) -> None:
        self.app = app
        self.plan = plan
        self.clock = clock
        self._kept: dict[tuple[int, str], Answer] = {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one ASGI connection."""
        if scope["type"] == "lifespan":
            try:
                await self.app(scope, receive, send)
            finally:
                await self.plan.close()
            return
        if scope["type"] != "http" or scope["path"].startswith(CONTROL_PREFIX):
            await self.app(scope, receive, send)
            return
        self.plan.calls[scope["method"], self.plan.template(scope["path"])] += 1
        send = self._dated(send)
        if self.plan.active:
            await self._with_faults(scope, receive, send)
        else:
            await self.app(scope, receive, send)

    def _dated(self, send: Send) -> Send:
        """Stamp answers with the sandbox's time, by which clients measure skew."""

        async def dated(message: Message) -> None:
            if message["type"] == "http.response.start":
                date = format_datetime(self.clock.now(), usegmt=True).encode()
                message = {**message, "headers": [*message.get("headers", []), (b"date", date)]}
            await send(message)

        return dated

    async def _with_faults(self, scope: Scope, receive: Receive, send: Send) -> None:
        body = await _read(receive)
        query = scope.get("query_string", b"").decode("latin-1")
        target = f"{scope['path']}?{query}" if query else scope["path"]
        for fault in self.plan.due(scope["method"], target, body):
            if fault.kind == "delay":
                await asyncio.sleep(float(fault.parameters.get("seconds", 1)))
                continue
            await self._apply(fault, scope, _Call(body, receive, send, target))
            return
        await self.app(scope, _replay(body, receive), send)

    async def _apply(self, fault: Fault, scope: Scope, call: _Call) -> None:
        given = fault.parameters
        match fault.kind:
            case "status":
                await _answer(call.send, int(given.get("status", 503)), _bytes(given, ""), _headers(given))
            case "cut_before":
                await _cut(call.receive)
            case "hang_before":
                await _until_gone(call.receive)
            case "cut_after":
                await self._do(scope, call)
                await _cut(call.receive)
            case "hang_after":
                await self._do(scope, call)
                await _until_gone(call.receive)
            case "cut_during":
                done = await self._do(scope, call)
                await _half(call, done)
            case "late_commit":
                await self._late(fault, scope, call)
            case "replace_body":
                done = await self._do(scope, call)
                text = _bytes(given, LOGIN_PAGE) if "prefix" not in given else str(given["prefix"]).encode() + done.body
                kind = given.get("content_type", "text/html; charset=UTF-8")
                await _answer(call.send, int(given.get("status", 200)), text, [(b"content-type", kind.encode())])
            case "strip_headers":
                await self._stripped(fault, scope, call)
            case "stale_get":
                await self._stale(fault, scope, call)

    async def _do(self, scope: Scope, call: _Call) -> Answer:
        """Let the inner app have its effect and keep the answer."""
        answer = Answer()
        await self.app(dict(scope), _replay(call.body, call.receive), answer.keep)
        return answer

    async def _late(self, fault: Fault, scope: Scope, call: _Call) -> None:
        async def effect() -> None:
            await self.clock.sleep(float(fault.parameters.get("seconds", 1)))
            await self._do(scope, call)

        self.plan.run_later(effect())
        match fault.parameters.get("then", "cut"):
            case "hang":
                await _until_gone(call.receive)
            case "status":
                given = fault.parameters
                await _answer(call.send, int(given.get("status", 504)), _bytes(given, ""), _headers(given))
            case _:
                await _cut(call.receive)

    async def _stripped(self, fault: Fault, scope: Scope, call: _Call) -> None:
        names = {str(name).lower().encode() for name in fault.parameters.get("headers", ["authorization"])}
        headers = [(name, value) for name, value in scope["headers"] if name.lower() not in names]
        await self.app({**scope, "headers": headers}, _replay(call.body, call.receive), call.send)

    async def _stale(self, fault: Fault, scope: Scope, call: _Call) -> None:
        if scope["method"] != "GET":
            await self.app(scope, _replay(call.body, call.receive), call.send)
            return
        key = (fault.id, call.target)
        if key not in self._kept:
            self._kept[key] = await self._do(scope, call)
        kept = self._kept[key]
        await _answer(call.send, kept.status, kept.body, kept.with_length(len(kept.body)))


class _Call:
    """One call with its body read."""

    def __init__(self, body: bytes, receive: Receive, send: Send, target: str) -> None:
        self.body = body
        self.receive = receive
        self.send = send
        self.target = target


async def _read(receive: Receive) -> bytes:
    body: bytes = b""
    while True:
        message = await receive()
        body += message.get("body", b"")
        if message["type"] == "http.disconnect" or not message.get("more_body", False):
            return body


def _replay(body: bytes, receive: Receive) -> Receive:
    """A ``receive`` that hands out the body already read, then whatever comes."""
    pending: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

    async def replayed() -> Message:
        return pending.pop() if pending else await receive()

    return replayed


async def _answer(send: Send, status: int, body: bytes, headers: list[tuple[bytes, bytes]]) -> None:
    if not any(name.lower() == b"content-length" for name, _ in headers):
        headers = [*headers, (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


async def _half(call: _Call, done: Answer) -> None:
    await call.send({"type": "http.response.start", "status": done.status, "headers": done.with_length(len(done.body))})
    await call.send({"type": "http.response.body", "body": done.body[: len(done.body) // 2], "more_body": True})
    # Close, not abort: what was written must reach the client before the connection ends.
    _transport(call.receive).close()
    await _until_gone(call.receive)


async def _cut(receive: Receive) -> None:
    _transport(receive).abort()
    await _until_gone(receive)


def _transport(receive: Receive) -> asyncio.Transport:
    """The connection under a call: uvicorn's ``receive`` is a method of the cycle that owns it.

    Raises:
        ConnectionAbortedError: no real connection is there (an in-process transport hands this to its caller).
    """
    transport = getattr(getattr(receive, "__self__", None), "transport", None)
    if transport is None:
        raise ConnectionAbortedError("cut by a planned fault")
    found: asyncio.Transport = transport
    return found


async def _until_gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


def _bytes(given: Any, default: str) -> bytes:
    if "body_base64" in given:
        return base64.b64decode(given["body_base64"])
    return str(given.get("body", default)).encode()


def _headers(given: Any) -> list[tuple[bytes, bytes]]:
    kind = given.get("content_type", "text/html; charset=UTF-8")
    headers = [(b"content-type", str(kind).encode())]
    return headers + [
        (str(name).lower().encode(), str(value).encode()) for name, value in given.get("headers", {}).items()
    ]
