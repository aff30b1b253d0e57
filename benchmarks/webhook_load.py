"""Keeps some connections to a webhook address busy for a while, and says how fast and how well it was answered.

A process of its own that loads nothing but the standard library and the event loop, so that it starts at once and is
never the bottleneck. ``python -m benchmarks.webhook_load URL SECONDS`` prints one line of JSON.
"""

from __future__ import annotations

import asyncio
import base64
import hmac
import json
import sys
import time
from collections.abc import Sequence
from functools import partial
from itertools import cycle
from typing import cast
from urllib.parse import urlsplit

import uvloop

CONNECTIONS = 32
BODY_BYTES = 2048
SECRET = "a-secret-of-the-benchmark-alone"


def _requests(path: str) -> list[bytes]:
    """Whole requests, made beforehand: orders that differ in their id."""
    made = []
    for number in range(1000, 1256):
        start = b'{"id":%d,"status":"processing","note":"' % number
        body = start + b"x" * (BODY_BYTES - len(start) - 2) + b'"}'
        signature = base64.b64encode(hmac.digest(SECRET.encode(), body, "sha256")).decode()
        lines = (
            f"POST {path} HTTP/1.1",
            "Host: 127.0.0.1",
            "User-Agent: WooCommerce/11.0.1 Hookshot (WordPress/7.1)",
            "Accept: */*",
            "Content-Type: application/json",
            "X-WC-Webhook-Source: https://shop.example/",
            "X-WC-Webhook-Topic: order.updated",
            "X-WC-Webhook-Resource: order",
            "X-WC-Webhook-Event: updated",
            f"X-WC-Webhook-Signature: {signature}",
            "X-WC-Webhook-ID: 3",
            "X-WC-Webhook-Delivery-ID: 0123456789abcdef0123456789abcdef",
            f"Content-Length: {len(body)}",
        )
        made.append("\r\n".join(lines).encode() + b"\r\n\r\n" + body)
    return made


class Connection(asyncio.Protocol):
    """Sends one request after the other; every answer has an empty body."""

    def __init__(self, requests: Sequence[bytes], offset: int, until: float) -> None:
        self._requests = cycle([*requests[offset:], *requests[:offset]])
        self._until = until
        self._received = b""
        self._sent_at = 0.0
        self.seconds: list[float] = []
        self.failed = 0
        self.ended: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)  # uvloop's own is none by inheritance
        self._send()

    def data_received(self, data: bytes) -> None:
        self._received += data
        if not self._received.endswith(b"\r\n\r\n"):
            return
        now = time.perf_counter()
        self.seconds.append(now - self._sent_at)
        self.failed += not self._received.startswith(b"HTTP/1.1 200")
        self._received = b""
        if now < self._until:
            self._send()
        else:
            self._transport.close()

    def connection_lost(self, exc: Exception | None) -> None:
        if time.perf_counter() < self._until:
            self.failed += 1
        self.ended.set_result(None)

    def _send(self) -> None:
        self._sent_at = time.perf_counter()
        self._transport.write(next(self._requests))


def _as_it_is(connection: Connection) -> Connection:
    return connection


async def _load(url: str, seconds: float) -> None:
    parts = urlsplit(url)
    requests = _requests(parts.path)
    loop = asyncio.get_running_loop()
    started, cpu = time.perf_counter(), time.process_time()
    shares = [number * len(requests) // CONNECTIONS for number in range(CONNECTIONS)]
    made = [Connection(requests, share, started + seconds) for share in shares]
    for connection in made:
        await loop.create_connection(partial(_as_it_is, connection), parts.hostname or "", parts.port or 0)
    await asyncio.gather(*(connection.ended for connection in made))
    took = time.perf_counter() - started
    times = sorted(second for connection in made for second in connection.seconds)
    found = {
        "requests": len(times),
        "failed": sum(connection.failed for connection in made),
        "requests_per_s": len(times) / took,
        "p50_ms": times[len(times) // 2] * 1000,
        "p99_ms": times[len(times) * 99 // 100] * 1000,
        "load_cpu": round((time.process_time() - cpu) / took, 2),
    }
    sys.stdout.write(json.dumps(found))


if __name__ == "__main__":
    uvloop.run(_load(sys.argv[1], float(sys.argv[2])))
