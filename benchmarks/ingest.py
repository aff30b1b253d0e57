"""How fast the webhook gateway is, beside a bare ASGI app that checks the HMAC and appends to the same broker.

Both run as one worker process each, with the same server software and the same event loop, and are loaded in turns by a
third process that keeps 32 connections busy with signed bodies of 2 kB. The yardstick does nothing else: no limits, no
second secret, no key, no headers on the record, no metrics. The ratio is the median over the turns.
"""

from __future__ import annotations

import argparse
import asyncio
import base64
import hmac
import json
import secrets
import statistics
import sys
import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from itertools import cycle
from pathlib import Path
from typing import Any, cast
from urllib.parse import urlsplit

import psutil
import uvloop
from aiokafka import AIOKafkaProducer

from mlc_common.clock import SystemClock
from mlc_common.events import Topics
from mlc_common.log import ensure_topics
from mlc_common.serving import serving
from mlc_common.telemetry import MetricsRegistry, configure_logs
from mlc_ingest.app import Ingest
from mlc_ingest.secrets import ActiveSecrets
from mlc_ingest.settings import IngestSettings
from mlc_vendors.woocommerce.signature import sign

CONNECTIONS = 32
BODY_BYTES = 2048
TURN_S = 1.5
"""Short turns, so that both see the same weather on a machine that does other things too."""

WARM_UP_S = 2.0
SECRET = "a-secret-of-the-benchmark-alone"
ROOT = Path(__file__).resolve().parents[1]


async def measure(bootstrap: str, seconds: float) -> dict[str, Any]:
    """Measure both, in turns.

    Args:
        bootstrap: The broker.
        seconds: For how long each is measured, over all turns.

    Returns:
        ``gateway`` and ``bare`` with ``requests_per_s``, ``p50_ms``, ``p99_ms``, ``cpu_ms_per_request`` each; ``ratio``
        of the requests per second; ``load_cpu``, the load generator's share of a core.
    """
    tenant = f"bench-{secrets.token_hex(4)}"
    await ensure_topics(bootstrap, Topics(tenant).all())
    turns: dict[str, list[dict[str, float]]] = {"gateway": [], "bare": []}
    async with _process("gateway", bootstrap, tenant) as gateway, _process("bare", bootstrap, tenant) as bare:
        servers = (("gateway", gateway), ("bare", bare))
        for _, server in servers:
            await server.load(WARM_UP_S)
        for _ in range(max(1, round(seconds / TURN_S))):
            for name, server in servers:
                turns[name].append(await server.load(TURN_S))
    ratios = [ours["requests_per_s"] / bare["requests_per_s"] for ours, bare in zip(*turns.values(), strict=True)]
    return {
        "connections": CONNECTIONS,
        "body_bytes": BODY_BYTES,
        "turns_each": len(ratios),
        "seconds_per_turn": TURN_S,
        **{name: _medians(of) for name, of in turns.items()},
        "ratio": round(statistics.median(ratios), 3),
        "ratios": [round(ratio, 3) for ratio in ratios],
        "load_cpu": max(turn["load_cpu"] for of in turns.values() for turn in of),
    }


def _medians(turns: Sequence[Mapping[str, float]]) -> dict[str, float]:
    names = ("requests_per_s", "p50_ms", "p99_ms", "cpu_ms_per_request")
    return {name: round(statistics.median(turn[name] for turn in turns), 3) for name in names}


@dataclass(frozen=True)
class Server:
    """One of the two servers, running."""

    url: str
    process: psutil.Process

    async def load(self, seconds: float) -> dict[str, float]:
        """Keep it busy and say how it did.

        Raises:
            RuntimeError: an answer was not 200.
        """
        before = self._cpu()
        found: dict[str, float] = json.loads(
            await _said([*_self("load"), "--url", self.url, "--seconds", str(seconds)])
        )
        if found["failed"]:
            raise RuntimeError(f"{found['failed']:.0f} requests to {self.url} were not answered 200")
        found["cpu_ms_per_request"] = (self._cpu() - before) * 1000 / found["requests"]
        return found

    def _cpu(self) -> float:
        times = self.process.cpu_times()
        return float(times.user + times.system)


def _self(part: str) -> list[str]:
    return [sys.executable, "-m", "benchmarks.ingest", part]


@asynccontextmanager
async def _process(part: str, bootstrap: str, tenant: str) -> AsyncIterator[Server]:
    """A server as a process of its own, once it listens."""
    arguments = [*_self(part), "--bootstrap", bootstrap, "--tenant", tenant]
    running = await asyncio.create_subprocess_exec(*arguments, cwd=ROOT, stdout=asyncio.subprocess.PIPE)
    assert running.stdout is not None
    try:
        line = await asyncio.wait_for(running.stdout.readline(), 30)
        if not line:
            raise RuntimeError(f"the benchmark's {part} did not start")
        yield Server(json.loads(line)["url"], psutil.Process(running.pid))
    finally:
        if running.returncode is None:
            running.terminate()
        await running.wait()


async def _said(arguments: Sequence[str]) -> bytes:
    running = await asyncio.create_subprocess_exec(*arguments, cwd=ROOT, stdout=asyncio.subprocess.PIPE)
    try:
        said, _ = await running.communicate()
    finally:
        if running.returncode is None:
            running.kill()
            await running.wait()
    if running.returncode:
        raise RuntimeError(f"{arguments[3]} ended with status {running.returncode}")
    return said


def _say(where: str) -> None:
    sys.stdout.write(f'{{"url": "{where}"}}\n')
    sys.stdout.flush()


# --- the gateway -----------------------------------------------------------------------------------------------------


class OneSecret:
    """The vault's place: the hot path never asks it."""

    async def load(self) -> Mapping[str, ActiveSecrets]:
        return {"shop": ActiveSecrets((SECRET,))}


async def _gateway(bootstrap: str, tenant: str) -> None:
    settings = IngestSettings(
        tenant=tenant,
        kafka_bootstrap_servers=bootstrap,
        database_url="not used",
        vault_key_file="not used",
        ingest_port=0,
    )
    configure_logs("ingest", tenant, level="warning")
    ingest = Ingest.wire(settings, OneSecret(), SystemClock(), MetricsRegistry())
    await ingest.serve(lambda url: _say(f"{url}/hooks/shop"))


# --- the yardstick ---------------------------------------------------------------------------------------------------


async def _bare(bootstrap: str, tenant: str) -> None:
    topic, key = Topics(tenant).raw_orders, SECRET.encode()
    producer = AIOKafkaProducer(
        bootstrap_servers=bootstrap, acks="all", enable_idempotence=True, max_batch_size=1024 * 1024
    )
    await producer.start()

    async def app(scope: Any, receive: Callable[[], Any], send: Callable[[Any], Any]) -> None:
        body = b""
        while True:
            message = await receive()
            body += message["body"]
            if not message["more_body"]:
                break
        given = dict(scope["headers"]).get(b"x-wc-webhook-signature", b"")
        genuine = hmac.compare_digest(base64.b64encode(hmac.digest(key, body, "sha256")), given)
        if genuine:
            await producer.send_and_wait(topic, body)
        headers = [(b"content-length", b"0")]
        await send({"type": "http.response.start", "status": 200 if genuine else 401, "headers": headers})
        await send({"type": "http.response.body", "body": b""})

    try:
        async with serving(app, host="127.0.0.1", port=0, http="httptools", ws="none", proxy_headers=False) as port:
            _say(f"http://127.0.0.1:{port}/hooks/shop")
            await asyncio.Event().wait()
    finally:
        await producer.stop()


# --- the load --------------------------------------------------------------------------------------------------------


def _requests(path: str) -> list[bytes]:
    """Whole requests, made beforehand: orders that differ in their id."""
    made = []
    for number in range(1000, 1256):
        start = b'{"id":%d,"status":"processing","note":"' % number
        body = start + b"x" * (BODY_BYTES - len(start) - 2) + b'"}'
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
            f"X-WC-Webhook-Signature: {sign(SECRET, body)}",
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


def main() -> None:
    """One of the processes of a measurement; ``measure`` starts them."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.ingest", description=main.__doc__)
    parser.add_argument("part", choices=("gateway", "bare", "load"))
    parser.add_argument("--bootstrap", default="")
    parser.add_argument("--tenant", default="")
    parser.add_argument("--url", default="")
    parser.add_argument("--seconds", type=float, default=1.0)
    given = parser.parse_args()
    if given.part == "load":
        uvloop.run(_load(given.url, given.seconds))
    else:
        server = _gateway if given.part == "gateway" else _bare
        uvloop.run(server(given.bootstrap, given.tenant))


if __name__ == "__main__":
    main()
