"""What a store sells while its clock is behind what was read of it is polled all the same."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any, cast

import pytest

from mlc_common.clock import FixedClock
from mlc_common.events import Topics
from mlc_common.store.pool import Pool, connect
from mlc_common.telemetry import MetricsRegistry
from mlc_poller import store
from mlc_poller.orders import OrderPoll
from mlc_poller.snapshots import Snapshots

from .shelves import DAY, NOON, STORE, Log, Shelf, order_of

pytestmark = pytest.mark.postgres

TOPICS = Topics("acme")
MINUTE, HOUR = timedelta(minutes=1), timedelta(hours=1)


class Shop:
    """A store that was read up to noon."""

    def __init__(self, pool: Pool) -> None:
        self.pool, self.clock = pool, FixedClock(NOON)
        self.shelf, self.log = Shelf(self.clock, order_of(1, modified=NOON)), Log()
        self.starts()

    def starts(self) -> None:
        client, log = cast(Any, self.shelf), cast(Any, self.log)
        snapshots = Snapshots(client, log, TOPICS, STORE, self.clock, metrics=MetricsRegistry())
        self.poll = OrderPoll(
            self.pool, client, snapshots, TOPICS, STORE, self.clock, flows={"web": (NOON - 30 * DAY).date()}
        )

    def sells(self, number: int, *, ago: timedelta = timedelta()) -> None:
        """Stamped by the store's own clock."""
        now = self.clock.now() + timedelta(seconds=self.shelf.clock_skew_s or 0)
        self.shelf.orders.append(order_of(number, modified=now - ago))

    async def polls(self, *, later: timedelta = MINUTE) -> list[str]:
        """What the next poll appends."""
        self.clock.advance(later.total_seconds())
        known = len(self.log.orders)
        await self.poll.poll()
        return self.log.orders[known:]


@pytest.fixture
async def shop(database: str) -> AsyncIterator[Shop]:
    pool = await connect(database, application="test", most=2)
    made = Shop(pool)
    assert await made.polls(later=timedelta()) == ["1"]
    yield made
    await pool.close()


@pytest.mark.parametrize("back", [6 * MINUTE, HOUR, 20 * DAY], ids=["6 minutes", "an hour", "20 days"])
async def test_what_is_sold_after_the_stores_clock_was_set_back_is_polled(shop: Shop, back: timedelta) -> None:
    """R11: its times lie before the cursor, and no webhook tells of it."""
    shop.shelf.clock_skew_s = -back.total_seconds()
    shop.sells(2)
    assert await shop.polls() == ["2"]
    shop.sells(3)
    assert await shop.polls() == ["3"]
    assert await shop.polls() == []
    shop.sells(4)
    shop.clock.advance(60)
    shop.sells(5)
    assert sorted(await shop.polls(later=HOUR)) == ["4", "5"], "since the last poll, whenever that was"
    assert await store.cursor(shop.pool, STORE, "orders") == NOON


async def test_and_nothing_older_than_the_last_poll_is_read_with_every_poll(shop: Shop) -> None:
    shop.shelf.clock_skew_s = -HOUR.total_seconds()
    shop.sells(2, ago=5 * MINUTE)
    assert await shop.polls() == []
    shop.starts()
    assert "2" in await shop.polls(), "but what may have been missed while there was no poller"


@pytest.mark.parametrize("skew", [None, 0.0, 600.0])
async def test_a_clock_that_is_not_behind_is_read_on_from_the_cursor_alone(shop: Shop, skew: float | None) -> None:
    shop.shelf.clock_skew_s = skew
    pages = len(shop.shelf.pages_at)
    await shop.polls()
    assert len(shop.shelf.pages_at) - pages == 2, "one look at the orders, one at the trash"
