"""When a snapshot was read: not later than the store was asked; the mapper weighs it against what it heard."""

from __future__ import annotations

from datetime import timedelta
from itertools import pairwise
from typing import Any, cast
from uuid import UUID

import pytest

from mlc_common.clock import FixedClock
from mlc_common.events import Topics
from mlc_common.telemetry import MetricsRegistry
from mlc_poller import store
from mlc_poller.orders import OrderPoll
from mlc_poller.snapshots import Snapshots

from .shelves import DAY, NOON, STORE, Log, Shelf, order_of

TOPICS = Topics("acme")
LARGEST_PAGE = 100


def snapshots_of(shelf: Shelf, log: Log) -> Snapshots:
    return Snapshots(cast(Any, shelf), cast(Any, log), TOPICS, STORE, shelf.clock, metrics=MetricsRegistry())


@pytest.fixture
def no_cursors(monkeypatch: pytest.MonkeyPatch) -> None:
    async def nothing(*_: Any) -> None: ...

    monkeypatch.setattr(store, "cursor", nothing)
    monkeypatch.setattr(store, "complete", nothing)


@pytest.mark.parametrize("known", [True, False], ids=["there", "deleted for good"])
async def test_an_answer_is_as_old_as_its_question_however_long_the_store_takes(known: bool) -> None:
    """R11: what was changed or deleted while the store answered is not overruled by the answer."""
    shelf, log = Shelf(FixedClock(NOON), *([order_of(17)] if known else [])), Log()

    async def slowly(_: str) -> None:
        shelf.clock.advance(8)

    shelf.meanwhile = slowly
    snapshots = snapshots_of(shelf, log)
    await snapshots.append(await snapshots.of_id("17", UUID(int=1)))
    assert [(one.fetched_at, one.order is not None) for one in log.appended] == [(NOON, known)]


@pytest.mark.usefixtures("no_cursors")
@pytest.mark.parametrize("page_size", [1, 7, 50, LARGEST_PAGE])
async def test_what_a_walk_takes_is_as_old_as_the_question_for_its_page(page_size: int) -> None:
    """R11: an order may be deleted while the walk works through the page that it was on."""
    orders = [order_of(n, modified=NOON - DAY + timedelta(seconds=2 * n), refunds=[{"id": n}]) for n in range(1, 321)]
    shelf, log = Shelf(FixedClock(NOON), *orders, page_size=page_size), Log()
    asked: dict[str, Any] = {}

    async def a_second_each(path: str) -> None:
        if path != "orders":
            asked[path.split("/")[1]] = shelf.pages_at[-1]
            shelf.clock.advance(1)

    shelf.meanwhile = a_second_each
    poll = OrderPoll(
        cast(Any, None),
        cast(Any, shelf),
        snapshots_of(shelf, log),
        TOPICS,
        STORE,
        shelf.clock,
        flows={"web": (NOON - DAY).date()},
    )
    await poll.sweep()
    assert len(log.appended) == len(orders)
    for one in log.appended:
        lag = asked[one.order_id] - one.fetched_at
        assert timedelta() <= lag < timedelta(seconds=LARGEST_PAGE), f"order {one.order_id}"
    assert all(one.fetched_at <= later.fetched_at for one, later in pairwise(log.appended))
