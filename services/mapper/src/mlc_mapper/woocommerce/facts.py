"""Facts of an order that stay fixed once seen: SKU, product, category, name per line, first and last time per status.

They are folded from every picture, also from late ones, by taking the earliest (or latest) by the store's own clock;
so the result does not depend on the order in which pictures arrive (reliability R8). A product deleted later, a moved
category or a payment date set later changes nothing (architecture §5; WooCommerce facts §7).
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from pydantic import Field

from mlc_common.accounting import Value
from mlc_mapper.woocommerce.order import Picture, StoreLine


class LineFact(Value):
    """An item as first seen. ``categories`` is None until the product was read."""

    seen: datetime
    name: str
    sku: str
    product_id: int
    variation_id: int
    categories: tuple[str, ...] | None = None
    categories_at: datetime | None = None

    def rank(self) -> tuple[datetime, bool, str, str, int, int]:
        """The earliest wins; within one second the one that still knows its product (deletion is silent)."""
        return (self.seen, self.product_id == 0, self.sku, self.name, self.product_id, self.variation_id)


class Span(Value):
    """First and last time of something, by the store's clock; ``paid_at`` is the payment date at the first time."""

    first: datetime
    paid_at: datetime | None = None
    last: datetime


class StatusFact(Value):
    """When the order was seen in one status, and when it was seen in it with a payment date."""

    seen: Span
    paid: Span | None = None


class Account(Value):
    """A customer's account as first read; without e-mail where it could not be read."""

    email: str
    at: datetime


class Facts(Value):
    """All fixed facts of an order. ``accounts`` are by customer: an order may be given to another one.

    ``customer_id`` is the latest that was not 0: it becomes 0 silently when the customer is deleted (facts §7).
    """

    items: dict[int, LineFact] = Field(default_factory=dict)
    statuses: dict[str, StatusFact] = Field(default_factory=dict)
    customer_id: int = 0
    customer_seen: datetime | None = None
    accounts: dict[int, Account] = Field(default_factory=dict)


def with_picture(facts: Facts, picture: Picture) -> Facts:
    """The facts after one more picture of the order; one that could not be read proves nothing."""
    if picture.order is None:
        return facts
    statuses = {**facts.statuses, picture.status: _status(facts.statuses.get(picture.status), picture)}
    items = _items(facts.items, picture.order.lines, picture.modified)
    changed: dict[str, object] = {"statuses": statuses, "items": items}
    customer = picture.order.buyer.customer_id
    if customer and (facts.customer_seen is None or (picture.modified, customer) > _customer(facts)):
        changed |= {"customer_id": customer, "customer_seen": picture.modified}
    return facts.model_copy(update=changed)


def with_categories(facts: Facts, categories: Mapping[int, tuple[str, ...]], at: datetime, *, complete: bool) -> Facts:
    """The facts after products were read at an instant; the earliest reading of a product counts.

    Args:
        facts: Before.
        categories: Product or variation id to its categories.
        at: When they were read.
        complete: Whether what is not among them does not exist; such items have no category then.
    """
    items = dict(facts.items)
    for line_id, item in facts.items.items():
        read = [categories[one] for one in (item.product_id, item.variation_id) if one in categories]
        found = next((one for one in read if one), () if read or complete else None)
        if found is not None and (item.categories_at is None or (at, found) < (item.categories_at, item.categories)):
            items[line_id] = item.model_copy(update={"categories": found, "categories_at": at})
    return facts.model_copy(update={"items": items})


def with_account(facts: Facts, customer_id: int, email: str, at: datetime) -> Facts:
    """The facts after a customer was read at an instant; the earliest reading counts."""
    known = facts.accounts.get(customer_id)
    if not customer_id or (known is not None and (known.at, known.email) <= (at, email)):
        return facts
    return facts.model_copy(update={"accounts": {**facts.accounts, customer_id: Account(email=email, at=at)}})


def _customer(facts: Facts) -> tuple[datetime | None, int]:
    return facts.customer_seen, facts.customer_id


def _items(known: dict[int, LineFact], lines: tuple[StoreLine, ...], seen: datetime) -> dict[int, LineFact]:
    items = dict(known)
    for line in lines:
        if line.kind != "item":
            continue
        fact = LineFact(
            seen=seen, name=line.name, sku=line.sku, product_id=line.product_id, variation_id=line.variation_id
        )
        old = items.get(line.id)
        if old is None:
            items[line.id] = fact
        elif fact.rank() < old.rank():
            read = {"categories": old.categories, "categories_at": old.categories_at}
            items[line.id] = fact.model_copy(update=read)
    return items


def _status(old: StatusFact | None, picture: Picture) -> StatusFact:
    span = Span(first=picture.modified, paid_at=picture.paid_at, last=picture.modified)
    if old is None:
        return StatusFact(seen=span, paid=span if picture.paid_at else None)
    paid = old.paid
    if picture.paid_at:
        paid = _merged(paid, span) if paid else span
    return StatusFact(seen=_merged(old.seen, span), paid=paid)


def _merged(one: Span, other: Span) -> Span:
    first = min(one, other, key=_rank)
    return Span(first=first.first, paid_at=first.paid_at, last=max(one.last, other.last))


def _rank(span: Span) -> tuple[datetime, bool, datetime]:
    """The earlier counts; within one second the one with a payment date, and of those the earlier date."""
    return (span.first, span.paid_at is None, span.paid_at or span.first)
