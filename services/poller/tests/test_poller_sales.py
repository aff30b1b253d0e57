"""Orders of a WooCommerce store as facts: amounts as it says them, and nothing that cannot be read is left out."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from pydantic import SecretStr

from mlc_common.clock import SystemClock
from mlc_poller.sales import WooCommerceSales, fact_of
from mlc_sandbox.server import serve
from mlc_sandbox.woocommerce.app import create_app
from mlc_sandbox.woocommerce.shopper import Shopper
from mlc_vendors.woocommerce.auth import WooCommerceCredentials
from mlc_vendors.woocommerce.client import WooCommerceClient

KEYS = WooCommerceCredentials(consumer_key=SecretStr("ck_" + "a1" * 20), consumer_secret=SecretStr("cs_" + "b2" * 20))
START = datetime(2026, 11, 20, 5, tzinfo=UTC)
DAY = timedelta(days=1)


class Store:
    """A running store, its shopper, and its sales as facts."""

    def __init__(self, app: Any, client: WooCommerceClient) -> None:
        self.state = app.state
        self.shopper = Shopper(app.state.shop)
        self.sales = WooCommerceSales(client)

    def order(self, at: datetime = START, **wish: Any) -> int:
        self.state.clock.freeze(at)
        placed: int = self.shopper.place_order({"items": [{"sku": "DONATION", "quantity": 1}], **wish}).id
        return placed


@pytest.fixture
async def store() -> AsyncIterator[Store]:
    app = create_app({})
    async with (
        serve(app) as running,
        WooCommerceClient.open(running.url, KEYS, clock=SystemClock(), allow_private=True, rate_per_s=None) as client,
    ):
        yield Store(app, client)


async def test_an_order_tells_its_total_its_payment_and_its_refunds(store: Store) -> None:
    order = store.order()
    refund = store.shopper.refund(order, {"amount": "10.00"}).id
    (sale,) = [one async for one in store.sales.created(START, START + DAY)]
    assert (sale.id, sale.currency, sale.total, sale.paid_at) == (str(order), "USD", Decimal("25.00"), START)
    assert [(one.id, one.amount, one.created) for one in sale.refunds] == [(str(refund), Decimal("10.00"), None)]
    whole = await store.sales.with_refunds(sale)
    assert [one.created for one in whole.refunds] == [START]
    assert [one["id"] for one in whole.record["refunds"]] == [refund]


async def test_an_unpaid_order_has_no_payment(store: Store) -> None:
    store.order(status="on-hold", set_paid=False)
    (sale,) = [one async for one in store.sales.created(START, START + DAY)]
    assert (sale.status, sale.paid_at) == ("on-hold", None)


async def test_a_trashed_order_is_found_by_its_id_and_a_deleted_one_and_a_draft_are_not(store: Store) -> None:
    kept, trashed, deleted, draft = (store.order(START + timedelta(hours=hour)) for hour in range(4))
    store.state.shop.orders.trash(trashed)
    store.state.shop.orders.delete(deleted)
    store.state.shop.orders.update(draft, {"status": "checkout-draft"})
    found = await store.sales.by_id([str(order) for order in (kept, trashed, deleted, draft)])
    assert {order: sale.status for order, sale in found.items()} == {str(kept): "processing", str(trashed): "trash"}


async def test_the_orders_that_were_refunded_in_a_period_are_told(store: Store) -> None:
    orders = [store.order(START - 5 * DAY), store.order(START - 5 * DAY)]
    for order, at in zip(orders, (START, START + DAY), strict=True):
        store.state.clock.freeze(at)
        store.shopper.refund(order, {"amount": "1.00"})
    assert await store.sales.refunded(START, START + DAY) == {str(orders[0])}
    changed = {sale.id async for sale in store.sales.changed(START, START)}
    assert changed == {str(order) for order in orders}


@pytest.mark.parametrize(
    "order",
    [
        {"id": 17, "total": "NaN"},
        {"id": 17, "total": None},
        {"id": 17, "total": "1e400"},
        {"id": 17, "total": "5.00", "refunds": [{"id": 25}]},
        {"id": 17, "total": "5.00", "refunds": ["25"]},
        {"id": 17, "total": "5.00", "refunds": 25},
    ],
)
def test_an_order_whose_amounts_cannot_be_read_is_a_fact_with_a_defect(order: dict[str, Any]) -> None:
    sale = fact_of(order)
    assert (sale.id, bool(sale.defect)) == ("17", True)


def test_odd_dates_do_not_hide_an_order() -> None:
    for odd in ("yesterday", 5, "0001-01-01T00:00:00", "9999-12-31T23:59:59"):
        sale = fact_of({"id": 17, "total": "5.00", "date_created_gmt": odd, "date_paid_gmt": odd})
        assert (sale.total, sale.paid_at, sale.created.year, sale.defect) == (Decimal("5.00"), None, 1970, "")
