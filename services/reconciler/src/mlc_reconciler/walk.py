"""Goes through a period: the store's list day by day, the ERP's documents day by day, each order judged once.

An order belongs to the period if it was placed, paid or refunded in it, or if a document of it is dated in it; then all
that belongs to the order is judged. Whatever is not as it should be is read a second time from both sides before it is
said: an order may be posted between two readings. Memory holds a day's ids and a few orders, never the period.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta

from mlc_common.clock import Clock
from mlc_common.reconciling import BookFact, Books, Mention, SaleFact, Sales
from mlc_reconciler.evidence import Case, Judged, Payment, Recorded, Ruling, Verdict
from mlc_reconciler.period import Period
from mlc_reconciler.rules import CUT_OVER, Rules
from mlc_reconciler.verdicts import judge

_AT_ONCE = 40
"""Orders that are judged together: one look-up in the ERP."""

Explain = Callable[[Mapping[str, SaleFact | None]], Awaitable[dict[str, Recorded]]]


@dataclass
class Walk:
    """One comparison of one flow.

    Attributes:
        patience: How long an order may normally be on its way.
        heard: Told after each day.
    """

    period: Period
    sales: Sales
    books: Books
    rules: Rules
    explain: Explain
    clock: Clock
    patience: timedelta = timedelta(minutes=15)
    heard: Callable[[date], None] = lambda _: None

    async def verdicts(self) -> AsyncIterator[Judged]:
        """Every verdict of the period.

        Raises:
            ConnectorError: a side could not be read whole; what was said until then is no result.
        """
        drafts = Drafts(await self.books.drafts())
        earlier = await self._placed_earlier()
        for chunk in _chunks(sorted(earlier, key=_by_number)):
            known = await self.sales.by_id(chunk)
            async for judged in self._judged({order: known.get(order) for order in chunk}, drafts):
                yield judged
        for day in self.period.days:
            async for judged in self._day(day, earlier, drafts):
                yield judged
            self.heard(day)
        async for judged in self._stray_drafts(drafts):
            yield judged

    async def _placed_earlier(self) -> set[str]:
        """Orders placed before the period that were paid or refunded in it."""
        since, until = self.period.since, self.period.until
        refunded = await self.sales.refunded(since, until)
        found = set()
        async for sale in self.sales.changed(since, since):
            if self.period.has(sale.paid_at) or await self._refunded(sale, refunded):
                found.add(sale.id)
        for chunk in _chunks(sorted((refunded or set()) - found, key=_by_number)):
            others = await self.sales.by_id(chunk)
            found |= {sale.id for sale in others.values() if sale.created < since}
        return found

    async def _refunded(self, sale: SaleFact, listed: set[str] | None) -> bool:
        if listed is not None:
            return sale.id in listed
        return any(self.period.has(refund.created) for refund in (await self.sales.with_refunds(sale)).refunds)

    async def _day(self, day: date, earlier: set[str], drafts: Drafts) -> AsyncIterator[Judged]:
        since, until = self.period.start_of(day), self.period.start_of(day + timedelta(days=1))
        placed: set[str] = set()
        waiting: dict[str, SaleFact] = {}
        async for sale in self.sales.created(since, until):
            if sale.id not in placed:
                placed.add(sale.id)
                waiting[sale.id] = sale
            if len(waiting) >= _AT_ONCE:
                async for judged in self._judged(waiting, drafts):
                    yield judged
                waiting = {}
        async for judged in self._judged(waiting, drafts):
            yield judged
        orders, odd = await self._mentioned(day)
        for chunk in _chunks(sorted(orders - placed - earlier, key=_by_number)):
            async for judged in self._by_their_documents(day, chunk, drafts):
                yield judged
        for reference in sorted(odd):
            for one in await self.books.under(reference):
                yield _misfiled(one)

    async def _mentioned(self, day: date) -> tuple[set[str], set[str]]:
        """Orders with a document of this day; references of ours under a number that is none."""
        orders: set[str] = set()
        odd: set[str] = set()
        async for mention in self.books.dated(day):
            _sort(mention, orders, odd)
        return orders, odd

    async def _by_their_documents(self, day: date, orders: Sequence[str], drafts: Drafts) -> AsyncIterator[Judged]:
        """Orders that belong to the period by their documents alone, on the first day of one of these."""
        known = await self.sales.by_id(orders)
        since, until = self.period.since, self.period.until
        others = [order for order in orders if order not in known or not since <= known[order].created < until]
        if not others:
            return
        firsts: dict[str, date] = {}
        for one in await self.books.documents(others):
            if one.date is not None and self.period.first <= one.date <= self.period.last:
                firsts[one.order] = min(one.date, firsts.get(one.order, one.date))
        chosen = {order: known.get(order) for order in others if firsts.get(order, day) == day}
        async for judged in self._judged(chosen, drafts):
            yield judged

    async def _stray_drafts(self, drafts: Drafts) -> AsyncIterator[Judged]:
        """Drafts of orders that the store does not have; those of orders of other periods are none of ours."""
        for chunk in _chunks(sorted(drafts.left, key=_by_number)):
            known = await self.sales.by_id(chunk)
            async for judged in self._judged(dict.fromkeys(set(chunk) - known.keys()), drafts):
                yield judged

    async def _judged(self, sales: Mapping[str, SaleFact | None], drafts: Drafts) -> AsyncIterator[Judged]:
        """Judge some orders; read those again that nobody can explain."""
        if not sales:
            return
        doubtful = []
        for order, verdicts in await self._judge(sales, drafts):
            if any(one.unexplained for one in verdicts):
                doubtful.append(order)
                continue
            for one in verdicts:
                yield one
        if doubtful:
            known = await self.sales.by_id(doubtful)
            again = {order: known.get(order) for order in doubtful}
            for _, verdicts in await self._judge(again, drafts):
                for one in verdicts:
                    yield one

    async def _judge(self, sales: Mapping[str, SaleFact | None], drafts: Drafts) -> Iterable[tuple[str, list[Judged]]]:
        # The store was read first, then our ledger, then the books: what is in the books by then was recorded before.
        ruled = {order: await self._ruled(sale) for order, sale in sales.items()}
        now = self.clock.now()
        recorded = await self.explain(sales)
        posted: dict[str, list[BookFact]] = {order: [] for order in sales}
        for one in await self.books.documents(list(sales)):
            posted.setdefault(one.order, []).append(one)
        cases = (
            Case(
                order=order,
                sale=sale,
                ruling=ruling,
                books=tuple(posted[order]),
                drafts=drafts.take(order),
                recorded=recorded.get(order, Recorded()),
                now=now,
                patience=self.patience,
            )
            for order, (sale, ruling) in ruled.items()
        )
        return [(case.order, [self._with_payment(one, case) for one in judge(case)]) for case in cases]

    async def _ruled(self, sale: SaleFact | None) -> tuple[SaleFact | None, Ruling]:
        """What ought to be in the books of it; before the cut-over the dates of its refunds decide."""
        if sale is None or sale.defect:
            return sale, Ruling()
        ruling = self.rules.ruling(sale)
        if sale.refunds and CUT_OVER in {rule.name for rule in (ruling.sale, ruling.perhaps) if rule}:
            sale = await self.sales.with_refunds(sale)
            ruling = self.rules.ruling(sale)
        return sale, ruling

    def _with_payment(self, one: Judged, case: Case) -> Judged:
        sale = case.sale
        if one.kind != "order" or sale is None or sale.paid_at is None or not self.period.has(sale.paid_at):
            return one
        day = self.period.local_date(sale.paid_at)
        return replace(one, paid=Payment(day, sale.total, sale.transaction))


class Drafts:
    """What lies in the ERP unposted, by order; ``left`` are the orders of which nobody has asked yet."""

    def __init__(self, drafts: Sequence[BookFact]) -> None:
        self._of: dict[str, list[BookFact]] = {}
        for one in drafts:
            self._of.setdefault(one.order, []).append(one)
        self.left = set(self._of)

    def take(self, order: str) -> tuple[BookFact, ...]:
        """Those of an order."""
        self.left.discard(order)
        return tuple(self._of.get(order, ()))


def _sort(mention: Mention, orders: set[str], odd: set[str]) -> None:
    if mention.order:
        orders.add(mention.order)
    else:
        odd.add(mention.reference)


def _misfiled(one: BookFact) -> Judged:
    """A reference of ours under a number that is none of ours."""
    return Judged(
        kind="document",
        id=one.reference,
        order=one.order,
        verdict=Verdict.WITHOUT_SALE,
        currency=one.currency,
        store=one.amount * 0,
        books=one.amount,
        sentence=f"{one.reference} is posted under invoice number {one.number}, which is none of this store's",
        references=(one.reference,),
    )


def _by_number(order: str) -> tuple[int, str]:
    return len(order), order


def _chunks(orders: Sequence[str]) -> Iterable[Sequence[str]]:
    return (orders[start : start + _AT_ONCE] for start in range(0, len(orders), _AT_ONCE))
