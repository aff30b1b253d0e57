"""R9: tampered webhooks on real Kafka: a 4xx each, nothing on the raw topics, one redacted audit event per reason.

Bit by bit, and for all headers, the same is shown without a broker in ``test_ingest_admission.py``; that what waits for
the audit is capped, in ``test_ingest_refusals.py``.
"""

from __future__ import annotations

import base64
import gzip
from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

import httpx
import pytest
from pydantic import SecretStr

from mlc_common.events import Topics, WebhookRefused, decode
from mlc_common.store import connections
from mlc_common.store.pool import Pool
from mlc_common.vault import Vault
from mlc_ingest.secrets import WEBHOOK_SECRET
from mlc_vendors.woocommerce.signature import sign

from .conftest import Read, Run
from .stand_ins import OTHER_SECRET, SECRET, ready, signed

pytestmark = [pytest.mark.kafka, pytest.mark.postgres]

LIMIT = 16 * 1024
BODY = b'{"id":7,"status":"processing","total":"3.33","billing":{"email":"grace@example.test"},"refunds":[]}'
RIGHT = sign(SECRET, BODY)
RAW = base64.b64decode(RIGHT)


@dataclass(frozen=True)
class Tampered:
    """A request that is not what the store sent.

    Attributes:
        reason: What the gateway must call it.
        pairs: Headers; the store's own where None.
        chunked: Whether the body comes in pieces, without its length.
    """

    reason: str
    status: int = 401
    body: bytes = BODY
    pairs: tuple[tuple[str, str], ...] | None = None
    chunked: bool = False

    def headers(self) -> list[tuple[str, str]]:
        return list(signed(BODY).items() if self.pairs is None else self.pairs)


def with_signature(*values: str) -> tuple[tuple[str, str], ...]:
    """The store's headers with these signatures in the place of its own."""
    kept = [(name, value) for name, value in signed(BODY).items() if name != "X-WC-Webhook-Signature"]
    return (*kept, *(("X-WC-Webhook-Signature", value) for value in values))


def flipped(body: bytes, bit: int) -> bytes:
    return body[: bit // 8] + bytes([body[bit // 8] ^ 1 << bit % 8]) + body[bit // 8 + 1 :]


COMPRESSED = gzip.compress(BODY)
WAYS = {
    **{f"bit {bit} flipped": Tampered("bad_signature", body=flipped(BODY, bit)) for bit in (0, 333, len(BODY) * 8 - 1)},
    "another total": Tampered("bad_signature", body=BODY.replace(b"3.33", b"0.01")),
    "a byte more": Tampered("bad_signature", body=BODY + b"\n"),
    "a body in pieces that is another": Tampered("bad_signature", body=BODY + b" ", chunked=True),
    "nothing": Tampered("bad_signature", body=b""),
    "a wrong secret": Tampered("bad_signature", pairs=tuple(signed(BODY, "wrong").items())),
    "another connection's secret": Tampered("bad_signature", pairs=tuple(signed(BODY, OTHER_SECRET).items())),
    "an empty secret": Tampered("bad_signature", pairs=with_signature(sign("", BODY))),
    "two right signatures": Tampered("several_signatures", pairs=with_signature(RIGHT, RIGHT)),
    "a wrong one before the right one": Tampered("several_signatures", pairs=with_signature(sign("x", BODY), RIGHT)),
    "two in one header": Tampered("malformed_signature", pairs=with_signature(f"{RIGHT}, {RIGHT}")),
    "without padding": Tampered("malformed_signature", pairs=with_signature(RIGHT.rstrip("="))),
    "more padding": Tampered("malformed_signature", pairs=with_signature(RIGHT + "=")),
    "hex": Tampered("malformed_signature", pairs=with_signature(RAW.hex())),
    "the url-safe alphabet": Tampered(
        "malformed_signature", pairs=with_signature(base64.urlsafe_b64encode(RAW).decode().replace("=", "_"))
    ),
    "quoted": Tampered("malformed_signature", pairs=with_signature(f'"{RIGHT}"')),
    "with the algorithm's name": Tampered("malformed_signature", pairs=with_signature(f"sha256={RIGHT}")),
    "an empty signature": Tampered("malformed_signature", pairs=with_signature("")),
    "no signature": Tampered("no_signature", pairs=with_signature()),
    "gzip": Tampered(
        "compressed",
        415,
        COMPRESSED,
        (*signed(COMPRESSED).items(), ("Content-Encoding", "gzip")),
    ),
    "ten times the limit": Tampered("oversize", 413, b"x" * 10 * LIMIT),
    "ten times the limit in pieces": Tampered("oversize", 413, b"x" * 10 * LIMIT, chunked=True),
}


@dataclass
class Outcome:
    """What became of every way."""

    answers: dict[str, int] = field(default_factory=dict)
    bodies: set[str] = field(default_factory=set)
    raw: list[bytes] = field(default_factory=list)
    audit: list[WebhookRefused] = field(default_factory=list)
    audited: bytes = b""


async def _pieces(body: bytes) -> AsyncIterator[bytes]:
    for start in range(0, len(body), 4096):
        yield body[start : start + 4096]


@pytest.fixture
async def outcome(service: Run, kafka_bootstrap: str, tenant: str, appended: Read, pool: Pool, vault: Vault) -> Outcome:
    """Every way once, over HTTP, against the whole service."""
    await connections.add(pool, "other", "woocommerce", {"url": "https://other.example"})
    await vault.put("other", WEBHOOK_SECRET, SecretStr(OTHER_SECRET))
    found, topics = Outcome(), Topics(tenant)
    async with service(kafka_bootstrap, ingest_body_limit=LIMIT) as client:
        await ready(client)
        for name, way in WAYS.items():
            answer = await _send(client, way)
            found.answers[name] = answer.status_code
            found.bodies.add(answer.text)
        sent = await client.post("/hooks/shop", content=BODY, headers=signed(BODY))
        assert sent.status_code == 200, "the genuine one passes"
    for topic in (topics.raw_orders, topics.raw_reference):
        found.raw += [event.data for event in await appended(topic)]
    events = await appended(topics.audit)
    found.audit = [decode(event, WebhookRefused) for event in events]
    found.audited = b"\n".join(b"\n".join([event.data, *(value for _, value in event.headers())]) for event in events)
    return found


async def _send(client: httpx.AsyncClient, way: Tampered) -> httpx.Response:
    content = _pieces(way.body) if way.chunked else way.body
    return await client.post("/hooks/shop", content=content, headers=way.headers())


async def test_each_is_refused_and_told_once_per_reason_without_a_word_of_it(outcome: Outcome) -> None:
    """R9."""
    assert outcome.answers == {name: way.status for name, way in WAYS.items()}
    assert outcome.raw == [BODY], "only the genuine one is kept"
    assert {event.reason: event.count for event in outcome.audit} == Counter(way.reason for way in WAYS.values())
    assert len(outcome.audit) == len({way.reason for way in WAYS.values()}), "one line per reason"
    assert {event.connection for event in outcome.audit} == {"shop"}
    for word in (b"grace", b"3.33", b"processing", RIGHT.encode(), SECRET.encode(), OTHER_SECRET.encode()):
        assert word not in outcome.audited
    assert not any("shop" in body or "processing" in body for body in outcome.bodies), "the answer tells nothing either"
