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
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import uvloop
from aiokafka import AIOKafkaProducer

from benchmarks.webhook_load import BODY_BYTES, CONNECTIONS, SECRET
from mlc_common.clock import SystemClock
from mlc_common.events import Topics
from mlc_common.log import ensure_topics
from mlc_common.serving import serving
from mlc_common.telemetry import MetricsRegistry, configure_logs
from mlc_ingest.app import Ingest
from mlc_ingest.secrets import ActiveSecrets
from mlc_ingest.settings import IngestSettings

TURN_S = 1.5
"""Short turns, so that both see the same weather on a machine that does other things too."""

WARM_UP_S = 2.0
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
        found = await _load(self.url, seconds)
        if found["failed"]:
            raise RuntimeError(f"{found['failed']:.0f} requests to {self.url} were not answered 200")
        found["cpu_ms_per_request"] = (self._cpu() - before) * 1000 / found["requests"]
        return found

    def _cpu(self) -> float:
        times = self.process.cpu_times()
        return float(times.user + times.system)


@asynccontextmanager
async def _process(part: str, bootstrap: str, tenant: str) -> AsyncIterator[Server]:
    """A server as a process of its own, once it listens."""
    arguments = [sys.executable, "-m", "benchmarks.ingest", part, "--bootstrap", bootstrap, "--tenant", tenant]
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


async def _load(url: str, seconds: float) -> dict[str, float]:
    arguments = [sys.executable, "-m", "benchmarks.webhook_load", url, str(seconds)]
    running = await asyncio.create_subprocess_exec(*arguments, cwd=ROOT, stdout=asyncio.subprocess.PIPE)
    try:
        said, _ = await running.communicate()
    finally:
        if running.returncode is None:
            running.kill()
            await running.wait()
    if running.returncode:
        raise RuntimeError(f"the benchmark's load ended with status {running.returncode}")
    found: dict[str, float] = json.loads(said)
    return found


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


def main() -> None:
    """One of the two servers of a measurement; ``measure`` starts them."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.ingest", description=main.__doc__)
    parser.add_argument("part", choices=("gateway", "bare"))
    parser.add_argument("--bootstrap", required=True)
    parser.add_argument("--tenant", required=True)
    given = parser.parse_args()
    server = _gateway if given.part == "gateway" else _bare
    uvloop.run(server(given.bootstrap, given.tenant))


if __name__ == "__main__":
    main()
