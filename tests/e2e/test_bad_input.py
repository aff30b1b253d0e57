"""R10: what no store should send: a clear answer, a dead letter or a hold with its reason; the next order goes through.

Whatever is signed is kept and answered 200, or the store would switch its webhook off; whatever is not never reaches
the raw topics.
"""

from __future__ import annotations

import asyncio
import itertools
import json
from typing import Any
from urllib.parse import urlsplit

import pytest

from mlc_common.events import RAW_WEBHOOK

from .tenants import Tenant

pytestmark = [
    pytest.mark.asyncio(loop_scope="session"),
    pytest.mark.xdist_group("by-webhook"),
    pytest.mark.kafka,
    pytest.mark.postgres,
]

IDS = itertools.count(900_001)
"""Ids of orders that the shop does not have."""


async def an_order(tenant: Tenant, **changes: Any) -> dict[str, Any]:
    """A readable order of one loaf, as the store would send it, under an id of its own."""
    shown = await tenant.sell()
    body, _ = (await tenant.delivered(shown["id"]))[-1]
    order_id = next(IDS)
    read: dict[str, Any] = json.loads(body)
    return read | {"id": order_id, "number": str(order_id)} | changes


async def raw_events(tenant: Tenant) -> int:
    """How many webhooks are on the raw topics."""
    topics = (tenant.topics.raw_orders, tenant.topics.raw_reference)
    return sum([event.type == RAW_WEBHOOK for topic in topics for event in await tenant.log(topic)])


async def next_one_goes_through(tenant: Tenant) -> None:
    order = await tenant.sell()
    await tenant.booked(order["id"], {"IN": "3.33"})


DEAD = {
    "nothing": (b"", "order.updated", "not JSON"),
    "half an order": (b'{"id":900,"status":"proc', "order.updated", "not JSON"),
    "invalid UTF-8": (b'{"id":900,"customer_note":"\xff\xfe"}', "order.updated", "UTF-8"),
    "a list": (b'[{"id":900}]', "order.updated", "no JSON object"),
    "a text": (b'"order 900"', "order.updated", "no JSON object"),
    "an id that is no number": (b'{"id":"900","status":"processing"}', "order.updated", "no whole number as id"),
    "NaN": (b'{"id":900,"total":NaN}', "order.updated", "NaN"),
    "nested too deeply": (b'{"id":900,"a":' + b"[" * 5000 + b"]" * 5000 + b"}", "order.updated", "deep"),
    "an unknown topic": (b'{"id":900,"status":"processing"}', "shipment.created", "not about orders"),
    "an error of the store": (
        b'{"code":"woocommerce_rest_cannot_view","message":"Sorry","data":{"status":401}}',
        "order.updated",
        "the store sent its error",
    ),
}


@pytest.mark.parametrize(("body", "topic", "reason"), DEAD.values(), ids=DEAD.keys())
async def test_what_is_signed_and_no_order_is_a_dead_letter_with_its_reason(
    tenant_by_webhook: Tenant, body: bytes, topic: str, reason: str
) -> None:
    tenant = tenant_by_webhook
    before = await tenant.log(tenant.topics.dead_letter)
    assert await tenant.hear(body, topic=topic) == 200
    await tenant.at_rest()
    (letter,) = [each for each in await tenant.log(tenant.topics.dead_letter) if each not in before]
    assert letter.data == body, "kept as it came"
    assert reason in letter.extensions["reason"]
    assert letter.extensions["deadtopic"] == tenant.topics.raw_orders
    await next_one_goes_through(tenant)


HELD: dict[str, tuple[dict[str, Any], str]] = {
    "a total that is no number": ({"total": "NaN"}, "bad_data"),
    "an infinite total": ({"total": "1e400"}, "bad_data"),
    "no currency": ({"currency": None}, "bad_data"),
    "lines of the wrong shape": ({"line_items": {"0": "one loaf"}}, "bad_data"),
    "a total that its lines do not make": ({"total": "33.30"}, "does_not_balance"),
    "a status that nobody listed": ({"status": "wc-partially-shipped"}, "status_unknown"),
}


@pytest.mark.parametrize(("changes", "reason"), HELD.values(), ids=HELD.keys())
async def test_an_order_that_cannot_be_read_is_held_with_its_reason(
    tenant_by_webhook: Tenant, changes: dict[str, Any], reason: str
) -> None:
    tenant = tenant_by_webhook
    order = await an_order(tenant, **changes)
    assert await tenant.hear(json.dumps(order).encode()) == 200
    await tenant.is_held(order["id"], {"invoice": reason})
    assert await tenant.books(order["id"]) == {}
    await next_one_goes_through(tenant)


async def test_a_number_beyond_all_floats_is_held(tenant_by_webhook: Tenant) -> None:
    tenant = tenant_by_webhook
    order = await an_order(tenant, total="beyond")
    assert await tenant.hear(json.dumps(order).replace('"beyond"', "1e400").encode()) == 200
    await tenant.is_held(order["id"], {"invoice": "bad_data"})
    assert await tenant.books(order["id"]) == {}
    await next_one_goes_through(tenant)


async def test_an_order_of_ten_thousand_lines_that_do_not_make_its_total_is_held(tenant_by_webhook: Tenant) -> None:
    tenant = tenant_by_webhook
    order = await an_order(tenant)
    (loaf,) = order["line_items"]
    kept = ("name", "product_id", "quantity", "tax_class", "subtotal_tax", "total_tax", "taxes", "sku", "meta_data")
    one = {name: loaf[name] for name in kept} | {"total": "0.01", "subtotal": "0.01"}
    order |= {"line_items": [{"id": 50_000 + number} | one for number in range(10_000)], "total": "99.00"}
    assert await tenant.hear(json.dumps(order, separators=(",", ":")).encode()) == 200
    await tenant.is_held(order["id"], {"invoice": "does_not_balance"})
    await next_one_goes_through(tenant)


async def test_half_a_pair_of_surrogates_in_a_name_is_posted_all_the_same(tenant_by_webhook: Tenant) -> None:
    tenant = tenant_by_webhook
    order = await an_order(tenant)
    order["billing"]["last_name"] = "Love\ud83dlace"
    order["line_items"][0]["name"] = "Bre\udc00ad"
    assert await tenant.hear(json.dumps(order).encode()) == 200
    await tenant.booked(order["id"], {"IN": "3.33"})


async def test_a_webhook_with_another_secret_is_refused_and_leaves_nothing(tenant_by_webhook: Tenant) -> None:
    """R9: over the whole way; each kind of tampering in the gateway's own tests."""
    tenant = tenant_by_webhook
    body = json.dumps(await an_order(tenant)).encode()
    headers = await tenant.signed(body)
    before = await raw_events(tenant)
    flipped = body.replace(b'"processing"', b'"completed" ')
    assert await tenant.send(flipped, headers) == 401
    unsigned = {name: value for name, value in headers.items() if name != "X-WC-Webhook-Signature"}
    assert await tenant.send(body, unsigned) == 401
    assert await raw_events(tenant) == before
    await next_one_goes_through(tenant)


async def test_a_body_cut_off_on_the_wire_leaves_nothing(tenant_by_webhook: Tenant) -> None:
    tenant = tenant_by_webhook
    body = json.dumps(await an_order(tenant)).encode()
    headers = await tenant.signed(body)
    before = await raw_events(tenant)
    at = urlsplit(tenant.hook_url)
    reader, writer = await asyncio.open_connection(at.hostname, at.port)
    lines = [f"POST {at.path} HTTP/1.1", f"Host: {at.netloc}", f"Content-Length: {len(body)}"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    writer.write("\r\n".join(lines).encode() + b"\r\n\r\n" + body[: len(body) // 2])
    writer.write_eof()
    assert b"200" not in (await asyncio.wait_for(reader.read(), 15)).split(b"\r\n")[0]
    writer.close()
    assert await raw_events(tenant) == before
    await next_one_goes_through(tenant)


async def test_an_order_of_one_and_a_half_megabytes_passes(tenant_by_webhook: Tenant) -> None:
    tenant = tenant_by_webhook
    order = await tenant.sell(meta_data=[{"key": "_wishes", "value": "x" * 1_500_000}])
    await tenant.booked(order["id"], {"IN": "3.33"})


async def test_a_body_over_the_limit_is_refused_as_too_large(tenant_by_webhook: Tenant) -> None:
    tenant = tenant_by_webhook
    body = json.dumps(await an_order(tenant, customer_note="x" * 2_200_000)).encode()
    before = await raw_events(tenant)
    assert await tenant.hear(body) == 413
    assert await raw_events(tenant) == before
    await next_one_goes_through(tenant)


async def test_an_address_of_no_connection_is_unknown(tenant_by_webhook: Tenant) -> None:
    tenant = tenant_by_webhook
    body = json.dumps(await an_order(tenant)).encode()
    answer = await tenant.rig.http.post(f"{tenant.hook_url}s", content=body, headers=await tenant.signed(body))
    assert answer.status_code == 404
    assert (await tenant.rig.http.get(tenant.hook_url)).status_code == 405
