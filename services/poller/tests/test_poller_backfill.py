"""A flow that begins when its store is already polled, or begins further back, gets every order since its cut-over."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Mapping
from datetime import date
from typing import Any, cast

import pytest

from mlc_common.clock import FixedClock
from mlc_common.errors import Retryable
from mlc_common.events import PollCompleted, Topics, decode
from mlc_common.events.envelope import from_record
from mlc_common.store.mappings import AppliedMapping
from mlc_common.store.pool import Pool, connect
from mlc_common.telemetry import MetricsRegistry
from mlc_common.vault.connections import Connection, ConnectionKind
from mlc_poller import orders, store
from mlc_poller.app import _served
from mlc_poller.orders import OrderPoll
from mlc_poller.snapshots import Snapshots

from .shelves import DAY, NOON, STORE, Log, Shelf, order_of

pytestmark = pytest.mark.postgres

TOPICS = Topics("acme")
OCTOBER, NOVEMBER = date(2026, 10, 1), date(2026, 11, 1)
OLD = NOON - 40 * DAY
"""In October: long before the last sweep's beginning."""


class Shop:
    """A store with an old order and a newer one; its poller is started again for every set of flows.

    The newest, 3, is within the overlap of every poll: nothing is said of it.
    """

    def __init__(self, pool: Pool) -> None:
        self.pool, self.clock = pool, FixedClock(NOON)
        self.shelf = Shelf(self.clock, order_of(1, modified=OLD), order_of(2, modified=NOON - 5 * DAY), order_of(3))

    async def polled(self, flows: Mapping[str, date], *, connection: str = STORE) -> list[str]:
        """What a poller that was just started appends, until it only waits."""
        log, poll = self.started(flows, connection=connection)
        await poll.poll()
        await poll.backfill()
        assert await poll.backfill() is None, "once is enough"
        return [order for order in log.orders if order != "3"]

    def started(self, flows: Mapping[str, date], *, connection: str = STORE) -> tuple[Log, OrderPoll]:
        log = Log()
        client, topic_log = cast(Any, self.shelf), cast(Any, log)
        snapshots = Snapshots(client, topic_log, TOPICS, connection, self.clock, metrics=MetricsRegistry())
        return log, OrderPoll(self.pool, client, snapshots, TOPICS, connection, self.clock, flows=flows)


@pytest.fixture
async def shop(database: str) -> AsyncIterator[Shop]:
    pool = await connect(database, application="test", most=3)
    yield Shop(pool)
    await pool.close()


async def test_the_first_poll_reads_for_every_flow_and_nothing_is_read_twice(shop: Shop) -> None:
    log, poll = shop.started({"web": NOVEMBER, "older": OCTOBER})
    assert await poll.backfill() is None, "the first poll is still to come"
    await poll.poll()
    assert log.orders == ["1", "2", "3"]
    pages = len(shop.shelf.pages_at)
    assert await poll.backfill() is None
    assert len(shop.shelf.pages_at) == pages
    assert await shop.polled({"older": OCTOBER, "web": NOVEMBER}) == [], "nor after a restart"


@pytest.mark.parametrize(
    ("before", "after", "appended"),
    [
        ({"web": OCTOBER}, {"web": OCTOBER, "second": OCTOBER}, ["1", "2"]),
        ({"web": OCTOBER}, {"web": OCTOBER, "second": NOVEMBER}, ["2"]),
        ({"web": NOVEMBER}, {"web": OCTOBER}, ["1", "2"]),
        ({"web": OCTOBER, "second": NOVEMBER}, {"web": OCTOBER, "second": OCTOBER}, ["1", "2"]),
        ({"web": OCTOBER, "a:b": OCTOBER}, {"web": OCTOBER}, []),
    ],
    ids=["a second flow", "one that begins later", "an earlier cut-over", "of one of two", "a flow ends"],
)
async def test_orders_read_before_are_read_for_a_flow_that_came_later_or_begins_earlier(
    shop: Shop, before: dict[str, date], after: dict[str, date], appended: list[str]
) -> None:
    await shop.polled(before)
    assert await shop.polled(after) == appended
    assert await shop.polled(after) == [], "once"


async def test_a_cut_over_that_is_moved_forward_and_back_is_read_for_again(shop: Shop) -> None:
    """R11: also where our clock was set back meanwhile."""
    assert await shop.polled({"web": OCTOBER}) == ["1", "2"]
    shop.clock.advance(-3600)
    assert await shop.polled({"web": NOVEMBER}) == ["2"]
    shop.clock.advance(-3600)
    assert await shop.polled({"web": OCTOBER}) == ["1", "2"]


async def test_a_flow_that_went_to_another_store_and_came_back_is_read_for_again(shop: Shop) -> None:
    await shop.polled({"web": OCTOBER, "other": OCTOBER})
    await shop.polled({"web": OCTOBER}, connection="another")
    assert await shop.polled({"other": OCTOBER}) == []
    assert await shop.polled({"web": OCTOBER, "other": OCTOBER}) == ["1", "2"]


async def test_a_restart_in_the_middle_of_a_backfill_loses_nothing(shop: Shop) -> None:
    """R1: what is done only in part is not done."""
    both = {"web": OCTOBER, "second": OCTOBER}
    await shop.polled({"web": OCTOBER})
    log, poll = shop.started(both)
    await poll.poll()

    async def ends_after_the_first(_: str) -> None:
        if "1" in log.orders:
            raise Retryable("the store went away")

    shop.shelf.orders[1]["refunds"] = [{"id": 9}]
    shop.shelf.meanwhile = ends_after_the_first
    with pytest.raises(Retryable, match="went away"):
        await poll.backfill()
    assert log.orders == ["3", "1"]

    shop.shelf.meanwhile = _nothing
    assert await shop.polled(both) == ["1", "2"]


class Long(Shop):
    """A store with an order of each of nine days, two on a page; how far a walk has come is kept after every page."""

    def __init__(self, pool: Pool) -> None:
        super().__init__(pool)
        orders = [order_of(n, modified=OLD + n * DAY, refunds=[{"id": n}]) for n in range(1, 10)]
        self.shelf = Shelf(self.clock, *orders, page_size=2)

    async def read_until_trouble_at(self, number: int, flows: Mapping[str, date], *, first: bool) -> list[str]:
        """What a poller that was just started appends before the store goes away."""
        log, poll = self.started(flows)

        async def goes_away(path: str) -> None:
            if path == f"orders/{number}/refunds" or (path == f"orders/{number}"):
                raise Retryable("the store went away")

        self.shelf.meanwhile = goes_away
        with pytest.raises(Retryable, match="went away"):
            await (poll.poll() if first else poll.backfill())
        self.shelf.meanwhile = _nothing
        return log.orders


@pytest.fixture
async def long(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> Long:
    monkeypatch.setattr(orders, "_KEPT_EVERY", 1)
    return Long(shop.pool)


@pytest.mark.parametrize("first", [True, False], ids=["the first poll", "a backfill"])
async def test_a_long_walk_goes_on_where_trouble_has_left_it(long: Long, first: bool) -> None:
    """R6: a store that is away for a moment now and then is read to the end all the same."""
    if not first:
        await long.polled({"other": OCTOBER})
    flows = {"web": OCTOBER} if first else {"other": OCTOBER, "web": OCTOBER}
    assert await long.read_until_trouble_at(6, flows, first=first) == ["1", "2", "3", "4", "5"]
    long.shelf.asked.clear()
    log, poll = long.started(flows)
    await (poll.poll() if first else poll.backfill())
    assert log.orders[:2] in (["5", "6"], ["6", "7"]), "not from the beginning"
    assert log.orders[-4:] == ["6", "7", "8", "9"]
    trashed = [asked["modified_after"] for asked in long.shelf.asked if asked["status"] == "trash"]
    assert trashed == ["2026-09-30T00:00:00"], "those in the trash are read from the cut-over"
    assert await poll.backfill() is None
    kept = await long.pool.fetch("select what from poll_cursors where what like '%reached%'")
    assert kept == [], "a walk that is through leaves nothing"


async def test_one_for_other_flows_or_another_cut_over_begins_at_the_beginning(long: Long) -> None:
    await long.polled({"other": OCTOBER})
    assert await long.read_until_trouble_at(6, {"web": OCTOBER}, first=False) == ["1", "2", "3", "4", "5"]
    assert (await long.read_until_trouble_at(6, {"web": OCTOBER, "new": OCTOBER}, first=False))[0] == "1"
    await long.polled({"web": NOVEMBER})
    assert (await long.read_until_trouble_at(6, {"web": OCTOBER}, first=False))[0] == "1"


async def test_an_order_that_was_put_off_before_the_trouble_is_not_forgotten(long: Long) -> None:
    """R1: it is queued with how far the walk has come, and the log knows it."""
    log, poll = long.started({"web": OCTOBER})

    async def trouble(path: str) -> None:
        if path == "orders/2/refunds" or path.startswith("orders/6"):
            raise Retryable("the store answered 500")

    long.shelf.meanwhile = trouble
    with pytest.raises(Retryable, match="500"):
        await poll.poll()
    assert [fetch.order_id for fetch in await store.due(long.pool, STORE, 9)] == ["2"]
    long.shelf.meanwhile = _nothing
    log, poll = long.started({"web": OCTOBER})
    await poll.poll()
    assert "2" not in log.orders
    assert [fetch.order_id for fetch in await store.due(long.pool, STORE, 9)] == ["2"]
    told = await long.pool.fetchval("select count(*) from outbox where convert_from(value, 'utf8') like '%\"2\":%'")
    assert told == 1


async def test_what_was_read_for_is_known_from_the_log_alone(shop: Shop) -> None:
    """R13: a rebuilt database reads nothing again, and misses nothing."""
    await shop.polled({"web": NOVEMBER})
    await shop.polled({"web": OCTOBER, "second": NOVEMBER})
    table = "select connection, what, read_until from poll_cursors order by what"
    before = [tuple(row) for row in await shop.pool.fetch(table)]
    written = await shop.pool.fetch("select headers, value, key from outbox where producer = 'poller' order by id")
    await shop.pool.execute("truncate poll_cursors")
    async with shop.pool.acquire() as connection:
        for row in written:
            headers = [(name, value.encode()) for name, value in json.loads(row["headers"])]
            await store.fold_poll(connection, decode(from_record(headers, row["value"]), PollCompleted))
    assert [tuple(row) for row in await shop.pool.fetch(table)] == before
    assert await shop.polled({"web": OCTOBER, "second": NOVEMBER}) == []
    assert await shop.polled({"web": OCTOBER, "second": OCTOBER}) == ["1", "2"]


def applied(flow: str, since: date | None, *, version: str = "v1", needs: tuple[str, ...] = ()) -> AppliedMapping:
    return AppliedMapping(flow, version, STORE, "erp", "", needs, since)


@pytest.mark.parametrize(
    ("flows", "restarts"),
    [
        ([applied("web", NOVEMBER, version="v2")], False),
        ([applied("web", NOVEMBER), applied("second", NOVEMBER)], True),
        ([applied("web", OCTOBER)], True),
        ([applied("web", NOVEMBER, needs=("products",))], True),
    ],
    ids=["other rules", "another flow", "an earlier cut-over", "other needs"],
)
def test_a_poller_starts_again_where_orders_may_be_new_to_a_flow(flows: list[AppliedMapping], restarts: bool) -> None:
    known = Connection(id=STORE, kind=ConnectionKind.WOOCOMMERCE, created_at=NOON, updated_at=NOON)
    assert (_served(known, flows) != _served(known, [applied("web", NOVEMBER)])) is restarts


async def _nothing(_: str) -> None: ...
