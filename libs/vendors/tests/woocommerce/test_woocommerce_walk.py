"""No order is left out of a walk, whatever happens in the store while it goes on."""

from __future__ import annotations

import random
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlc_common.errors import ConfigurationError, Rejected, Retryable
from mlc_vendors.woocommerce.errors import NotJson
from mlc_vendors.woocommerce.paging import Page, read_all
from mlc_vendors.woocommerce.walk import OrderWalk

START = datetime(2026, 11, 20, 12, 0, 0, tzinfo=UTC)
NOON_TEXT = "2026-11-20T12:00:00"
SIZE = 3


@dataclass
class PretendStore:
    """A list endpoint with the habits of WooCommerce: ids are found first, orders loaded after.

    ``between`` runs after ids were found and before the orders are loaded, ``after`` when the page is on its way.
    """

    stamps: dict[int, datetime]
    now: datetime = START + timedelta(hours=1)
    says_time: bool = True
    shuffles_ties: random.Random | None = None
    between: Callable[[PretendStore], None] = lambda _store: None
    after: Callable[[PretendStore], None] = lambda _store: None
    trash: dict[int, datetime] = field(default_factory=dict)
    asked: list[dict[str, str]] = field(default_factory=list)

    def touch(self, order: int) -> None:
        if order in self.stamps:
            self.stamps[order] = self.now.replace(microsecond=0)

    def pass_time(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)

    async def read(self, params: Sequence[tuple[str, str]]) -> Page:
        query = dict(params)
        self.asked.append(query)
        assert query["dates_are_gmt"] == "true"
        rows = self.trash if query["status"] == "trash" else self.stamps
        began = self.now
        found = [order for order, stamp in rows.items() if self._matches(stamp, query)]
        if self.shuffles_ties is not None:
            self.shuffles_ties.shuffle(found)
        else:
            found.sort()
        found.sort(key=(lambda order: rows[order]) if query["orderby"] == "modified" else None)
        size = int(query["per_page"])
        start = (int(query.get("page", "1")) - 1) * size
        chosen = found[start : start + size]
        self.between(self)
        answer = [{"id": order, "date_modified_gmt": text(rows[order])} for order in chosen if order in rows]
        not_before = began - timedelta(seconds=1) if self.says_time else None
        page = Page(answer, len(found) if chosen else 0, not_before)
        self.after(self)
        return page

    @staticmethod
    def _matches(stamp: datetime, query: dict[str, str]) -> bool:
        later = stamp > parsed(query["modified_after"])
        return later and ("modified_before" not in query or stamp < parsed(query["modified_before"]))


def text(instant: datetime) -> str:
    return instant.strftime("%Y-%m-%dT%H:%M:%S")


def parsed(said: str) -> datetime:
    return datetime.fromisoformat(said).replace(tzinfo=UTC)


def at(seconds: float) -> datetime:
    return START + timedelta(seconds=seconds)


async def walked(
    store: PretendStore, since: datetime = START, **options: Any
) -> tuple[list[tuple[int, str]], datetime]:
    walk = OrderWalk(store.read, since, size=SIZE, **options)
    found = [(row["id"], row["date_modified_gmt"]) async for row in walk]
    return found, walk.read_until


async def test_all_orders_come_oldest_first_and_once() -> None:
    store = PretendStore({n: at(10 * n) for n in range(1, 11)})
    found, until = await walked(store)
    assert found == [(n, text(at(10 * n))) for n in range(1, 11)]
    assert until == at(100)


async def test_the_bound_is_strict_and_the_overlap_goes_before_it() -> None:
    store = PretendStore({1: at(0), 2: at(5), 3: at(6)})
    assert [order for order, _ in (await walked(store, at(5)))[0]] == [3]
    assert [order for order, _ in (await walked(store, at(5), overlap_s=1))[0]] == [2, 3]
    assert store.asked[-1]["modified_after"] == text(at(4))


async def test_a_part_of_a_second_is_never_rounded_up() -> None:
    store = PretendStore({1: at(6)})
    assert len((await walked(store, at(5.9)))[0]) == 1
    assert store.asked[0]["modified_after"] == text(at(5))


async def test_an_instant_of_another_zone_is_sent_as_utc() -> None:
    store = PretendStore({})
    await walked(store, datetime.fromisoformat("2026-11-20T07:00:00-05:00"))
    assert store.asked[0]["modified_after"] == NOON_TEXT


async def test_a_second_with_more_orders_than_a_page_is_read_whole() -> None:
    stamps = {n: at(50) for n in range(1, 12)} | {20: at(49), 21: at(51)}
    found, until = await walked(PretendStore(stamps))
    assert sorted(order for order, _ in found) == sorted(stamps)
    assert until == at(51)


async def test_an_order_that_leaves_a_crowded_second_takes_nobody_with_it() -> None:
    """The first order of the second is touched while its pages are turned: all later ones move up by one."""
    store = PretendStore({n: at(50) for n in range(1, 12)})
    seconds_page = iter([False, False, True])

    def leave(store: PretendStore) -> None:
        if next(seconds_page, False):
            store.touch(1)
            store.touch(2)

    store.after = leave
    found, _ = await walked(store)
    assert {order for order, _ in found} == set(range(1, 12))
    assert {(1, text(store.stamps[1])), (2, text(store.stamps[2]))} <= set(found)


async def test_the_order_that_page_two_would_have_missed_is_found() -> None:
    store = PretendStore({n: at(10 * n) for n in range(1, 10)})
    reads = iter([True])

    def jump(store: PretendStore) -> None:
        if next(reads, False):
            store.touch(2)

    store.after = jump
    found, _ = await walked(store)
    assert {order for order, _ in found} == set(range(1, 10))


async def test_a_last_row_touched_while_its_page_is_made_does_not_hide_those_between() -> None:
    """Its stamp says now; the orders between its old stamp and now are not on the page."""
    store = PretendStore({n: at(10 * n) for n in range(1, 10)})
    reads = iter([True])

    def touch_last(store: PretendStore) -> None:
        if next(reads, False):
            store.touch(3)

    store.between = touch_last
    found, _ = await walked(store)
    assert {order for order, _ in found} == set(range(1, 10))


@pytest.mark.parametrize("says_time", [True, False])
async def test_the_cursor_does_not_pass_what_the_page_cannot_know(says_time: bool) -> None:
    store = PretendStore({1: at(10), 2: at(20)}, says_time=says_time)

    def touch(store: PretendStore) -> None:
        store.touch(2)
        store.pass_time(5)

    store.between = touch
    found, until = await walked(store)
    assert found == [(1, text(at(10))), (2, text(at(3600)))]
    assert until == (at(10) if says_time else START)


async def test_without_the_time_of_the_store_a_page_counts_when_it_reads_the_same_twice() -> None:
    store = PretendStore({n: at(10 * n) for n in range(1, 8)}, says_time=False)
    found, _ = await walked(store)
    assert [order for order, _ in found] == list(range(1, 8))


async def test_trashed_orders_are_asked_for_by_name() -> None:
    store = PretendStore({1: at(10)}, trash={2: at(5), 3: at(7000)})
    assert [order for order, _ in (await walked(store))[0]] == [1]
    found, until = await walked(store, trash=True)
    assert [order for order, _ in found] == [1, 2, 3]
    assert until == at(10)  # an order may have changed since the first list was read


async def test_a_store_that_never_rests_is_left_after_a_while() -> None:
    store = PretendStore({n: at(n) for n in range(1, 20)})

    def bustle(store: PretendStore) -> None:
        store.pass_time(5)
        for order in range(1, 20):
            store.stamps[order] = store.now - timedelta(seconds=order % 5)

    store.after = bustle
    _, until = await walked(store)
    assert START <= until <= store.now
    assert len(store.asked) < 2_000


async def test_a_store_whose_orders_change_with_every_look_is_read_by_id() -> None:
    store = PretendStore({n: at(n) for n in range(1, 20)})

    def bustle(store: PretendStore) -> None:
        store.pass_time(5)
        for order in range(1, 20):
            store.touch(order)

    store.between = bustle
    found, until = await walked(store)
    assert {order for order, _ in found} == set(range(1, 20))
    assert until == START


ODD_TIMES = [None, "", "yesterday", 7]


def breaking(store: PretendStore, order: int, **said: object) -> Callable[[Sequence[tuple[str, str]]], Awaitable[Page]]:
    """The store's list, which shows one order otherwise than it ought to."""

    async def read(params: Sequence[tuple[str, str]]) -> Page:
        page = await store.read(params)
        return replace(page, rows=[row | said if row["id"] == order else row for row in page.rows])

    return read


@pytest.mark.parametrize("said", ODD_TIMES)
@pytest.mark.parametrize("order", [1, 3, 4, 7], ids=["first", "last of a page", "first of a page", "last"])
async def test_an_order_without_its_time_comes_with_the_others(order: int, said: object) -> None:
    store = PretendStore({n: at(10 * n) for n in range(1, 8)})
    walk = OrderWalk(breaking(store, order, date_modified_gmt=said), START, size=SIZE)
    assert {row["id"] async for row in walk} == set(range(1, 8))
    assert walk.read_until == (at(60) if order == 7 else at(70)), "it moves no bound"


@pytest.mark.parametrize("said", [None, "", "MUG", {"id": 4}, True, "9" * 5000], ids=repr)
@pytest.mark.parametrize("crowded", [False, True], ids=["by time", "by id"])
async def test_an_order_without_its_id_comes_with_the_others(said: object, crowded: bool) -> None:
    store = PretendStore({n: at(50 if crowded else 10 * n) for n in range(1, 12)})
    found = [row["id"] async for row in OrderWalk(breaking(store, 4, id=said), START, size=SIZE)]
    assert sum(each is said for each in found) == 1
    assert {each for each in found if each is not said} == set(range(1, 12)) - {4}


async def test_an_id_in_text_is_an_id() -> None:
    store = PretendStore({n: at(10 * n) for n in range(1, 8)})
    walk = OrderWalk(breaking(store, 4, id="4"), START, size=SIZE)
    assert len([row async for row in walk]) == 7


@pytest.mark.parametrize("said", ODD_TIMES)
async def test_a_list_without_any_time_is_an_odd_answer(said: object) -> None:
    async def read(_params: Sequence[tuple[str, str]]) -> Page:
        return Page([{"id": n, "date_modified_gmt": said} for n in range(1, SIZE + 1)])

    with pytest.raises(NotJson):
        [row async for row in OrderWalk(read, START, size=SIZE)]


@pytest.mark.parametrize("order", [1, 3, 4, 7], ids=["first", "last of a page", "first of a page", "last"])
@pytest.mark.parametrize("crowded", [False, True], ids=["by time", "by id"])
async def test_an_order_that_shows_an_earlier_time_than_it_was_found_by_ends_nothing(order: int, crowded: bool) -> None:
    """Where the tables of the store are out of step, the time that it filters by is not the one that it shows."""
    store = PretendStore({n: at(50 if crowded else 10 * n) for n in range(1, 8)})
    walk = OrderWalk(breaking(store, order, date_modified_gmt=text(START - timedelta(days=9))), START, size=SIZE)
    assert {row["id"] async for row in walk} == set(range(1, 8))
    assert walk.read_until == at(50 if crowded else 60 if order == 7 else 70)


async def test_one_alone_that_shows_an_earlier_time_is_handed_out() -> None:
    read = breaking(PretendStore({1: at(10)}), 1, date_modified_gmt=text(START - timedelta(days=9)))
    walk = OrderWalk(read, START, size=SIZE)
    assert [row["id"] async for row in walk] == [1]
    assert walk.read_until == START


@pytest.mark.parametrize(("shown", "total"), [(2, 2), (SIZE, 99)])
async def test_a_store_that_ignores_the_filter_is_found_out(shown: int, total: int) -> None:
    async def read(_params: Sequence[tuple[str, str]]) -> Page:
        old = text(START - timedelta(days=9))
        return Page([{"id": n, "date_modified_gmt": old} for n in range(1, shown + 1)], total)

    with pytest.raises(ConfigurationError, match="not asked for"):
        [row async for row in OrderWalk(read, START, size=SIZE)]


async def test_a_store_that_cannot_sort_by_modification_is_found_out() -> None:
    async def read(_params: Sequence[tuple[str, str]]) -> Page:
        raise Rejected("rest_invalid_param", "refused", status=400)

    with pytest.raises(ConfigurationError, match="up to date"):
        [row async for row in OrderWalk(read, START, size=SIZE)]


async def test_only_the_fields_that_are_wanted_are_asked_for() -> None:
    store = PretendStore({1: at(1)})
    await walked(store, fields=("status", "id"))
    assert store.asked[0]["_fields"] == "id,date_modified_gmt,status"
    await walked(store)
    assert "_fields" not in store.asked[1]


moments = st.lists(
    st.tuples(st.integers(0, 40), st.sampled_from(["between", "after"]), st.integers(1, 25), st.booleans()), max_size=30
)


@given(
    stamps=st.dictionaries(st.integers(1, 25), st.integers(1, 12), max_size=25),
    moments=moments,
    tick=st.sampled_from([0.0, 0.4, 3.0]),
    seed=st.integers(0, 99),
    says_time=st.booleans(),
)
async def test_this_walk_and_the_next_find_every_order_as_it_is_in_the_end(
    stamps: dict[int, int], moments: list[tuple[int, str, int, bool]], tick: float, seed: int, says_time: bool
) -> None:
    """Orders are touched and deleted at any moment of any read; many share a second; ties have no fixed order."""
    store = PretendStore(
        {order: at(second) for order, second in stamps.items()}, says_time=says_time, shuffles_ties=random.Random(seed)
    )

    def act(when: str) -> Callable[[PretendStore], None]:
        def happen(store: PretendStore) -> None:
            for read, phase, order, delete in moments:
                if (read, phase) == (len(store.asked) - 1, when):
                    if delete:
                        store.stamps.pop(order, None)
                    else:
                        store.touch(order)
            store.pass_time(tick)

        return happen

    store.between, store.after = act("between"), act("after")
    first, until = await walked(store)
    moments.clear()
    store.pass_time(60)
    final = {(order, text(stamp)) for order, stamp in store.stamps.items()}
    second, _ = await walked(store, max(START, until - timedelta(seconds=1)))
    assert final <= {*first, *second}
    untouched = {(order, text(at(second))) for order, second in stamps.items()} & final
    assert untouched <= set(first)


async def test_a_short_page_is_not_the_last_while_the_total_says_more() -> None:
    """An order that vanishes after its page was cut leaves the page short."""
    store = PretendStore({n: at(10 * n) for n in range(1, 10)})
    reads = iter([True])

    def vanish(store: PretendStore) -> None:
        if next(reads, False):
            del store.stamps[2]

    store.between = vanish
    found, _ = await walked(store)
    assert [order for order, _ in found] == [1, *range(3, 10)]


async def test_a_list_that_shrinks_while_it_is_read_loses_nobody() -> None:
    rows = set(range(1, 8))
    reads = 0

    async def read(params: Sequence[tuple[str, str]]) -> Page:
        nonlocal reads
        query = dict(params)
        start = (int(query["page"]) - 1) * 3
        ids = sorted(rows)[start : start + 3]
        page = Page([{"id": each} for each in ids], len(rows) if ids else 0)
        reads += 1
        if reads == 1:
            rows.remove(1)
        return page

    assert {row["id"] async for row in read_all(read, size=3)} == set(range(1, 8))


async def test_a_list_without_totals_is_read_until_nothing_new_comes() -> None:
    passes = iter([[1, 2], [1, 2, 3], [1, 2, 3]])

    async def read(_params: Sequence[tuple[str, str]]) -> Page:
        return Page([{"id": each} for each in next(passes)])

    assert [row["id"] async for row in read_all(read)] == [1, 2, 3]


async def test_a_list_that_never_stands_still_is_left_for_later() -> None:
    counter = iter(range(1, 10_000))

    async def read(_params: Sequence[tuple[str, str]]) -> Page:
        return Page([{"id": next(counter)}], 7)

    with pytest.raises(Retryable):
        [row async for row in read_all(read)]
