"""What the invoice of an order should be: a document, a hold with its reason, or nothing by a named rule. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from functools import lru_cache
from uuid import UUID

from mlc_common.accounting import (
    HoldReason,
    Invoice,
    NumberLimits,
    Source,
    document_key,
    document_number,
    external_reference,
)
from mlc_common.errors import Held
from mlc_common.events import DocumentWish, HeldWish
from mlc_common.money import quantise
from mlc_mapper.mapping import Mapping
from mlc_mapper.state import LastWish, OrderState
from mlc_mapper.woocommerce.booked import booked_sale
from mlc_mapper.woocommerce.lines import Sale, invoice_lines, read_sale
from mlc_mapper.woocommerce.order import StoreOrder
from mlc_mapper.woocommerce.party import party, placement
from mlc_mapper.woocommerce.standing import Standing, sold_at, standing

LIMITS = NumberLimits(number=12, number_min=7, reference=32)
"""Deltek facts §13: numbers of 7 to 12 characters, references of at most 32."""


@dataclass(frozen=True)
class Rule:
    """The rule by which an order makes no invoice, and what of the order made it apply."""

    name: str
    detail: str


@dataclass(frozen=True, kw_only=True)
class Sold:
    """An order that makes an invoice: the document, and the sale that its refunds are measured against."""

    order: StoreOrder
    sale: Sale
    invoice: Invoice


Outcome = Sold | HeldWish | Rule


def invoice_key(state: OrderState) -> UUID:
    """The key of the order's invoice."""
    return _key(state.flow, state.order_id)


@lru_cache(maxsize=64)  # asked for several times for each event of an order
def _key(flow: str, order_id: int) -> UUID:
    return document_key(flow, "invoice", str(order_id))


def standing_of(state: OrderState, mapping: Mapping) -> Standing:
    """What the order is to the books now."""
    if state.gone or state.picture is None:
        return Standing.DELETED
    return standing(state.picture, state.facts, mapping)


def map_invoice(state: OrderState, mapping: Mapping, *, anew: bool = False) -> Outcome:
    """Map an order to its invoice.

    Args:
        state: Holds a picture, or the order is gone.
        mapping: The rules.
        anew: See ``OrderState.booked``.
    """
    rule = rule_for(state, mapping)
    if rule is not None:
        return rule
    try:
        return sell(state, mapping, anew=anew)
    except Held as held:
        return held_wish(held)


def rule_for(state: OrderState, mapping: Mapping) -> Rule | None:
    """The rule by which the order makes no invoice, if one does."""
    stands, picture = standing_of(state, mapping), state.picture
    if stands is Standing.DELETED:
        where = "is in the trash of" if picture is not None and not state.gone else "no longer exists in"
        return Rule(stands.value, f"order {state.order_id} {where} the store")
    assert picture is not None
    day = _sold_on(state, stands, mapping)
    if day is not None and day < mapping.cut_over and not _commanded(state):
        return Rule("before_cut_over", f"the order's invoice date {day} is before the cut-over {mapping.cut_over}")
    if stands in (Standing.NOT_PAID, Standing.REFUNDED_UNPAID, Standing.CANCELLED):
        unpaid = stands is not Standing.CANCELLED and picture.status not in mapping.statuses.open
        return Rule(
            stands.value, f"the order's status is {picture.status}" + (", without a payment date" if unpaid else "")
        )
    if stands is Standing.UNKNOWN or picture.order is None:
        return None
    if not picture.order.total:
        return Rule("zero_total", "the order's total is zero")
    return None


def _sold_on(state: OrderState, stands: Standing, mapping: Mapping) -> date | None:
    """The date of the sale, also where it does not stand any more; None where there was none, or it cannot be read."""
    picture = state.picture
    if picture is None or picture.order is None:
        return None
    # a status that nobody listed: if it counted as paid, its invoice would have this date
    sold = stands in (Standing.SOLD, Standing.UNKNOWN) or picture.paid_at or sold_at(state.facts, mapping)
    return invoice_date(state, mapping) if sold else None


def _commanded(state: OrderState) -> bool:
    last = state.wishes.get(invoice_key(state))
    return last is not None and last.commanded


def sell(state: OrderState, mapping: Mapping, *, anew: bool = False) -> Sold:
    """The invoice of a readable order, whatever its status.

    Args:
        state: Holds a picture.
        mapping: The rules.
        anew: See ``OrderState.booked``.

    Raises:
        Held: it cannot be mapped.
    """
    picture = state.picture
    assert picture is not None
    if standing_of(state, mapping) is Standing.UNKNOWN and not picture.defect:
        raise Held(
            HoldReason.STATUS_UNKNOWN,
            f"the order's status {picture.status} is in no list",
            fix=f"List {picture.status} under statuses in the mapping, then release.",
        )
    order = picture.order
    if order is None:
        raise Held(HoldReason.BAD_DATA, picture.defect)
    last = state.booked(invoice_key(state), mapping.version, anew=anew)
    sale = booked_sale(order, last, mapping) if last else None
    if last and sale:
        invoice = _invoice(state, order, sale, mapping, booked=last)
    else:
        sale = _new_sale(order, state, mapping)
        invoice = _invoice(state, order, sale, mapping)
    return Sold(order=order, sale=sale, invoice=invoice)


def _new_sale(order: StoreOrder, state: OrderState, mapping: Mapping) -> Sale:
    if order.currency not in mapping.currencies:
        raise Held(HoldReason.CURRENCY_NOT_MAPPED, f"the order is in {order.currency}")
    if order.total < 0:
        raise Held(HoldReason.BAD_DATA, f"the order's total is {order.total}; an invoice cannot be negative")
    return read_sale(order, state.facts, mapping)


def invoice_date(state: OrderState, mapping: Mapping) -> date:
    """The store's date of payment, else of the first time that the order was seen paid (architecture §4)."""
    assert state.picture is not None
    return mapping.local_date(sold_at(state.facts, mapping) or state.picture.paid_at or state.picture.modified)


def held_wish(held: Held) -> HeldWish:
    """What cannot be mapped, as a wish."""
    return HeldWish(reason=held.reason, detail=held.detail, fix=held.fix)


def as_document(sold: Sold) -> DocumentWish:
    """The invoice as a wish."""
    return DocumentWish(document=sold.invoice)


def _invoice(
    state: OrderState, order: StoreOrder, sale: Sale, mapping: Mapping, *, booked: LastWish | None = None
) -> Invoice:
    """The invoice of a sale; one that was commanded keeps its lines, project and date."""
    lines, numbering, order_id = booked.lines if booked else invoice_lines(sale), mapping.numbering, str(order.id)
    tax = quantise(sum((line.tax for line in lines), Decimal(0)), order.currency)
    return Invoice(
        key=invoice_key(state),
        flow=mapping.flow,
        number=document_number(numbering.invoice_prefix, order_id, LIMITS),
        reference=external_reference("IN", numbering.store_code, order_id, limits=LIMITS),
        date=(booked.date if booked else None) or invoice_date(state, mapping),
        currency=order.currency,
        sources=(Source(connection=state.connection, kind="order", id=order_id, number=order.number),),
        memo=mapping.memo.for_invoice(number=order.number, order_id=order_id, store=numbering.store_code),
        party=party(order, state.facts, mapping, commanded=booked is not None),
        placement=(booked.placement if booked else None) or placement(order.currency, mapping),
        lines=lines,
        net=sale.total - tax,
        tax=tax,
        total=sale.total,
    )
