"""Orders by creation and by id, against the sandbox store."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from pydantic import SecretStr

from mlc_common.clock import SystemClock
from mlc_sandbox.server import serve
from mlc_sandbox.woocommerce.app import create_app
from mlc_sandbox.woocommerce.shopper import Shopper
from mlc_vendors.woocommerce.auth import WooCommerceCredentials
from mlc_vendors.woocommerce.client import WooCommerceClient

pytestmark = pytest.mark.contract

KEYS = WooCommerceCredentials(consumer_key=SecretStr("ck_" + "a1" * 20), consumer_secret=SecretStr("cs_" + "b2" * 20))
START = datetime(2026, 11, 20, 5, 0, 0, tzinfo=UTC)
"""Midnight in New York, where the store is."""
DAY = timedelta(days=1)


class Store:
    """A running store, its shopper and a client that reads three orders a page."""

    def __init__(self, app: Any, client: WooCommerceClient) -> None:
        self.state = app.state
        self.shopper = Shopper(app.state.shop)
        self.client = client

    def order(self, at: datetime) -> int:
        self.state.clock.freeze(at)
        placed: int = self.shopper.place_order({"items": [{"sku": "MUG-BLUE", "quantity": 1}]}).id
        return placed


@pytest.fixture
async def store() -> AsyncIterator[Store]:
    app = create_app({})
    async with (
        serve(app) as running,
        WooCommerceClient.open(
            running.url, KEYS, clock=SystemClock(), allow_private=True, rate_per_s=None, page_size=3
        ) as client,
    ):
        yield Store(app, client)


async def ids(orders: AsyncIterator[dict[str, Any]]) -> list[int]:
    return sorted([order["id"] async for order in orders])


async def test_a_period_has_its_first_second_and_not_that_of_the_next(store: Store) -> None:
    store.order(START - timedelta(seconds=1))
    inside = [store.order(START + offset) for offset in (timedelta(0), timedelta(hours=3), DAY - timedelta(seconds=1))]
    inside += [store.order(START + timedelta(hours=hour)) for hour in range(4, 10)]
    store.order(START + DAY)
    assert await ids(store.client.orders_created(START, START + DAY)) == sorted(inside)


async def test_a_trashed_order_is_listed_and_a_deleted_one_is_not(store: Store) -> None:
    kept, trashed, deleted = (store.order(START + timedelta(hours=hour)) for hour in range(3))
    store.state.shop.orders.trash(trashed)
    store.state.shop.orders.delete(deleted)
    found = [order async for order in store.client.orders_created(START, START + DAY)]
    assert {order["id"]: order["status"] for order in found} == {kept: "processing", trashed: "trash"}


async def test_older_orders_come_if_they_were_changed_since(store: Store) -> None:
    old, untouched = store.order(START - 3 * DAY), store.order(START - 2 * DAY)
    store.order(START + timedelta(hours=1))
    store.state.clock.freeze(START)
    store.state.shop.orders.update(old, {})
    assert await ids(store.client.orders_changed(START, START)) == [old]
    assert untouched not in await ids(store.client.orders_changed(START, START))


async def test_orders_are_read_by_id_more_than_a_page_of_them(store: Store) -> None:
    placed = [store.order(START + timedelta(hours=hour)) for hour in range(8)]
    store.state.shop.orders.trash(placed[0])
    found = await store.client.orders_by_id([*placed, 99_999])
    assert sorted(order["id"] for order in found) == placed[1:]


async def test_refunds_of_a_period_name_their_orders(store: Store) -> None:
    first, second = store.order(START - 9 * DAY), store.order(START - 8 * DAY)
    store.state.clock.freeze(START)
    store.shopper.refund(first, {"amount": "1.00"})
    store.state.clock.freeze(START + DAY)
    store.shopper.refund(second, {"amount": "1.00"})
    found = [refund async for refund in store.client.refunds_created(START, START + DAY)]
    assert [refund["parent_id"] for refund in found] == [first]
