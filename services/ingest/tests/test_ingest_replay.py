"""Real traffic of a store that we ran, headers and raw bytes with its real secret, through the gateway onto Kafka.

What the store signed is answered 200 and lies on the topic byte for byte, under the key of its object; its pings are
answered 200 and leave nothing. Data: ``tests/data/woocommerce/deliveries``.
"""

from __future__ import annotations

import asyncio
import base64
import json
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest
from pydantic import SecretStr

from mlc_common.events import Envelope, Topics
from mlc_common.store import connections
from mlc_common.store.pool import Pool
from mlc_common.vault import Vault
from mlc_ingest.secrets import WEBHOOK_SECRET
from mlc_vendors.woocommerce.signature import verify

from .conftest import Read, Run
from .stand_ins import ready

DELIVERIES = Path(__file__).parents[3] / "tests" / "data" / "woocommerce" / "deliveries"

pytestmark = [pytest.mark.kafka, pytest.mark.postgres, pytest.mark.contract]


@dataclass(frozen=True)
class Recorded:
    """One delivery as the store sent it."""

    method: str
    headers: tuple[tuple[str, str], ...]
    body: bytes
    secret: str

    def header(self, name: str) -> str:
        return next((value for known, value in self.headers if known.lower() == name), "")

    @property
    def is_ping(self) -> bool:
        return not self.header("x-wc-webhook-topic")


def recorded() -> list[Recorded]:
    """All of them; each is signed with its case's secret, or its own where that is said."""
    cases = [json.loads(file.read_text("utf-8")) for file in sorted(DELIVERIES.glob("*.json"))]
    return [
        Recorded(
            method=each["method"],
            headers=tuple((name, value) for name, value in each["headers"]),
            body=base64.b64decode(each["body_base64"]),
            secret=each.get("secret") or case["webhook_secret"],
        )
        for case in cases
        for each in case["deliveries"]
    ]


async def send(url: httpx.URL, connection: str, delivery: Recorded) -> int:
    """Send exactly what was recorded, to another path; the status of the answer."""
    reader, writer = await asyncio.open_connection(url.host, url.port)
    lines = [
        f"{delivery.method} /hooks/{connection} HTTP/1.1",
        *(f"{name}: {value}" for name, value in delivery.headers),
    ]
    writer.write("\r\n".join(lines).encode() + b"\r\n\r\n" + delivery.body)
    status = int((await reader.readline()).split()[1])
    writer.close()
    return status


async def test_every_recorded_delivery_is_answered_and_kept_as_the_store_sent_it(
    service: Run, kafka_bootstrap: str, pool: Pool, vault: Vault, tenant: str, appended: Read
) -> None:
    deliveries = recorded()
    connection_of = {secret: f"store-{number}" for number, secret in enumerate({each.secret for each in deliveries})}
    for secret, connection in connection_of.items():
        await connections.add(pool, connection, "woocommerce", {})
        await vault.put(connection, WEBHOOK_SECRET, SecretStr(secret))
    async with service(kafka_bootstrap) as client:
        await ready(client)
        for delivery in deliveries:
            wanted = 405 if delivery.method != "POST" else 200
            assert await send(client.base_url, connection_of[delivery.secret], delivery) == wanted

    topics = Topics(tenant)
    orders, reference = await appended(topics.raw_orders), await appended(topics.raw_reference)
    sent = [delivery for delivery in deliveries if not delivery.is_ping]
    assert len(sent) > 200
    assert len(sent) < len(deliveries)  # there are pings among them
    assert Counter(map(_as_sent, sent)) == Counter(map(_as_kept, orders + reference))
    for envelope in orders + reference:
        secret = next(s for s, connection in connection_of.items() if connection == envelope.extensions["connection"])
        assert verify([secret], envelope.data, envelope.extensions["whsignature"])
    _check_keys(orders, reference)


def _as_sent(delivery: Recorded) -> tuple[str, ...]:
    names = ("topic", "resource", "event", "id", "delivery-id", "source", "signature")
    headers = [delivery.header(f"x-wc-webhook-{name}") for name in names]
    kind, agent = delivery.header("content-type"), delivery.header("user-agent")
    return (*headers, agent, kind, base64.b64encode(delivery.body).decode())


def _as_kept(envelope: Envelope) -> tuple[str, ...]:
    names = ("whtopic", "whresource", "whevent", "whid", "whdelivery", "whsource", "whsignature", "useragent")
    kept = [envelope.extensions[name] for name in names]
    return (*kept, envelope.content_type, base64.b64encode(envelope.data).decode())


def _check_keys(orders: list[Envelope], reference: list[Envelope]) -> None:
    """Topic and key, computed here from the parsed body."""
    for envelope in orders:
        assert envelope.extensions["whresource"] in ("order", "action")
        body = json.loads(envelope.data)
        number = body.get("arg") if envelope.extensions["whresource"] == "action" else body.get("id")
        assert envelope.subject == f"{envelope.extensions['connection']}:order:{number or 'unknown'}"
    for envelope in reference:
        resource = envelope.extensions["whresource"]
        assert resource in ("product", "customer", "coupon")
        number = json.loads(envelope.data).get("id", "unknown")
        assert envelope.subject == f"{envelope.extensions['connection']}:{resource}:{number}"
    without = [json.loads(each.data) for each in orders + reference if each.subject.endswith(":unknown")]
    assert without  # objects that were gone before their delivery: error objects, signed
    assert all(body["data"]["status"] == 404 for body in without)
