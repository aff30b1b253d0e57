"""The client against the sandbox store: what it says is checked on the store's own tables."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from pydantic import SecretStr

from mlc_common.clock import SystemClock
from mlc_common.errors import Retryable
from mlc_sandbox.server import serve
from mlc_sandbox.woocommerce.app import create_app
from mlc_sandbox.woocommerce.shopper import Shopper
from mlc_vendors.woocommerce.auth import AuthMode, WooCommerceCredentials
from mlc_vendors.woocommerce.client import WooCommerceClient
from mlc_vendors.woocommerce.errors import CredentialsRefused, NotFound, NotJson, StaleAnswer, StoreIll

pytestmark = pytest.mark.contract

KEYS = WooCommerceCredentials(consumer_key=SecretStr("ck_" + "a1" * 20), consumer_secret=SecretStr("cs_" + "b2" * 20))
READ_ONLY = WooCommerceCredentials(
    consumer_key=SecretStr("ck_" + "c3" * 20), consumer_secret=SecretStr("cs_" + "d4" * 20)
)
NOON = datetime(2026, 11, 20, 12, 0, 0, tzinfo=UTC)
HOOK = "http://127.0.0.1:9/hooks/shop"


class Stand:
    """A running store, people in it, and clients of it."""

    def __init__(self, app: Any, url: str, stack: AsyncExitStack) -> None:
        self.state = app.state
        self.url = url
        self.shopper = Shopper(app.state.shop)
        self._stack = stack

    async def client(self, credentials: WooCommerceCredentials = KEYS, **options: Any) -> WooCommerceClient:
        client = WooCommerceClient.open(
            self.url, credentials, clock=SystemClock(), allow_private=True, rate_per_s=None, **options
        )
        return await self._stack.enter_async_context(client)

    def order(self, **wish: Any) -> int:
        placed: int = self.shopper.place_order({"items": [{"sku": "MUG-BLUE", "quantity": 1}], **wish}).id
        return placed

    def touch(self, order_id: int) -> None:
        self.state.shop.orders.update(order_id, {})

    def at(self, instant: datetime) -> None:
        self.state.clock.freeze(instant)

    def fault(self, **fault: Any) -> None:
        self.state.faults.add(fault)

    @property
    def hooks(self) -> dict[int, Any]:
        found: dict[int, Any] = self.state.shop.queue.webhooks.by_id
        return found


Open = Callable[..., Any]


@pytest.fixture
async def open_store() -> AsyncIterator[Open]:
    async with AsyncExitStack() as stack:

        async def start(**config: Any) -> Stand:
            app = create_app(config)
            running = await stack.enter_async_context(serve(app))
            return Stand(app, running.url, stack)

        yield start


@pytest.fixture
async def stand(open_store: Open) -> Stand:
    stand: Stand = await open_store()
    return stand


async def test_an_order_is_read_with_the_bytes_that_a_webhook_would_carry(stand: Stand) -> None:
    order_id = stand.order()
    client = await stand.client()
    answer = await client.read_order(order_id)
    assert answer.order["id"] == order_id
    assert answer.raw.startswith(b'{"id":%d,"parent_id":0,"status":"processing"' % order_id)
    assert answer.raw.endswith(b"}}")


async def test_a_trashed_order_is_read_and_a_deleted_one_is_none(stand: Stand) -> None:
    order_id = stand.order()
    client = await stand.client()
    stand.state.shop.orders.trash(order_id)
    trashed = await client.get_order(order_id)
    assert trashed is not None
    assert trashed["status"] == "trash"
    stand.state.shop.orders.delete(order_id)
    assert await client.get_order(order_id) is None
    with pytest.raises(NotFound):
        await client.read_order(order_id)


@pytest.mark.parametrize("config", [{"scheme": "http"}, {"scheme": "http", "home_url": "http://www.shop.example"}])
async def test_a_store_that_sees_plain_http_is_read_by_oauth(open_store: Open, config: dict[str, Any]) -> None:
    """The second one calls itself by another name than we do, and signs with that."""
    stand = await open_store(**config)
    order_id = stand.order(customer_note="ä & b+c d~e")
    client = await stand.client()
    assert (await client.read_order(order_id)).order["id"] == order_id
    found = [order["id"] async for order in client.walk_orders(NOON, fields=("status",))]
    assert found == [order_id]
    assert client.auth_mode is AuthMode.OAUTH


async def test_a_clock_that_is_off_by_an_hour_does_not_lock_us_out(open_store: Open) -> None:
    stand = await open_store(scheme="http")
    stand.state.clock.advance(3600)
    order_id = stand.order()
    client = await stand.client()
    assert (await client.read_order(order_id)).order["id"] == order_id
    assert client.clock_skew_s == pytest.approx(3600, abs=5)


async def test_a_repeated_request_does_not_fail_by_its_nonce(open_store: Open) -> None:
    """The HTTP client sends a read again that was cut off after the store had seen it."""
    stand = await open_store(scheme="http")
    order_id = stand.order()
    stand.fault(kind="cut_after", path="/orders/", times=1)
    client = await stand.client()
    assert (await client.read_order(order_id)).order["id"] == order_id


async def test_a_wrong_secret_and_an_unknown_key_are_credentials_refused(stand: Stand) -> None:
    wrong = WooCommerceCredentials(consumer_key=KEYS.consumer_key, consumer_secret=SecretStr("cs_wrong"))
    unknown = WooCommerceCredentials(consumer_key=SecretStr("ck_unknown"), consumer_secret=SecretStr("cs_planted"))
    for credentials in (wrong, unknown):
        client = await stand.client(credentials)
        with pytest.raises(CredentialsRefused) as caught:
            await client.get_order(1)
        assert "cs_" not in str(caught.value)


async def test_a_key_that_may_only_read_cannot_register_webhooks(stand: Stand) -> None:
    client = await stand.client(READ_ONLY)
    assert await client.list_webhooks() == []
    with pytest.raises(CredentialsRefused, match="Read/Write"):
        await client.ensure_webhook("order.updated", HOOK, SecretStr("s"))


async def test_refunds_come_with_their_lines_and_all_of_them(stand: Stand) -> None:
    order_id = stand.order(items=[{"sku": "MUG-BLUE", "quantity": 5}])
    refunds = {stand.shopper.refund(order_id, {"amount": "0.01"}).id for _ in range(103)}
    by_line = stand.shopper.refund(order_id, {"lines": [{"index": 0, "quantity": 1}]}).id
    client = await stand.client()
    found = await client.refunds_of(order_id)
    assert [refund["id"] for refund in found] == sorted({*refunds, by_line})
    assert found[-1]["line_items"][0]["quantity"] == -1
    assert await client.refunds_of(99_999_999) == []


async def test_refunds_of_the_whole_store_name_their_orders(stand: Stand) -> None:
    stand.at(NOON)
    first = stand.order()
    stand.shopper.refund(first, {"amount": "1.00"})
    stand.at(NOON + timedelta(seconds=5))
    second = stand.order()
    late = stand.shopper.refund(second, {"amount": "1.00"}).id
    client = await stand.client()
    assert [refund["parent_id"] async for refund in client.list_refunds()] == [first, second]
    assert [refund["id"] async for refund in client.list_refunds(NOON)] == [late]


async def test_customers_and_products_are_read_and_those_gone_are_left_out(stand: Stand) -> None:
    shop = stand.state.shop
    customer = shop.customers.create({"email": "joan@example.test"}).id
    product = shop.products.create({"name": "A & Co", "sku": "AC", "regular_price": "1.00"}).id
    client = await stand.client()
    found = await client.get_customer(customer)
    assert found is not None
    assert found["email"] == "joan@example.test"
    assert await client.get_customer(99_999) is None
    listed = await client.get_products([product, 99_999, product])
    assert [(row["id"], row["name"], row["sku"]) for row in listed] == [(product, "A &amp; Co", "AC")]
    assert "categories" in listed[0]
    assert "description" not in listed[0]
    assert (await client.get_product(product) or {})["id"] == product
    shop.products.delete(product)
    assert await client.get_product(product) is None
    assert await client.get_products([]) == []


async def test_a_store_says_what_shapes_its_amounts_and_dates(open_store: Open) -> None:
    stand = await open_store(
        decimals=0, currency="JPY", prices_include_tax=True, timezone="Asia/Tokyo", wc_version="9.7.1"
    )
    facts = await (await stand.client()).store_facts()
    assert (facts.version, facts.currency, facts.decimals) == ("9.7.1", "JPY", 0)
    assert (facts.prices_include_tax, facts.time_zone, facts.gmt_offset) == (True, "Asia/Tokyo", 9)
    assert facts.home == stand.url
    assert facts.hpos is True
    assert facts.clock_skew_s == pytest.approx(0, abs=5)


async def test_webhooks_are_made_once_and_reused(stand: Stand) -> None:
    client = await stand.client()
    for topic in ("order.created", "order.updated"):
        assert await client.ensure_webhook(topic, HOOK, SecretStr("first"))
    assert not await client.ensure_webhook("order.updated", HOOK, SecretStr("first"))
    other = await stand.client()
    assert not await other.ensure_webhook("order.updated", HOOK, SecretStr("second"))
    assert sorted((hook.topic, hook.delivery_url, hook.secret) for hook in stand.hooks.values()) == [
        ("order.created", HOOK, "first"),
        ("order.updated", HOOK, "second"),
    ]


async def test_a_disabled_webhook_is_made_active_again_and_told(stand: Stand) -> None:
    client = await stand.client()
    await client.ensure_webhook("order.updated", HOOK, SecretStr("s"))
    (hook,) = stand.hooks.values()
    hook.status = "disabled"
    assert await client.ensure_webhook("order.updated", HOOK, SecretStr("s"))
    assert hook.status == "active"


async def test_of_twin_webhooks_one_is_left_and_those_of_others_stay(stand: Stand) -> None:
    client = await stand.client()
    await client.create_webhook("order.updated", HOOK, SecretStr("a"))
    twin = await client.create_webhook("order.updated", HOOK, SecretStr("b"))
    others = await client.create_webhook("order.updated", "https://other.example/h", SecretStr("c"))
    assert await client.ensure_webhook("order.updated", HOOK, SecretStr("a"))
    assert sorted(stand.hooks) == [twin.id - 1, others.id]
    assert not await client.ensure_webhook("order.updated", HOOK, SecretStr("a"))


async def test_a_webhook_whose_answer_was_lost_is_not_made_twice(stand: Stand) -> None:
    stand.fault(kind="cut_after", method="POST", path="/webhooks", times=1)
    client = await stand.client()
    assert await client.ensure_webhook("order.updated", HOOK, SecretStr("s"))
    assert len(stand.hooks) == 1


async def test_a_deleted_webhook_is_gone_and_deleting_it_again_does_no_harm(stand: Stand) -> None:
    client = await stand.client()
    made = await client.create_webhook("order.updated", HOOK, SecretStr("s"))
    assert await client.delete_webhook(made.id)
    assert not await client.delete_webhook(made.id)
    assert stand.hooks == {}
    with pytest.raises(NotFound):
        await client.update_webhook(made.id, status="active")


async def test_a_walk_of_many_pages_misses_no_order_that_is_touched_meanwhile(stand: Stand) -> None:
    """Page 1 is read, then orders of page 1 are touched: those of page 2 move up."""
    orders = []
    for second in range(30):
        stand.at(NOON + timedelta(seconds=second))
        orders.append(stand.order())
    stand.at(NOON + timedelta(hours=1))
    client = await stand.client(page_size=4)
    found: list[tuple[int, str]] = []
    async for order in client.walk_orders(NOON - timedelta(seconds=1), fields=("status",)):
        found.append((order["id"], order["date_modified_gmt"]))
        if len(found) in (4, 9, 17):
            stand.touch(orders[len(found) - 3])
    assert {order for order, _ in found} == set(orders)
    for touched in (orders[1], orders[6], orders[14]):
        assert (touched, "2026-11-20T13:00:00") in found


async def test_a_bulk_edit_within_one_second_is_walked_whole(stand: Stand) -> None:
    stand.at(NOON)
    orders = {stand.order() for _ in range(23)}
    stand.at(NOON + timedelta(minutes=5))
    client = await stand.client(page_size=5)
    walk = client.walk_orders(NOON, overlap_s=1)
    assert {order["id"] async for order in walk} == orders
    assert walk.read_until == NOON


async def test_a_walk_begins_where_the_last_one_ended(stand: Stand) -> None:
    stand.at(NOON)
    first = stand.order()
    client = await stand.client()
    stand.at(NOON + timedelta(minutes=1))
    walk = client.walk_orders(NOON - timedelta(hours=1))
    assert [order["id"] async for order in walk] == [first]
    second = stand.order()
    stand.at(NOON + timedelta(minutes=2))
    after = client.walk_orders(walk.read_until)
    assert [order["id"] async for order in after] == [second]
    assert after.read_until == NOON + timedelta(minutes=1)


async def test_trashed_orders_are_walked_when_asked_for(stand: Stand) -> None:
    kept, trashed = stand.order(), stand.order()
    stand.state.shop.orders.trash(trashed)
    client = await stand.client()
    assert {order["id"] async for order in client.walk_orders(NOON)} == {kept}
    assert {order["id"] async for order in client.walk_orders(NOON, trash=True)} == {kept, trashed}


async def test_a_walk_goes_by_utc_wherever_the_store_is(open_store: Open) -> None:
    for zone in ("Pacific/Kiritimati", "Pacific/Pago_Pago"):
        stand = await open_store(timezone=zone)
        stand.at(NOON)
        stand.order()
        stand.at(NOON + timedelta(seconds=2))
        late = stand.order()
        client = await stand.client()
        found = [order["id"] async for order in client.walk_orders(NOON + timedelta(seconds=1))]
        assert found == [late]


async def test_a_store_in_trouble_is_tried_again_and_then_left_for_later(stand: Stand) -> None:
    order_id = stand.order()
    client = await stand.client()
    stand.fault(kind="status", path="/orders/", status=503, body="<html>maintenance</html>", times=2)
    assert (await client.read_order(order_id)).order["id"] == order_id
    stand.fault(kind="status", path="/orders/", status=503, headers={"Retry-After": "3600"}, times=-1)
    with pytest.raises(StoreIll) as caught:
        await client.get_order(order_id)
    assert caught.value.after == 3600


async def test_a_login_page_instead_of_json_is_tried_again(stand: Stand) -> None:
    order_id = stand.order()
    client = await stand.client()
    stand.fault(kind="replace_body", path="/orders/", body="<html>Log In</html>", times=1)
    assert (await client.read_order(order_id)).order["id"] == order_id


async def test_php_notices_before_the_json_are_a_failure_that_passes(stand: Stand) -> None:
    order_id = stand.order()
    client = await stand.client()
    stand.fault(kind="replace_body", path="/orders/", prefix="<br />\n<b>Notice</b>:  x<br />\n", times=-1)
    with pytest.raises(NotJson, match="WP_DEBUG_DISPLAY"):
        await client.get_order(order_id)


async def test_a_page_cache_cannot_serve_an_old_order(stand: Stand) -> None:
    """It keys on the whole address, and ours is another one each time."""
    order_id = stand.order()
    client = await stand.client()
    stand.fault(kind="stale_get", path="/orders/", times=-1)
    before = await client.read_order(order_id)
    stand.state.shop.orders.update(order_id, {"status": "completed"})
    after = await client.read_order(order_id)
    assert (before.order["status"], after.order["status"]) == ("processing", "completed")


async def test_a_copy_from_a_cache_that_ignores_the_query_is_noticed(stand: Stand) -> None:
    order_id = stand.order()
    client = await stand.client()
    await client.read_order(order_id)
    stand.fault(kind="status", path="/orders/", status=200, body='{"id":1}', headers={"Age": "4000"}, times=-1)
    with pytest.raises(StaleAnswer) as caught:
        await client.get_order(order_id)
    assert isinstance(caught.value, Retryable)
