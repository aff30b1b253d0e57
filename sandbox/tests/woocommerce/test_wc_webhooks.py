"""Webhooks over real connections: bytes, pings, the failure counter, the queue, and what goes wrong on purpose."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import json
from datetime import UTC, datetime

import pytest

from .conftest import Market
from .wc_captured import load

MUG = {"items": [{"sku": "MUG-BLUE", "quantity": 2}]}


def captured_headers() -> list[list[str]]:
    headers: list[list[str]] = load("deliveries", "order-guest-paid-created")["deliveries"][0]["headers"]
    return headers


def stock(quantity: int) -> dict[str, int]:
    return {"stock_quantity": quantity}


async def mug(market: Market) -> int:
    return int(market.app.state.store.skus["MUG-BLUE"])


async def test_a_delivery_has_the_bytes_of_the_rest_answer_and_the_captured_headers(market: Market) -> None:
    await market.hook("order.updated")
    order = await market.act("orders", {"items": [{"sku": "ÜN-ß/1", "quantity": 1}]})
    await market.act("queue/run")
    (got,) = market.receiver.deliveries()
    assert got.body == (await market.rest("GET", f"orders/{order['id']}")).content
    assert b"\\/" in got.body
    assert b"\\u00dc" in got.body
    assert [name.lower() for name, _ in got.headers] == [name.lower() for name, _ in captured_headers()]
    signature = base64.b64encode(hmac.new(b"s3cret", got.body, hashlib.sha256).digest()).decode()
    assert got.header("X-WC-Webhook-Signature") == signature
    assert got.header("User-Agent") == "WooCommerce/11.0.1 Hookshot (WordPress/7.1)"
    assert got.header("X-WC-Webhook-Source") == f"{market.url}/"


async def test_a_storefront_order_queues_updated_before_created_and_a_rest_order_the_other_way(market: Market) -> None:
    for topic in ("order.created", "order.updated"):
        await market.hook(topic, f"/{topic}")
    await market.act("orders", MUG)
    await market.act("queue/run")
    await market.told("POST", "orders", {"line_items": [{"sku": "MUG-BLUE"}]})
    await market.act("queue/run")
    paths = [got.path for got in market.receiver.deliveries()]
    assert paths == ["/order.updated", "/order.created", "/order.created", "/order.updated"]


async def test_changes_coalesce_into_one_delivery_with_the_last_state(market: Market) -> None:
    order = await market.act("orders", {**MUG, "status": "pending"})
    await market.hook("order.updated")
    for status in ("on-hold", "processing", "completed"):
        await market.told("PUT", f"orders/{order['id']}", {"status": status})
    assert await market.act("queue/run") == {"run": 1, "pending": 0}
    (got,) = market.receiver.deliveries()
    assert json.loads(got.body)["status"] == "completed"


async def test_a_change_while_its_delivery_is_on_the_wire_queues_a_new_one(market: Market) -> None:
    order = await market.act("orders", {**MUG, "status": "pending"})
    await market.hook("order.updated")
    market.receiver.hold = asyncio.Event()
    await market.act(f"orders/{order['id']}/status", {"status": "on-hold"})
    running = asyncio.create_task(market.act("queue/run"))
    while not market.receiver.deliveries():
        await asyncio.sleep(0.005)
    await market.act(f"orders/{order['id']}/status", {"status": "processing"})
    market.receiver.hold.set()
    assert (await running)["run"] == 2
    assert [json.loads(got.body)["status"] for got in market.receiver.deliveries()] == ["on-hold", "processing"]


async def test_nothing_is_sent_without_a_queue_run(market: Market) -> None:
    await market.hook("order.updated")
    await market.act("orders", MUG)
    assert [job["topic"] for job in await market.act("queue", method="GET")] == ["order.updated"]
    assert market.receiver.deliveries() == []


async def test_an_order_deleted_before_its_delivery_leaves_a_signed_error_object(market: Market) -> None:
    await market.hook("order.updated")
    order = await market.act("orders", MUG)
    await market.act(f"orders/{order['id']}", method="DELETE")
    await market.act("queue/run")
    (got,) = market.receiver.deliveries()
    assert got.header("X-WC-Webhook-Topic") == "order.updated"
    assert got.body == (
        b'{"code":"woocommerce_rest_shop_order_invalid_id","message":"Invalid ID.","data":{"status":404}}'
    )


@pytest.mark.parametrize(("state", "status"), [("demoted", 403), ("deleted", 401)])
async def test_a_webhook_of_a_user_without_rights_delivers_error_objects(
    market: Market, state: str, status: int
) -> None:
    await market.hook("order.updated")
    await market.act("users/1", {"state": state})
    await market.act("orders", MUG)
    await market.act("queue/run")
    (got,) = market.receiver.deliveries()
    body = json.loads(got.body)
    assert (body["code"], body["data"]["status"]) == ("woocommerce_rest_cannot_view", status)


async def test_deleted_and_action_topics_have_bodies_of_their_own(market: Market) -> None:
    await market.hook("order.deleted", "/deleted")
    await market.hook("action.woocommerce_order_refunded", "/action")
    order = await market.act("orders", MUG)
    await market.act(f"orders/{order['id']}/refunds", {"amount": "1.00"})
    await market.act(f"orders/{order['id']}/trash")
    await market.act("queue/run")
    bodies = {got.path: got.body for got in market.receiver.deliveries()}
    assert bodies == {
        "/deleted": b'{"id":%d}' % order["id"],
        "/action": b'{"action":"woocommerce_order_refunded","arg":%d}' % order["id"],
    }
    (action,) = market.receiver.deliveries("/action")
    assert action.header("X-WC-Webhook-Resource") == "action"


async def test_the_ping_comes_before_the_answer_without_signature(market: Market) -> None:
    webhook_id = await market.hook("order.updated")
    (ping,) = market.receiver.pings()
    assert ping.body == b"webhook_id=%d" % webhook_id
    assert ping.header("Content-Type") == "application/x-www-form-urlencoded"
    assert [name for name, _ in ping.headers if name.lower().startswith("x-wc")] == []


async def test_a_ping_answered_202_is_sent_again_after_every_delivery(market: Market) -> None:
    market.receiver.statuses["/hook"] = 202
    webhook_id = await market.hook("product.updated")
    for quantity in (1, 2):
        await market.told("PUT", f"products/{await mug(market)}", stock(quantity))
        await market.act("queue/run")
    assert [got.is_ping for got in market.receiver.got] == [True, False, True, False, True]
    state = await market.state(webhook_id)
    assert (state["failures"], state["owes_ping"], state["status"]) == (0, True, "active")


async def test_a_new_url_is_pinged_and_a_redirected_ping_is_followed_as_a_get(market: Market) -> None:
    market.receiver.statuses["/moved"] = 302
    webhook_id = await market.hook("order.updated")
    await market.told("PUT", f"webhooks/{webhook_id}", {"delivery_url": f"{market.receiver.url}/moved"})
    asked = [(got.method, got.path) for got in market.receiver.got]
    assert asked == [("POST", "/hook"), ("POST", "/moved"), ("GET", "/elsewhere")]
    assert (await market.state(webhook_id))["owes_ping"] is False


async def test_the_seventh_failure_in_a_row_disables_and_reactivation_keeps_the_counter(market: Market) -> None:
    webhook_id = await market.hook("product.updated")
    market.receiver.statuses["/hook"] = 500
    seen = []

    async def change(quantity: int) -> None:
        await market.told("PUT", f"products/{await mug(market)}", stock(quantity))
        await market.act("queue/run")
        state = await market.state(webhook_id)
        seen.append((state["status"], state["failures"]))

    for quantity in range(9):
        await change(quantity)
    assert seen == [*(("active", count) for count in range(1, 7)), *[("disabled", 6)] * 3]
    assert len(market.receiver.deliveries()) == 7
    await market.told("PUT", f"webhooks/{webhook_id}", {"status": "active"})
    await change(50)
    assert seen[-1] == ("disabled", 6)
    await market.told("PUT", f"webhooks/{webhook_id}", {"status": "active"})
    market.receiver.statuses.clear()
    await change(51)
    assert seen[-1] == ("active", 0)


@pytest.mark.parametrize(
    ("status", "failures"), [(204, 0), (301, 0), (302, 0), (303, 1), (307, 1), (304, 1), (404, 1), (500, 1)]
)
async def test_200_to_302_count_as_delivered_and_no_redirect_is_followed(
    market: Market, status: int, failures: int
) -> None:
    webhook_id = await market.hook("product.updated")
    market.receiver.statuses["/hook"] = status
    await market.told("PUT", f"products/{await mug(market)}", stock(5))
    await market.act("queue/run")
    assert (await market.state(webhook_id))["failures"] == failures
    assert [got.path for got in market.receiver.deliveries()] == ["/hook"]


async def test_a_receiver_that_does_not_answer_in_time_counts_as_failed(market: Market) -> None:
    webhook_id = await market.hook("order.updated")
    await market.act("settings", {"delivery_timeout": 0.1})
    market.receiver.hold = asyncio.Event()
    await market.act("orders", MUG)
    await market.act("queue/run")
    market.receiver.hold.set()
    assert (await market.state(webhook_id))["failures"] == 1
    sent = [one for one in await market.act("deliveries", method="GET") if one["kind"] == "delivery"]
    assert [(one["answered"], one["error"]) for one in sent] == [(None, "no answer within 0.1 s")]


@pytest.mark.parametrize("answer", [b"", b"HTTP/1.1 nonsense\r\n\r\n", b"HTTP/1.1 200 OK\r\nX-Half: "])
async def test_a_receiver_that_breaks_off_or_babbles_counts_as_failed(market: Market, answer: bytes) -> None:
    async def babble(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(answer)
        writer.close()

    server = await asyncio.start_server(babble, "127.0.0.1", 0)
    async with server:
        webhook_id = await market.hook("order.updated")
        port = server.sockets[0].getsockname()[1]
        await market.told("PUT", f"webhooks/{webhook_id}", {"delivery_url": f"http://127.0.0.1:{port}/"})
        await market.act("orders", MUG)
        await market.act("queue/run")
    await market.act("orders", MUG)
    await market.act("queue/run")  # and now nobody listens at all
    assert (await market.state(webhook_id))["failures"] == 2


async def test_a_chunked_answer_and_one_after_a_continue_count_as_delivered(market: Market) -> None:
    answers = [
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n",
        b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 204 No Content\r\n\r\n",
    ]

    async def speak(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(answers[len(asked) % 2])
        asked.append(1)
        writer.close()

    asked: list[int] = []
    webhook_id = await market.hook("order.updated")
    server = await asyncio.start_server(speak, "127.0.0.1", 0)
    async with server:
        port = server.sockets[0].getsockname()[1]
        await market.told("PUT", f"webhooks/{webhook_id}", {"delivery_url": f"http://127.0.0.1:{port}/"})
        for _ in range(2):
            await market.act("orders", MUG)
            await market.act("queue/run")
    answered = [one["answered"] for one in await market.act("deliveries", method="GET") if one["kind"] == "delivery"]
    assert sorted(answered) == [200, 204]
    assert (await market.state(webhook_id))["failures"] == 0


async def test_paused_after_queueing_still_delivers_and_deleted_does_not(market: Market) -> None:
    paused, deleted = await market.hook("order.updated", "/paused"), await market.hook("order.updated", "/deleted")
    await market.act("orders", MUG)
    await market.told("PUT", f"webhooks/{paused}", {"status": "paused"})
    await market.told("DELETE", f"webhooks/{deleted}?force=true")
    await market.act("queue/run")
    await market.act("orders", MUG)
    await market.act("queue/run")
    assert [got.path for got in market.receiver.deliveries()] == ["/paused"]


async def test_twin_webhooks_deliver_twice_with_the_same_signature_the_newest_first(market: Market) -> None:
    first, second = await market.hook("order.created"), await market.hook("order.created")
    await market.act("orders", MUG)
    await market.act("queue/run")
    got = market.receiver.deliveries()
    assert [int(one.header("X-WC-Webhook-ID") or 0) for one in got] == [second, first]
    assert len({one.header("X-WC-Webhook-Signature") for one in got}) == 1


async def test_the_delivery_id_is_the_same_for_two_orders_in_one_second(market: Market) -> None:
    market.app.state.clock.freeze(datetime(2026, 11, 21, tzinfo=UTC))
    await market.hook("order.created")
    for _ in range(2):
        await market.act("orders", MUG)
    await market.act("queue/run")
    market.app.state.clock.advance(1)
    await market.act("orders", MUG)
    await market.act("queue/run")
    ids = [one.header("X-WC-Webhook-Delivery-ID") for one in market.receiver.deliveries()]
    assert (ids[0] == ids[1], ids[1] == ids[2], len(ids[0] or "")) == (True, False, 32)


@pytest.mark.parametrize(
    ("given", "key"), [("a&amp;b", b"a&b"), ("  spaced  ", b"  spaced  "), ("quote\"'<x>", b"quote\"'<x>")]
)
async def test_odd_secrets_sign_with_their_entities_decoded(market: Market, given: str, key: bytes) -> None:
    await market.hook("order.updated", secret=given)
    await market.act("orders", MUG)
    await market.act("queue/run")
    (got,) = market.receiver.deliveries()
    wanted = base64.b64encode(hmac.new(key, got.body, hashlib.sha256).digest()).decode()
    assert got.header("X-WC-Webhook-Signature") == wanted


async def test_dropped_deliveries_are_lost_for_good_and_counted_as_nothing(market: Market) -> None:
    webhook_id = await market.hook("order.updated")
    await market.act("queue/drop", {"count": 1})
    await market.act("orders", MUG)
    await market.act("orders", MUG)
    await market.act("queue/run")
    assert len(market.receiver.deliveries()) == 1
    kinds = [one["kind"] for one in (await market.act("dump", method="GET"))["deliveries"]]
    assert kinds == ["ping", "dropped", "delivery"]
    assert (await market.state(webhook_id))["failures"] == 0


async def test_deliveries_can_be_doubled_and_reordered(market: Market) -> None:
    await market.hook("order.updated")
    await market.act("queue/duplicate", {"count": 1, "topic": "order.updated"})
    orders = [(await market.act("orders", MUG))["id"] for _ in range(3)]
    await market.act("queue/reorder", {"order": "reverse"})
    await market.act("queue/run")
    sent = [json.loads(got.body)["id"] for got in market.receiver.deliveries()]
    assert sent == [orders[2], orders[2], orders[1], orders[0]]


async def test_with_auto_run_deliveries_go_out_by_themselves(market: Market) -> None:
    await market.act("settings", {"auto_run": True})
    await market.hook("order.updated")
    order = await market.act("orders", MUG)
    assert await market.act("queue/settle") == {"settle": 2, "pending": 0}
    assert [json.loads(got.body)["id"] for got in market.receiver.deliveries()] == [order["id"]]


async def test_unsafe_addresses_fail_at_once_where_the_store_refuses_them(market: Market) -> None:
    await market.act("settings", {"refuse_unsafe_urls": True, "home_url": "https://shop.example"})
    webhook_id = await market.hook("order.updated")
    await market.act("orders", MUG)
    await market.act("queue/run")
    assert market.receiver.got == []
    assert (await market.state(webhook_id))["failures"] == 1


async def test_silent_acts_send_nothing(market: Market) -> None:
    order = await market.act("orders", {**MUG, "customer": "grace@example.test"})
    refund = await market.act(f"orders/{order['id']}/refunds", {"amount": "1.00"})
    for topic in ("order.updated", "order.deleted", "order.restored", "product.updated", "product.deleted"):
        await market.hook(topic)
    before = await market.told("GET", f"orders/{order['id']}")
    await market.told("POST", f"orders/{order['id']}/notes", {"note": "posted"})
    await market.act(f"orders/{order['id']}/refunds/{refund['id']}", method="DELETE")
    await market.act(f"customers/{before['customer_id']}", method="DELETE")
    await market.act(f"products/{before['line_items'][0]['product_id']}", method="DELETE")
    assert await market.act("queue", method="GET") == []
    after = await market.told("GET", f"orders/{order['id']}")
    assert after["date_modified_gmt"] == before["date_modified_gmt"]
    assert (after["refunds"], after["customer_id"], after["line_items"][0]["product_id"]) == ([], 0, 0)
    assert after["line_items"][0]["sku"] is None
    await market.act(f"orders/{order['id']}/trash")
    await market.act("queue/run")
    market.receiver.got.clear()
    await market.told("PUT", f"orders/{order['id']}", {"status": "processing"})
    assert await market.act("queue/run") == {"run": 0, "pending": 0}
    await market.told("DELETE", f"orders/{order['id']}?force=true")
    assert await market.act("queue/run") == {"run": 0, "pending": 0}
