"""What an order's statuses mean for the books: sold, not sold, or not sold any more; and since which instant. Pure.

Statuses are coalesced by the store (WooCommerce facts §16): `refunded` may be the first that is ever seen. `date_paid`
is set once and never cleared (§8), so it tells about the past, not about now.
"""

from __future__ import annotations

from datetime import datetime
from enum import Enum

from mlc_mapper.mapping import Mapping
from mlc_mapper.woocommerce.facts import Facts, Span, StatusFact
from mlc_mapper.woocommerce.order import Picture


class Standing(Enum):
    """What the order is to the books; the value is the name of the rule that excludes it."""

    SOLD = ""
    NOT_PAID = "not_paid"
    REFUNDED_UNPAID = "refunded_unpaid"
    CANCELLED = "cancelled"
    DELETED = "deleted"
    UNKNOWN = "status_unknown"


def standing(picture: Picture, facts: Facts, mapping: Mapping) -> Standing:
    """What an order is to the books now."""
    status, statuses = picture.status, mapping.statuses
    if status == "trash":
        return Standing.DELETED
    if status in statuses.cancelled:
        return Standing.CANCELLED
    if status in statuses.paid and (picture.paid_at or not mapping.require_payment_date):
        return Standing.SOLD
    if status == "refunded":
        return _refunded(picture, facts, mapping)
    if status in statuses.open or status in statuses.paid:
        return _open(facts, mapping)
    return Standing.UNKNOWN


def sold_at(facts: Facts, mapping: Mapping) -> datetime | None:
    """The instant that the invoice's date is made from: payment, else when the order was first seen paid.

    None when it was never seen paid.
    """
    spans = [*_sales(facts, mapping).values()]
    refunded = facts.statuses.get("refunded")
    if refunded is not None and refunded.paid is not None:
        spans.append(refunded.paid)
    first = min(spans, key=lambda span: (span.first, span.paid_at is None, span.paid_at or span.first), default=None)
    return None if first is None else first.paid_at or first.first


def _refunded(picture: Picture, facts: Facts, mapping: Mapping) -> Standing:
    """All money went back. That un-cancels nothing: a cancellation after the sale returned everything already."""
    sales = [span.last for span in _sales(facts, mapping).values()]
    sales += [picture.paid_at] if picture.paid_at else []
    cancelled = _last_cancelled(facts, mapping)
    if not sales:
        return Standing.REFUNDED_UNPAID
    return Standing.CANCELLED if cancelled and cancelled >= max(sales) else Standing.SOLD


def _open(facts: Facts, mapping: Mapping) -> Standing:
    """Back to an open status after a sale: what was sold stays sold, what was cancelled stays cancelled."""
    sales = [span.last for span in _sales(facts, mapping).values()]
    cancelled = _last_cancelled(facts, mapping)
    if not sales:
        return Standing.NOT_PAID
    return Standing.CANCELLED if cancelled and cancelled >= max(sales) else Standing.SOLD


def _sales(facts: Facts, mapping: Mapping) -> dict[str, Span]:
    """When the order was seen in each status that counts as paid."""
    found = {status: facts.statuses[status] for status in mapping.statuses.paid if status in facts.statuses}
    spans = {status: _span(fact, mapping) for status, fact in found.items()}
    return {status: span for status, span in spans.items() if span is not None}


def _span(fact: StatusFact, mapping: Mapping) -> Span | None:
    return fact.paid if mapping.require_payment_date else fact.seen


def _last_cancelled(facts: Facts, mapping: Mapping) -> datetime | None:
    seen = [facts.statuses[status].seen.last for status in mapping.statuses.cancelled if status in facts.statuses]
    return max(seen, default=None)
