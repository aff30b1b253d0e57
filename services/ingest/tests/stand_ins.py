"""What the tests of the gateway share: requests as stores send them, a log and secrets in memory."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field

import httpx

from mlc_common.errors import Retryable
from mlc_common.events import Appendable, Envelope, from_record
from mlc_common.log import Appended
from mlc_common.telemetry import MetricsRegistry
from mlc_ingest.bodies import Bodies
from mlc_ingest.refusals import Refusals
from mlc_ingest.secrets import ActiveSecrets
from mlc_vendors.woocommerce.signature import sign

SECRET = "k3J-visible_in_tests_only"
OTHER_SECRET = "another_connections_secret"


def signed(body: bytes, secret: str = SECRET, **headers: str) -> dict[str, str]:
    """Headers as WooCommerce sends them."""
    usual = {
        "Content-Type": "application/json",
        "User-Agent": "WooCommerce/11.0.1 Hookshot (WordPress/7.1)",
        "X-WC-Webhook-Source": "https://shop.example/",
        "X-WC-Webhook-Topic": "order.updated",
        "X-WC-Webhook-Resource": "order",
        "X-WC-Webhook-Event": "updated",
        "X-WC-Webhook-Signature": sign(secret, body),
        "X-WC-Webhook-ID": "3",
        "X-WC-Webhook-Delivery-ID": "0b33bbe50424f18ba02404eac40b25e5",
    }
    return usual | {name.replace("_", "-"): value for name, value in headers.items()}


@dataclass
class MemoryLog:
    """What was appended; fails or waits when told to."""

    appended: list[tuple[str, Envelope]] = field(default_factory=list)
    failing: bool = False
    gate: asyncio.Event | None = None
    entered: asyncio.Event = field(default_factory=asyncio.Event)

    async def publish(self, topic: str, event: Appendable) -> Appended:
        self.entered.set()
        if self.gate is not None:
            await self.gate.wait()
        if self.failing:
            raise Retryable("the log is away")
        self.appended.append((topic, from_record(event.headers(), event.data)))
        return Appended(topic, 0, len(self.appended) - 1)


@dataclass
class KnownSecrets:
    """A source of secrets that tests change."""

    found: dict[str, tuple[str, ...]]
    reads: int = 0
    error: Exception | None = None

    async def load(self) -> Mapping[str, ActiveSecrets]:
        self.reads += 1
        if self.error is not None:
            raise self.error
        return {connection: ActiveSecrets(values) for connection, values in self.found.items()}


@dataclass
class OnMemory:
    """A gateway on a log in memory, served over HTTP."""

    url: str
    log: MemoryLog
    source: KnownSecrets
    refusals: Refusals
    bodies: Bodies
    metrics: MetricsRegistry
    client: httpx.AsyncClient

    @property
    def port(self) -> int:
        return int(self.url.rpartition(":")[2])

    def count(self, name: str, **labels: str) -> float:
        return self.metrics.registry.get_sample_value(name, labels) or 0.0

    async def raw(self, request: bytes) -> bytes:
        """Send bytes, and read until the gateway closes the connection."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        try:
            writer.write(request)
            return await asyncio.wait_for(reader.read(), 10)
        finally:
            writer.close()


async def ready(client: httpx.AsyncClient, *, status: int = 200) -> None:
    """Wait until the service says that it can work, or no longer can."""
    async with asyncio.timeout(30):
        while (await client.get("/readyz")).status_code != status:
            await asyncio.sleep(0.05)
