"""A period is walked whole: nothing left out, nothing judged twice, a few orders at a time, doubts read twice."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlc_common.clock import FixedClock
from mlc_common.errors import Retryable
from mlc_common.reconciling import BookFact, RefundFact, SaleFact
from mlc_reconciler.evidence import Judged, Payment, Verdict
from mlc_reconciler.period import Period
from mlc_reconciler.rules import Rules
from mlc_reconciler.tally import Tally
from mlc_reconciler.walk import Walk

from .stories import NOW, PATIENCE, Ledger, Shop, booked, invoice, nothing_recorded, sale

FIRST, LAST = date(2026, 11, 9), date(2026, 11, 12)
NEW_YORK = ZoneInfo("America/New_York")


def local_date(instant: datetime) -> date:
    return instant.astimezone(NEW_YORK).date()


class Everything:
    """A mapping that books everything."""

    cut_over = date(2020, 1, 1)
    local_date = staticmethod(local_date)


def no_exclusions(record: dict[str, Any], mapping: Any) -> dict[str, Any]:
    return {"documents": [], "holds": [], "excluded": []}


def walk(shop: Shop, ledger: Ledger, *, first: date = FIRST, last: date = LAST) -> Walk:
    rules = Rules(Everything(), no_exclusions)
    period = Period(first, last, local_date)
    return Walk(period, shop, ledger, rules, nothing_recorded, FixedClock(NOW), PATIENCE)


async def judged(shop: Shop, ledger: Ledger, **days: date) -> list[Judged]:
    return [one async for one in walk(shop, ledger, **days).verdicts()]


def at(day: int, hour: int = 12) -> datetime:
    return datetime(2026, 11, day, hour, tzinfo=NEW_YORK).astimezone(UTC)


def placed(order: str, day: int, **more: Any) -> SaleFact:
    return sale(order, created=at(day), changed=at(day), paid_at=at(day), **more)


def dated(books: Sequence[BookFact], day: int) -> list[BookFact]:
    return [replace(one, date=date(2026, 11, day)) for one in books]


def said(found: Sequence[Judged]) -> dict[str, str]:
    """Verdict by id; an id that is judged twice fails."""
    ids = [one.id for one in found]
    assert len(ids) == len(set(ids)), ids
    return {one.id: one.verdict.value for one in found}


async def test_orders_of_the_period_are_judged_and_others_are_not() -> None:
    sales = [placed(str(10 + day), day) for day in range(7, 15)]
    books = [one for each in sales for one in dated(booked(each), each.created.day)]
    found = said(await judged(Shop(sales), Ledger(books)))
    assert found == {str(10 + day): "posted" for day in range(9, 13)}


async def test_midnight_is_the_stores_own() -> None:
    """23:30 in New York on the last day is the next day in UTC."""
    late = sale("40", created=at(12, 23), changed=at(12, 23), paid_at=None)
    early = sale("41", created=at(13, 0), changed=at(13, 0), paid_at=None)
    assert said(await judged(Shop([late, early]), Ledger([]))) == {"40": "missing"}


async def test_an_older_order_that_was_paid_in_the_period_belongs_to_it() -> None:
    old = replace(placed("5", 1), paid_at=at(10), changed=at(10))
    untouched = placed("6", 1)
    assert said(await judged(Shop([old, untouched]), Ledger([]))) == {"5": "missing"}
    (found,) = await judged(Shop([old]), Ledger(booked(old)))
    assert found.paid == Payment(date(2026, 11, 10), Decimal(100), "")


@pytest.mark.parametrize("has_refund_list", [True, False])
async def test_an_older_order_that_was_refunded_in_the_period_belongs_to_it(has_refund_list: bool) -> None:
    old = replace(placed("5", 1, refunds={"25": "30.00"}), changed=at(10))
    other = replace(placed("6", 1, refunds={"26": "30.00"}), changed=at(10))
    shop = Shop([old, other], has_refund_list, {"25": at(10), "26": at(3)})
    books = [*dated(booked(old), 1)[:1], *dated(booked(other), 1)]
    assert said(await judged(shop, Ledger(books))) == {"5": "posted", "25": "missing"}


async def test_an_older_order_with_a_document_of_the_period_belongs_to_it_once() -> None:
    """Twice invoiced, weeks after: the store knows nothing of that day, the ERP does."""
    old = placed("5", 1)
    again = [replace(invoice("5"), date=date(2026, 11, day), run=f"202611/{day}") for day in (10, 11)]
    found = await judged(Shop([old]), Ledger([*dated(booked(old), 1), *again]))
    assert said(found) == {"5": "differs"}
    assert found[0].books == 300


async def test_a_document_without_a_sale_is_named_once_however_many_days_it_has() -> None:
    books = [replace(invoice("99"), date=date(2026, 11, day), reference=f"IN-WC01-99{day}") for day in (9, 11)]
    found = await judged(Shop([]), Ledger(books))
    assert said(found) == {"IN-WC01-999": "without_sale", "IN-WC01-9911": "without_sale"}


async def test_a_document_of_an_order_of_another_day_of_the_period_is_not_judged_again() -> None:
    one = placed("20", 9)
    assert said(await judged(Shop([one]), Ledger(dated(booked(one), 11)))) == {"20": "posted"}


async def test_an_order_of_after_the_period_with_a_document_in_it_is_judged() -> None:
    later = placed("30", 14)
    assert said(await judged(Shop([later]), Ledger(dated([invoice("30", "1.00")], 10)))) == {"30": "differs"}


async def test_a_reference_of_ours_under_a_number_of_nobody_is_named() -> None:
    books = [replace(invoice("20"), number="X1", date=date(2026, 11, 10), order="", ours=False)]
    found = await judged(Shop([]), Ledger(books))
    assert said(found) == {"IN-WC01-20": "without_sale"}
    assert found[0].sentence == "IN-WC01-20 is posted under invoice number X1, which is none of this store's"


async def test_a_draft_of_an_order_that_does_not_exist_is_named_and_others_are_not() -> None:
    known = placed("5", 1)
    drafts = [invoice("5", posted=False), invoice("98", posted=False)]
    found = await judged(Shop([known]), Ledger(dated(booked(known), 1), drafts))
    assert said(found) == {"IN-WC01-98": "without_sale"}
    assert found[0].books == 0


async def test_an_order_that_is_listed_twice_is_judged_once() -> None:
    one = placed("20", 10)
    changed = replace(one, changed=at(11))
    assert said(await judged(Shop([one, changed]), Ledger(dated(booked(one), 10)))) == {"20": "posted"}


async def test_what_is_posted_between_two_readings_is_no_difference() -> None:
    one = placed("20", 10)

    class Later(Ledger):
        async def documents(self, orders: Sequence[str]) -> list[BookFact]:
            found = await super().documents(orders)
            self.books = dated(booked(one), 10)
            return found

    assert said(await judged(Shop([one]), Later([]))) == {"20": "posted"}


async def test_an_order_deleted_between_two_readings_is_judged_as_deleted() -> None:
    one = placed("20", 10)

    class Vanishing(Shop):
        async def by_id(self, ids: Sequence[str]) -> dict[str, SaleFact]:
            return {}

    found = await judged(Vanishing([one]), Ledger(dated([invoice("20", "5.00")], 10)))
    assert said(found) == {"IN-WC01-20": "without_sale"}


async def test_a_side_that_cannot_be_read_is_an_error_and_no_result() -> None:
    class Broken(Ledger):
        async def documents(self, orders: Sequence[str]) -> list[BookFact]:
            raise Retryable("the ledger does not answer")

    with pytest.raises(Retryable):
        await judged(Shop([placed("20", 10)]), Broken([]))


async def test_an_order_that_the_mapper_cannot_read_keeps_no_other_from_being_judged() -> None:
    def broken(record: dict[str, Any], mapping: Any) -> dict[str, Any]:
        raise KeyError("line_items")

    one, other = placed("20", 10), placed("21", 10)
    walked = replace(walk(Shop([one, other]), Ledger(dated(booked(one), 10))), rules=Rules(Everything(), broken))
    assert said([found async for found in walked.verdicts()]) == {"20": "posted", "21": "missing"}


async def test_thousands_of_orders_are_read_a_few_at_a_time() -> None:
    sales = [placed(str(1000 + number), 10) for number in range(1000)]
    books = dated([one for each in sales for one in booked(each)], 10)
    ledger, open_now = Ledger(books), 0

    class Counted(Shop):
        async def created(self, since: datetime, until: datetime) -> AsyncIterator[SaleFact]:
            nonlocal open_now
            async for one in super().created(since, until):
                open_now += 1
                yield one

    most, seen = 0, 0
    async for _ in walk(Counted(sales), ledger).verdicts():
        seen += 1
        most = max(most, open_now - seen)
    assert seen == 1000
    assert most < 50, "what is read is judged before more is read"
    assert (ledger.most, ledger.looks) == (40, 25)


days = st.integers(min_value=1, max_value=20)


@st.composite
def histories(draw: st.DrawFn) -> tuple[list[SaleFact], list[BookFact], dict[str, datetime]]:
    """Orders placed, paid, refunded and booked on any days before, in and after the period, all as they should be."""
    sales: list[SaleFact] = []
    books: list[BookFact] = []
    dates: dict[str, datetime] = {}
    for number in range(draw(st.integers(min_value=0, max_value=8))):
        order = str(100 + number)
        refunds = tuple(
            RefundFact(id=f"{order}{each}", amount=Decimal(draw(st.integers(min_value=1, max_value=20))))
            for each in range(draw(st.integers(min_value=0, max_value=2)))
        )
        first = draw(days)
        later = st.integers(min_value=first, max_value=20)
        dates |= {refund.id: at(draw(later)) for refund in refunds}
        created, paid = at(first), at(draw(later))
        changed = max([created, paid, *(dates[refund.id] for refund in refunds)])
        one = sale(order, created=created, paid_at=paid, changed=changed)
        one = replace(one, refunds=refunds)
        sales.append(one)
        books += [replace(each, date=date(2026, 11, draw(days))) for each in booked(one)]
    return sales, books, dates


def belongs(one: SaleFact, books: Sequence[BookFact], dates: Mapping[str, datetime]) -> bool:
    instants = [one.created, one.paid_at, *(dates[refund.id] for refund in one.refunds)]
    on = [local_date(each) for each in instants if each] + [each.date for each in books if each.order == one.id]
    return any(FIRST <= day <= LAST for day in on if day)


@given(histories())
async def test_each_order_of_the_period_is_judged_once_and_no_other(
    history: tuple[list[SaleFact], list[BookFact], dict[str, datetime]],
) -> None:
    sales, books, dates = history
    found = await judged(Shop(sales, True, dates), Ledger(books))
    expected = [one.id for one in sales if belongs(one, books, dates)]
    assert sorted(one.id for one in found if one.kind == "order") == sorted(expected)
    assert {one.verdict for one in found} <= {Verdict.POSTED}


@given(histories(), st.data())
async def test_whatever_is_done_to_a_document_of_the_period_is_named(
    history: tuple[list[SaleFact], list[BookFact], dict[str, datetime]], data: st.DataObject
) -> None:
    sales, books, dates = history
    chosen = [one for one in books if any(belongs(each, books, dates) for each in sales if each.id == one.order)]
    if not chosen:
        return
    victim = data.draw(st.sampled_from(chosen))
    rest = [one for one in books if one is not victim]
    deed = data.draw(st.sampled_from(["removed", "doubled", "altered", "sale deleted"]))
    if deed == "doubled":
        rest += [victim, replace(victim, run="202611/9")]
    elif deed == "altered":
        rest += [replace(victim, amount=victim.amount + Decimal("0.01"))]
    elif deed == "sale deleted":
        rest, sales = books, [one for one in sales if one.id != victim.order]
    tally = Tally()
    found = await judged(Shop(sales, True, dates), Ledger(rest))
    for one in found:
        tally.add(one)
    owners = {one.order for one in found if one.unexplained}
    still_in = deed != "removed" or any(belongs(one, rest, dates) for one in sales if one.id == victim.order)
    if deed == "sale deleted":
        still_in = any(FIRST <= one.date <= LAST for one in rest if one.order == victim.order and one.date)
    assert owners == ({victim.order} if still_in else set())
    assert (tally.unexplained > 0) == still_in


def test_a_day_begins_where_the_stores_calendar_says_also_when_clocks_change() -> None:
    spring, autumn = (
        Period(date(2026, 3, 8), date(2026, 3, 8), local_date),
        Period(date(2026, 11, 1), date(2026, 11, 1), local_date),
    )
    assert (spring.until - spring.since, autumn.until - autumn.since) == (timedelta(hours=23), timedelta(hours=25))
    assert spring.since == datetime(2026, 3, 8, 5, tzinfo=UTC)
    assert spring.has(datetime(2026, 3, 9, 3, 59, 59, tzinfo=UTC))
    assert not spring.has(datetime(2026, 3, 9, 4, tzinfo=UTC))
