"""A tiny ASGI app that answers ``/healthz``, ``/readyz`` and ``/metrics``; every service serves it.

Alive = the process answers. Ready = what the service itself says within some seconds. Nothing it answers tells a
stranger why a service is not ready: that is in the log.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

import structlog

from mlc_common.telemetry.metrics import MetricsRegistry

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
AsgiApp = Callable[[Scope, Receive, Send], Awaitable[None]]
Readiness = Callable[[], Awaitable[bool]]

HEALTH_PATHS = frozenset({"/healthz", "/readyz", "/metrics"})

_READY_WITHIN_S = 5.0
_TEXT = "text/plain; charset=utf-8"
_log = structlog.get_logger(__name__)


def health_app(readiness: Readiness, registry: MetricsRegistry) -> AsgiApp:
    """The app.

    Args:
        readiness: Whether the service can do its work; an error or no answer within 5 s counts as no.
        registry: What ``/metrics`` shows.
    """

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await _lifespan(receive, send)
        elif scope["type"] == "http":
            await _send(scope, send, *await _answer(scope))

    async def _answer(scope: Scope) -> tuple[int, str, bytes]:
        if scope["path"] not in HEALTH_PATHS:
            return 404, _TEXT, b"not found\n"
        if scope["method"] not in {"GET", "HEAD"}:
            return 405, _TEXT, b"method not allowed\n"
        if scope["path"] == "/metrics":
            return 200, *registry.render()
        if scope["path"] == "/healthz" or await _is_ready(readiness):
            return 200, _TEXT, b"ok\n"
        return 503, _TEXT, b"not ready\n"

    return app


async def _is_ready(readiness: Readiness) -> bool:
    try:
        async with asyncio.timeout(_READY_WITHIN_S):
            return await readiness()
    except Exception as error:  # whatever it is, the service is not ready
        _log.warning("health.readiness_failed", error=type(error).__name__)
        return False


async def _send(scope: Scope, send: Send, status: int, content_type: str, body: bytes) -> None:
    headers = [(b"content-type", content_type.encode()), (b"content-length", str(len(body)).encode())]
    if status == 405:
        headers.append((b"allow", b"GET, HEAD"))
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": b"" if scope["method"] == "HEAD" else body})


async def _lifespan(receive: Receive, send: Send) -> None:
    while (message := await receive())["type"] != "lifespan.shutdown":
        await send({"type": f"{message['type']}.complete"})
    await send({"type": "lifespan.shutdown.complete"})
