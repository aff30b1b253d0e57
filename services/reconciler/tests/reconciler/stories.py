"""Orders and books that are as they should be, to be damaged by tests; and two sides that tell them."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

from mlc_common.reconciling import BookFact, Mention, RefundFact, SaleFact
from mlc_reconciler.evidence import Recorded

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
LONG_AGO = datetime(2026, 11, 10, 12, tzinfo=UTC)
PATIENCE = timedelta(minutes=15)


def sale(
    order: str = "17", total: str = "100.00", refunds: Mapping[str, str] | None = None, **more: object
) -> SaleFact:
    """A paid order of long ago."""
    facts = tuple(RefundFact(id=name, amount=Decimal(amount)) for name, amount in (refunds or {}).items())
    plain = SaleFact(
        id=order,
        status="processing",
        currency="USD",
        total=Decimal(total),
        created=LONG_AGO,
        changed=LONG_AGO,
        paid_at=LONG_AGO,
        refunds=facts,
    )
    return replace(plain, **more)  # type: ignore[arg-type]  # fields by name, as replace() itself takes them


def invoice(order: str = "17", amount: str = "100.00", **more: object) -> BookFact:
    """Its invoice."""
    plain = BookFact(
        order=order,
        reference=f"IN-WC01-{order}",
        number=f"WA{order:0>5}",
        currency="USD",
        amount=Decimal(amount),
        date=date(2026, 11, 10),
        place="STORE.WEB01",
        run="202611/1",
    )
    return replace(plain, **more)  # type: ignore[arg-type]


def credit(order: str = "17", refund: str = "25", amount: str = "-30.00", **more: object) -> BookFact:
    """The credit of a refund of it."""
    named = invoice(order, amount, refund=refund, reference=f"CM-WC01-{order}-R{refund}")
    return replace(named, **more)  # type: ignore[arg-type]


def booked(one: SaleFact) -> list[BookFact]:
    """What the books hold of a sale when all is well."""
    credits_ = [credit(one.id, refund.id, str(-refund.amount)) for refund in one.refunds if refund.amount]
    return [invoice(one.id, str(one.total)), *credits_]


@dataclass
class Shop:
    """A store that tells these sales; ``asked`` counts what it was asked."""

    sales: list[SaleFact]
    has_refund_list: bool = True
    refund_dates: dict[str, datetime] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)

    async def created(self, since: datetime, until: datetime) -> AsyncIterator[SaleFact]:
        self.asked.append("created")
        for one in list(self.sales):
            if since <= one.created < until:
                yield one

    async def changed(self, since: datetime, placed_before: datetime) -> AsyncIterator[SaleFact]:
        for one in list(self.sales):
            if one.created < placed_before and one.changed >= since:
                yield one

    async def refunded(self, since: datetime, until: datetime) -> set[str] | None:
        if not self.has_refund_list:
            return None
        dates = self.refund_dates
        return {
            one.id for one in self.sales for refund in one.refunds if since <= dates.get(refund.id, one.created) < until
        }

    async def by_id(self, ids: Sequence[str]) -> dict[str, SaleFact]:
        self.asked.append("by_id")
        return {one.id: one for one in self.sales if one.id in ids}

    async def with_refunds(self, sale: SaleFact) -> SaleFact:
        dated = (replace(each, created=self.refund_dates.get(each.id, sale.created)) for each in sale.refunds)
        return replace(sale, refunds=tuple(dated))


@dataclass
class Ledger:
    """An ERP that tells these documents; ``most`` is the most orders that it was asked about at once."""

    books: list[BookFact]
    drafted: list[BookFact] = field(default_factory=list)
    most: int = 0
    looks: int = 0

    async def dated(self, day: date) -> AsyncIterator[Mention]:
        for one in list(self.books):
            if one.date == day:
                yield Mention(one.order if one.number.startswith("WA") else "", one.reference)

    async def documents(self, orders: Sequence[str]) -> list[BookFact]:
        self.most, self.looks = max(self.most, len(orders)), self.looks + 1
        return [one for one in self.books if one.order in orders and one.number.startswith("WA")]

    async def under(self, reference: str) -> list[BookFact]:
        return [one for one in self.books if one.reference == reference]

    async def drafts(self) -> list[BookFact]:
        return self.drafted


async def nothing_recorded(_: Mapping[str, SaleFact | None]) -> dict[str, Recorded]:
    """Of none of the orders."""
    return {}
