"""The gateway over HTTP, on a log in memory: statuses, limits, pings, and that 200 means appended."""

from __future__ import annotations

import asyncio
import gzip
from collections.abc import AsyncIterator

import httpx
import pytest
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from mlc_common.events import WebhookRefused, decode
from mlc_vendors.woocommerce.signature import sign

from .conftest import Start
from .stand_ins import OTHER_SECRET, SECRET, OnMemory, signed

ORDER = b'{"id":727,"status":"processing","refunds":[]}'
FORM = {"Content-Type": "application/x-www-form-urlencoded"}


async def refusals(gateway: OnMemory) -> list[WebhookRefused]:
    """What the audit topic hears; nothing else may be on the log."""
    assert gateway.log.appended == []
    await gateway.refusals.flush()
    told = [decode(envelope, WebhookRefused) for topic, envelope in gateway.log.appended if topic == "acme.audit"]
    assert len(told) == len(gateway.log.appended)
    return told


async def test_a_signed_webhook_is_on_the_log_when_it_is_answered(gateway: OnMemory) -> None:
    answer = await gateway.client.post("/hooks/shop", content=ORDER, headers=signed(ORDER))
    assert (answer.status_code, answer.content) == (200, b"")
    [(topic, envelope)] = gateway.log.appended
    assert (topic, envelope.data, envelope.subject) == ("acme.raw.orders", ORDER, "shop:order:727")
    assert gateway.count("mlc_webhooks_received_total", connection="shop", topic="order.updated") == 1
    assert gateway.bodies.held == 0


async def test_no_answer_before_the_log_acknowledged(gateway: OnMemory) -> None:
    gateway.log.gate = asyncio.Event()
    asking = asyncio.create_task(gateway.client.post("/hooks/shop", content=ORDER, headers=signed(ORDER)))
    await gateway.log.entered.wait()
    _, pending = await asyncio.wait({asking}, timeout=0.2)
    assert pending
    gateway.log.gate.set()
    assert (await asking).status_code == 200


async def test_503_with_retry_after_when_the_log_does_not_take_it(gateway: OnMemory) -> None:
    gateway.log.failing = True
    answer = await gateway.client.post("/hooks/shop", content=ORDER, headers=signed(ORDER))
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "10")
    assert gateway.count("mlc_webhooks_refused_total", connection="shop", reason="log_unavailable") == 1
    gateway.log.failing = False
    assert (await gateway.client.post("/hooks/shop", content=ORDER, headers=signed(ORDER))).status_code == 200


async def test_the_same_bytes_again_are_kept_again_under_the_same_id(gateway: OnMemory) -> None:
    for _ in range(20):
        assert (await gateway.client.post("/hooks/shop", content=ORDER, headers=signed(ORDER))).status_code == 200
    assert len(gateway.log.appended) == 20
    assert len({envelope.id for _, envelope in gateway.log.appended}) == 1


@pytest.mark.parametrize(
    ("headers", "reason"),
    [
        (signed(ORDER, OTHER_SECRET), "bad_signature"),
        (signed(ORDER + b" "), "bad_signature"),
        (signed(ORDER, X_WC_Webhook_Signature="x"), "malformed_signature"),
        ({"Content-Type": "application/json"}, "no_signature"),
    ],
)
async def test_what_is_not_signed_with_this_connections_secret_is_401(
    gateway: OnMemory, headers: dict[str, str], reason: str
) -> None:
    answer = await gateway.client.post("/hooks/shop", content=ORDER, headers=headers)
    assert answer.status_code == 401
    assert answer.text == "not signed with this connection's secret\n"
    assert gateway.count("mlc_webhooks_refused_total", connection="shop", reason=reason) == 1
    [told] = await refusals(gateway)
    assert (told.connection, told.reason, told.status, told.count) == ("shop", reason, 401, 1)


async def test_two_signature_headers_are_401(gateway: OnMemory) -> None:
    pairs = [*signed(ORDER).items(), ("X-WC-Webhook-Signature", sign(SECRET, ORDER))]
    answer = await gateway.client.post("/hooks/shop", content=ORDER, headers=pairs)
    assert answer.status_code == 401
    assert [told.reason for told in await refusals(gateway)] == ["several_signatures"]


async def test_every_other_method_is_405_whoever_asks(gateway: OnMemory) -> None:
    for method in ("GET", "HEAD", "PUT", "PATCH", "DELETE", "OPTIONS"):
        for connection in ("shop", "nobody"):
            answer = await gateway.client.request(method, f"/hooks/{connection}")
            assert (answer.status_code, answer.headers["allow"]) == (405, "POST")
    assert {told.reason for told in await refusals(gateway)} == {"wrong_method"}


@pytest.mark.parametrize("connection", ["nobody", "", "shop/", "shop/x", "SHOP", "%00", "shop%20", "..%2fshop"])
async def test_an_unknown_connection_is_404_and_told_under_no_name_of_the_strangers(
    gateway: OnMemory, connection: str
) -> None:
    answer = await gateway.client.post(f"/hooks/{connection}", content=ORDER, headers=signed(ORDER))
    assert (answer.status_code, answer.text) == (404, "no such connection\n")
    assert gateway.count("mlc_webhooks_refused_total", connection="", reason="unknown_connection") == 1
    [told] = await refusals(gateway)
    assert (told.connection, told.sha256) == ("unknown", "")


async def test_while_the_database_is_away_nobody_says_that_a_connection_does_not_exist(gateway: OnMemory) -> None:
    gateway.source.error = OSError("the database is away")
    await asyncio.sleep(0.06)  # the least pause between two looks, 0.05 s here
    answer = await gateway.client.post("/hooks/fresh", content=ORDER, headers=signed(ORDER, "its secret"))
    assert answer.status_code == 503
    assert (await gateway.client.post("/hooks/shop", content=ORDER, headers=signed(ORDER))).status_code == 200
    assert gateway.count("mlc_webhooks_refused_total", connection="", reason="secrets_unavailable") == 1


async def test_a_connection_added_just_now_is_known_at_once(gateway: OnMemory) -> None:
    gateway.source.found["fresh"] = ("its secret",)
    await asyncio.sleep(0.06)  # the least pause between two looks, 0.05 s here
    answer = await gateway.client.post("/hooks/fresh", content=ORDER, headers=signed(ORDER, "its secret"))
    assert answer.status_code == 200


async def test_a_secret_replaced_just_now_is_known_at_once(gateway: OnMemory) -> None:
    gateway.source.found["shop"] = ("the new one", SECRET)
    await asyncio.sleep(0.06)
    for secret in ("the new one", SECRET):
        answer = await gateway.client.post("/hooks/shop", content=ORDER, headers=signed(ORDER, secret))
        assert answer.status_code == 200


async def test_a_flood_of_bad_requests_is_no_flood_of_the_database_or_the_log(on_memory: Start) -> None:
    async with on_memory(pause=60) as gateway:
        assert gateway.source.reads == 1
        for connection in ("shop", "nobody"):
            wrong = [
                gateway.client.post(f"/hooks/{connection}", content=ORDER, headers=signed(ORDER, "wrong"))
                for _ in range(40)
            ]
            await asyncio.gather(*wrong)
        assert gateway.source.reads == 1
        told = {(told.connection, told.reason): told.count for told in await refusals(gateway)}
        assert told == {("shop", "bad_signature"): 40, ("unknown", "unknown_connection"): 40}


async def test_a_ping_is_200_and_nothing_else(gateway: OnMemory) -> None:
    answer = await gateway.client.post("/hooks/shop", content=b"webhook_id=15", headers=FORM)
    assert (answer.status_code, answer.content) == (200, b"")
    assert gateway.count("mlc_webhook_pings_total", connection="shop") == 1
    assert await refusals(gateway) == []


async def test_a_ping_to_nobody_is_404(gateway: OnMemory) -> None:
    assert (await gateway.client.post("/hooks/nobody", content=b"webhook_id=15", headers=FORM)).status_code == 404


@pytest.mark.parametrize("body", [b"", b"webhook_id=1&x=2", b"webhook_id=" + b"1" * 5000, b"x" * 100_000])
async def test_a_form_that_is_no_ping_is_401(gateway: OnMemory, body: bytes) -> None:
    assert (await gateway.client.post("/hooks/shop", content=body, headers=FORM)).status_code == 401
    assert gateway.bodies.held == 0


async def test_a_compressed_body_is_415(gateway: OnMemory) -> None:
    body = gzip.compress(ORDER)
    answer = await gateway.client.post("/hooks/shop", content=body, headers=signed(body, Content_Encoding="gzip"))
    assert answer.status_code == 415
    assert [told.reason for told in await refusals(gateway)] == ["compressed"]


async def _pieces(body: bytes, size: int) -> AsyncIterator[bytes]:
    for start in range(0, len(body), size):
        yield body[start : start + size]


async def test_a_chunked_body_passes_byte_for_byte(gateway: OnMemory) -> None:
    body = b'{"id":9,"x":"' + b"\xc3\xa9" * 10_000 + b'"}'
    answer = await gateway.client.post("/hooks/shop", content=_pieces(body, 777), headers=signed(body))
    assert answer.status_code == 200
    assert gateway.log.appended[0][1].data == body


async def test_the_limit_itself_passes_and_one_byte_more_does_not(on_memory: Start) -> None:
    async with on_memory(limit=10_000) as gateway:
        for size, status in ((10_000, 200), (10_001, 413)):
            body = b"x" * size
            for content in (body, _pieces(body, 999)):
                answer = await gateway.client.post("/hooks/shop", content=content, headers=signed(body))
                assert answer.status_code == status
        assert len(gateway.log.appended) == 2
        assert gateway.count("mlc_webhooks_refused_total", connection="shop", reason="oversize") == 2
        assert gateway.bodies.held == 0


async def test_one_and_a_half_megabytes_pass_and_more_than_two_do_not(on_memory: Start) -> None:
    mib = 1024 * 1024
    async with on_memory(limit=2 * mib, memory=64 * mib) as gateway:
        for size, status in ((mib * 3 // 2, 200), (2 * mib, 200), (2 * mib + 1, 413), (20 * mib, 413)):
            body = b"x" * size
            answer = await gateway.client.post("/hooks/shop", content=body, headers=signed(body))
            assert answer.status_code == status
        chunked = await gateway.client.post("/hooks/shop", content=_pieces(body, 65_536), headers=signed(body))
        assert chunked.status_code == 413


def head(body: bytes, length: int | str, *more: str) -> bytes:
    lines = [
        "POST /hooks/shop HTTP/1.1",
        "Host: x",
        f"Content-Length: {length}",
        *(f"{name}: {value}" for name, value in signed(body).items()),
        *more,
    ]
    return "\r\n".join(lines).encode() + b"\r\n\r\n"


async def test_a_content_length_that_says_less_does_not_pass(gateway: OnMemory) -> None:
    answers = await gateway.raw(head(ORDER, len(ORDER) - 1, "Connection: close") + ORDER)
    assert answers.startswith(b"HTTP/1.1 401")
    assert gateway.log.appended == []


async def test_a_content_length_that_says_more_is_408_after_the_time(on_memory: Start) -> None:
    async with on_memory(seconds=0.2) as gateway:
        answer = await gateway.raw(head(ORDER, len(ORDER) + 1) + ORDER)
        assert answer.startswith(b"HTTP/1.1 408")
        assert [told.reason for told in await refusals(gateway)] == ["too_slow"]
        assert gateway.bodies.held == 0


async def test_a_content_length_above_the_limit_is_413_before_the_body(on_memory: Start) -> None:
    async with on_memory(seconds=0.2) as gateway:
        for length in (10**9, "9" * 18):
            answer = await gateway.raw(head(ORDER, length))
            assert answer.startswith(b"HTTP/1.1 413")


@pytest.mark.parametrize("length", ["-1", "1e3", "0x10", "5, 6", "abc", "9" * 40])
async def test_a_content_length_that_is_no_number_is_400(gateway: OnMemory, length: str) -> None:
    assert (await gateway.raw(head(ORDER, length) + ORDER)).startswith(b"HTTP/1.1 400")
    assert gateway.log.appended == []


async def test_content_length_and_chunks_together_are_not_let_in(gateway: OnMemory) -> None:
    request = head(ORDER, len(ORDER), "Transfer-Encoding: chunked", "Connection: close")
    answer = await gateway.raw(request + b"%x\r\n%s\r\n0\r\n\r\n" % (len(ORDER), ORDER))
    assert answer.startswith(b"HTTP/1.1 400")
    assert gateway.log.appended == []


async def test_a_client_that_asks_before_sending_is_told_to_go_on_or_not_at_all(gateway: OnMemory) -> None:
    good = await gateway.raw(head(ORDER, len(ORDER), "Expect: 100-continue", "Connection: close") + ORDER)
    assert good.startswith(b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200")
    huge = await gateway.raw(head(ORDER, 10**9, "Expect: 100-continue"))
    assert huge.startswith(b"HTTP/1.1 413")


async def test_a_client_that_goes_away_leaves_nothing_behind(gateway: OnMemory) -> None:
    _, writer = await asyncio.open_connection("127.0.0.1", gateway.port)
    writer.write(head(ORDER, 50_000) + ORDER * 100)
    await writer.drain()
    while not gateway.bodies.held:
        await asyncio.sleep(0.01)
    writer.close()
    while gateway.bodies.held:
        await asyncio.sleep(0.01)
    assert (await gateway.client.post("/hooks/shop", content=ORDER, headers=signed(ORDER))).status_code == 200


async def test_more_bodies_at_once_than_there_is_memory_for_are_503(on_memory: Start) -> None:
    async with on_memory(memory=100_000, limit=90_000) as gateway:
        body = b"x" * 90_000
        reader, writer = await asyncio.open_connection("127.0.0.1", gateway.port)
        writer.write(head(body, len(body)) + body[:-1])
        while gateway.bodies.held < 80_000:
            await asyncio.sleep(0.01)
        answer = await gateway.client.post("/hooks/shop", content=_pieces(body, 30_000), headers=signed(body))
        assert (answer.status_code, answer.headers["retry-after"]) == (503, "10")
        writer.write(body[-1:])
        assert (await reader.readline()).startswith(b"HTTP/1.1 200")
        writer.close()
        assert gateway.bodies.held == 0
        assert gateway.count("mlc_webhooks_refused_total", connection="shop", reason="busy") == 1


async def test_503_and_not_404_while_no_secrets_are_known(on_memory: Start) -> None:
    async with on_memory(load=False) as gateway:
        gateway.source.error = OSError("the database is away")
        answer = await gateway.client.post("/hooks/shop", content=ORDER, headers=signed(ORDER))
        assert (answer.status_code, answer.headers["retry-after"]) == (503, "10")
        ping = await gateway.client.post("/hooks/shop", content=b"webhook_id=15", headers=FORM)
        assert ping.status_code == 503
        assert gateway.count("mlc_webhooks_refused_total", connection="", reason="secrets_unavailable") == 2


@pytest.mark.parametrize(
    "body", [b"null", b"\xff\xfe\x00", b'{"id":NaN}', b'{"id":1e400}', b"[" * 20_000, b"", b'{"code":"x"}']
)
async def test_signed_but_odd_is_kept_and_200_and_the_next_one_passes(gateway: OnMemory, body: bytes) -> None:
    for content in (body, ORDER):
        answer = await gateway.client.post("/hooks/shop", content=content, headers=signed(content))
        assert answer.status_code == 200
    assert [envelope.data for _, envelope in gateway.log.appended] == [body, ORDER]


async def test_a_topic_header_that_is_no_utf8_is_kept_escaped(gateway: OnMemory) -> None:
    headers = [(name.encode(), value.encode()) for name, value in signed(ORDER).items() if name != "X-WC-Webhook-Topic"]
    odd = (b"X-WC-Webhook-Topic", b"order.\xff\xfe")
    answer = await gateway.client.post("/hooks/shop", content=ORDER, headers=httpx.Headers([*headers, odd]))
    assert answer.status_code == 200
    assert gateway.log.appended[0][1].extensions["whtopic"] == "order.\\xff\\xfe"


async def test_what_proxies_claim_changes_nothing(gateway: OnMemory) -> None:
    headers = signed(ORDER) | {
        "X-Forwarded-For": "10.0.0.1",
        "X-Forwarded-Proto": "https",
        "X-Original-URL": "/hooks/other",
        "X-HTTP-Method-Override": "GET",
    }
    answer = await gateway.client.post("/hooks/shop", content=ORDER, headers=headers)
    assert answer.status_code == 200
    assert gateway.log.appended[0][1].source == "/acme/shop"


async def test_answers_tell_nothing_of_the_server(gateway: OnMemory) -> None:
    answer = await gateway.client.post("/hooks/shop", content=ORDER, headers=signed(ORDER))
    assert set(answer.headers) <= {"date", "content-length"}


async def test_where_spans_are_recorded_the_event_carries_the_trace(
    on_memory: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    spans = InMemorySpanExporter()
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(spans))
    monkeypatch.setattr(trace, "get_tracer_provider", lambda: provider)
    monkeypatch.setattr(trace, "get_tracer", provider.get_tracer)
    forged = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    async with on_memory() as gateway:
        headers = signed(ORDER, traceparent=forged)
        assert (await gateway.client.post("/hooks/shop", content=ORDER, headers=headers)).status_code == 200
    [span] = spans.get_finished_spans()
    [(_, envelope)] = gateway.log.appended
    assert envelope.extensions["traceparent"].split("-")[1] == trace.format_trace_id(span.context.trace_id)
    assert forged.split("-")[1] not in envelope.extensions["traceparent"]
    assert span.attributes == {"mlc.connection": "shop", "mlc.webhook": "order.updated"}
