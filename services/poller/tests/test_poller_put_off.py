"""One order that cannot be read keeps nobody else's from being read, and is read when it can be."""

from __future__ import annotations

from collections.abc import AsyncIterator
from decimal import Decimal
from typing import Any, cast

import pytest
from pydantic import SecretStr

from mlc_common.clock import Clock, FixedClock, SystemClock
from mlc_common.errors import ConfigurationError, ConnectorError, Rejected, Retryable, Undecodable
from mlc_common.events import Topics
from mlc_common.store.pool import Pool, connect
from mlc_common.telemetry import MetricsRegistry
from mlc_poller import store
from mlc_poller.fetches import answer_due
from mlc_poller.orders import OrderPoll
from mlc_poller.snapshots import Snapshots
from mlc_sandbox.server import serve
from mlc_sandbox.woocommerce.app import create_app
from mlc_sandbox.woocommerce.shopper import Shopper
from mlc_vendors.woocommerce.auth import WooCommerceCredentials
from mlc_vendors.woocommerce.client import WooCommerceClient

from .shelves import DAY, NOON, STORE, Json, Log, Shelf, order_of

pytestmark = pytest.mark.postgres

TOPICS = Topics("acme")
KEYS = WooCommerceCredentials(consumer_key=SecretStr("ck_" + "a1" * 20), consumer_secret=SecretStr("cs_" + "b2" * 20))
BOTH = frozenset({"customer", "products"})


class Poller:
    """The poller of one store: its walks, and the answers to what waits to be fetched."""

    def __init__(self, pool: Pool, client: Any, clock: Clock) -> None:
        self.pool, self.log = pool, Log()
        self.snapshots = Snapshots(
            client, cast(Any, self.log), TOPICS, STORE, clock, metrics=MetricsRegistry(), needs=BOTH
        )
        self.poll = OrderPoll(
            pool, client, self.snapshots, TOPICS, STORE, clock, flows={"web": (clock.now() - DAY).date()}
        )

    async def waiting(self) -> list[str]:
        return [fetch.order_id for fetch in await store.due(self.pool, STORE, 10)]


@pytest.fixture
async def pool(database: str) -> AsyncIterator[Pool]:
    pool = await connect(database, application="test", most=3)
    yield pool
    await pool.close()


def three(**of_the_second: Any) -> list[Json]:
    return [order_of(1), order_of(2, **of_the_second), order_of(3)]


TROUBLES: dict[str, tuple[Json, str, ConnectorError]] = {
    "a 500": ({"refunds": [{"id": 9}]}, "orders/2/refunds", Retryable("the store answered 500")),
    "an answer too large": ({"refunds": [{"id": 9}]}, "orders/2/refunds", Undecodable("cut off at the limit")),
    "a refused customer": ({"customer_id": 7}, "customers/7", ConfigurationError("the key's user may not do this")),
    "a refused product": ({"line_items": [{"product_id": 11}]}, "products/11", Rejected("odd", "refused")),
}


@pytest.mark.parametrize(("fields", "path", "trouble"), TROUBLES.values(), ids=TROUBLES)
async def test_an_order_that_cannot_be_read_is_put_off_and_the_walk_goes_on(
    pool: Pool, fields: Json, path: str, trouble: ConnectorError
) -> None:
    shelf = Shelf(FixedClock(NOON), *three(**fields))
    poller, ill = Poller(pool, shelf, shelf.clock), True

    async def meanwhile(read: str) -> None:
        if ill and read == path:
            raise trouble

    shelf.meanwhile = meanwhile
    done = await poller.poll.poll()
    assert poller.log.orders == ["1", "3"]
    assert (done.seen, done.published, list(done.put_off)) == (3, 2, ["2"])
    assert await store.cursor(pool, STORE, "orders") == NOON - DAY
    assert await poller.waiting() == ["2"]

    again = [await poller.poll.poll(), await poller.poll.sweep()]
    assert [one.put_off for one in again] == [{}, {}], "it waits already"
    assert await poller.waiting() == ["2"]
    assert await answer_due(pool, poller.snapshots) == 0
    assert await poller.waiting() == [], "tried again later"

    ill = False
    await pool.execute("update fetch_queue set not_before = now()")
    assert await answer_due(pool, poller.snapshots) == 1
    assert poller.log.orders == ["1", "3", "2"]
    assert poller.log.appended[-1].fetch_id == done.put_off["2"]
    assert await pool.fetchval("select count(*) from fetch_queue") == 0


async def test_orders_that_the_store_cannot_show_are_counted_until_it_can(pool: Pool) -> None:
    shelf = Shelf(FixedClock(NOON), *three(refunds=[{"id": 9}]))
    poller, ill = Poller(pool, shelf, shelf.clock), True

    async def meanwhile(read: str) -> None:
        if ill and read == "orders/2/refunds":
            raise KeyError("an oddity that nobody thought of")

    def unread() -> float | None:
        return poller.snapshots.metrics.registry.get_sample_value("mlc_orders_unread", {"connection": STORE})

    shelf.meanwhile = meanwhile
    assert list((await poller.poll.poll()).put_off) == ["2"]
    await answer_due(pool, poller.snapshots)
    assert unread() == 1
    ill = False
    await pool.execute("update fetch_queue set not_before = now()")
    await answer_due(pool, poller.snapshots)
    assert unread() == 0
    assert poller.log.orders == ["1", "3", "2"]


async def test_a_server_of_ours_that_is_away_is_no_trouble_of_an_order(pool: Pool) -> None:
    shelf = Shelf(FixedClock(NOON), *three(refunds=[{"id": 9}]))
    poller = Poller(pool, shelf, shelf.clock)

    async def meanwhile(read: str) -> None:
        if read == "orders/2/refunds":
            raise Retryable("the store answered 500")

    shelf.meanwhile = meanwhile
    await poller.poll.poll()

    async def away(_: str) -> None:
        raise ConnectionRefusedError

    shelf.meanwhile = away
    with pytest.raises(ConnectionRefusedError):
        await answer_due(pool, poller.snapshots)
    assert await poller.waiting() == ["2"], "not blamed for it"


async def test_an_order_without_an_id_goes_to_the_dead_letters_and_the_walk_goes_on(pool: Pool) -> None:
    """R10: nobody can ask for it, and nobody is unaware of it."""
    broken = [order_of(5) | {"id": None}, order_of(6) | {"id": "MUG"}]
    shelf = Shelf(FixedClock(NOON), *three(), *broken)
    poller = Poller(pool, shelf, shelf.clock)
    done = await poller.poll.poll()
    assert sorted(poller.log.orders) == ["1", "2", "3", "unknown", "unknown"]
    assert [one.order for one in poller.log.appended if one.order_id == "unknown"] == broken
    assert (done.seen, done.put_off) == (5, {})
    again = [await poller.poll.poll(), await poller.poll.sweep()]
    assert [one.published for one in again] == [0, 0], "said once"


async def test_an_order_without_its_modification_time_is_appended_as_it_is(pool: Pool) -> None:
    """R10: the mapper dates it by its creation, or holds it with the field's name."""
    shelf = Shelf(FixedClock(NOON), *three(date_modified_gmt=None))
    poller = Poller(pool, shelf, shelf.clock)
    assert (await poller.poll.poll()).put_off == {}
    assert sorted(poller.log.orders) == ["1", "2", "3"]


async def test_a_store_that_cannot_be_read_postpones_the_walk_and_puts_nothing_off(pool: Pool) -> None:
    shelf = Shelf(FixedClock(NOON), *three(refunds=[{"id": 9}]))
    poller = Poller(pool, shelf, shelf.clock)

    async def down_after_the_list(read: str) -> None:
        if read != "orders":
            raise Retryable("no answer")

    shelf.meanwhile = down_after_the_list
    with pytest.raises(Retryable, match="no answer"):
        await poller.poll.poll()
    assert await store.cursor(pool, STORE, "orders") is None
    assert await poller.waiting() == []


async def test_a_log_that_does_not_acknowledge_is_no_trouble_of_an_order(pool: Pool) -> None:
    shelf = Shelf(FixedClock(NOON), *three())
    poller = Poller(pool, shelf, shelf.clock)
    poller.log.down = True
    with pytest.raises(Retryable, match="did not acknowledge"):
        await poller.poll.poll()
    assert await store.cursor(pool, STORE, "orders") is None
    assert await poller.waiting() == []


@pytest.mark.parametrize(
    "odd", ["MUG", "", None, True, -1, Decimal("1.5"), {"id": 11}, pytest.param("9" * 5000, id="5000 digits"), "²"]
)
async def test_ids_that_are_none_are_as_good_as_absent(pool: Pool, odd: Any) -> None:
    line = {"product_id": odd}
    shelf = Shelf(FixedClock(NOON), *three(customer_id=odd, line_items=[line, "no line", {"product_id": "12"}]))
    shelf.orders[2]["line_items"] = odd
    read: list[str] = []

    async def meanwhile(path: str) -> None:
        read.append(path)

    shelf.meanwhile = meanwhile
    poller = Poller(pool, shelf, shelf.clock)
    assert (await poller.poll.poll()).put_off == {}
    assert sorted(poller.log.orders) == ["1", "2", "3"]
    assert [path for path in read if path != "orders"] == ["products/12"]


async def test_orders_in_a_row_whose_refunds_the_store_cannot_show_do_not_end_the_walk(pool: Pool) -> None:
    """R6: with a real client, whose breaker opens after five failures in a row."""
    app, clock = create_app({}), SystemClock()
    shopper = Shopper(app.state.shop)
    orders = [shopper.place_order({"items": [{"sku": "DONATION", "quantity": 1}]}).id for _ in range(4)]
    for order in orders[:3]:
        shopper.refund(order, {"amount": "1.00"})
    async with (
        serve(app) as running,
        WooCommerceClient.open(
            running.url, KEYS, clock=clock, allow_private=True, rate_per_s=None, breaker_open_s=0.1
        ) as client,
    ):
        app.state.faults.add({"kind": "status", "status": 500, "path": "/refunds", "times": -1})
        poller = Poller(pool, client, clock)
        done = await poller.poll.poll()
    assert sorted(done.put_off) == sorted(map(str, orders[:3]))
    assert str(orders[3]) in poller.log.orders
    assert await store.cursor(pool, STORE, "orders") == done.until
