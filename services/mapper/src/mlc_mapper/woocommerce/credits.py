"""What the credits of an order should be: one per refund, by the refunds' ids; documents, holds, or nothing by a rule.

A refund is measured against what is left of its invoice, so they are taken one after the other. How a credit was
divided and booked when it was first commanded stays so, whatever later happens to the order's other refunds. Pure.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from contextlib import suppress
from decimal import Decimal
from uuid import UUID

from mlc_common.accounting import (
    CreditNote,
    HoldReason,
    Line,
    NumberLimits,
    Source,
    document_key,
    document_number,
    external_reference,
)
from mlc_common.errors import Held
from mlc_common.events import DocumentWish, HeldWish, Wish
from mlc_common.money import quantise
from mlc_mapper.mapping import Mapping
from mlc_mapper.state import LastWish, OrderState
from mlc_mapper.woocommerce.credit_lines import Ground, credit_lines, paid_back
from mlc_mapper.woocommerce.invoices import Outcome, Rule, Sold, held_wish, sell
from mlc_mapper.woocommerce.order import RefundStub, StoreRefund
from mlc_mapper.woocommerce.returns import Left, all_of
from mlc_mapper.woocommerce.standing import Standing

LIMITS = NumberLimits(number=12, number_min=8, reference=32)
"""Deltek facts §13; a credit's prefix is one letter longer than an invoice's."""

_ZERO = Decimal(0)
Found = Wish | Rule | None
"""A wish; or the rule by which the refund makes no credit; or None: what was wished before stays."""


def credit_key(state: OrderState, refund_id: int) -> UUID:
    """The key of a refund's credit."""
    return document_key(state.flow, "credit_note", str(refund_id))


def map_credits(
    state: OrderState, outcome: Outcome, mapping: Mapping, *, released: Collection[UUID] = ()
) -> Iterator[tuple[int, Found]]:
    """Map the refunds that the order lists.

    Args:
        state: The order's state.
        outcome: What its invoice should be.
        mapping: The rules.
        released: See ``map_order``.
    """
    order = state.picture.order if state.picture else None
    stubs = order.stubs if order else ()
    if isinstance(outcome, Sold):
        return _of_invoice(state, outcome, mapping, stubs, released=released)
    if isinstance(outcome, HeldWish):
        return ((stub.id, _with_held_invoice(state, stub, outcome)) for stub in stubs)
    if outcome.name == "before_cut_over":
        return ((stub.id, _before_cut_over(state, stub, outcome, mapping)) for stub in stubs)
    return _without_invoice(state, outcome, mapping, stubs)


def missing_refunds(state: OrderState) -> list[int]:
    """Refunds that the order lists and that were not read, or not with the same amount."""
    order = state.picture.order if state.picture else None
    return [stub.id for stub in order.stubs if _details(state, stub) is None] if order else []


def _of_invoice(
    state: OrderState,
    sold: Sold,
    mapping: Mapping,
    stubs: tuple[RefundStub, ...],
    *,
    released: Collection[UUID] = (),
) -> Iterator[tuple[int, Found]]:
    ground = Ground(order=sold.order, sale=sold.sale, facts=state.facts, mapping=mapping)
    left, invoice = all_of(sold.sale), sold.invoice.key
    moved = invoice in released and state.booked(invoice, mapping.version, anew=True) is None
    for stub in stubs:
        key = credit_key(state, stub.id)
        last = None if moved else state.booked(key, mapping.version, anew=key in released)
        refund = _details(state, stub)
        yield stub.id, _credit(refund, last, sold, ground, left) if refund else _unread(state, stub)


def _with_held_invoice(state: OrderState, stub: RefundStub, invoice: HeldWish) -> Found:
    """A credit waits for its invoice and says so; one that was commanded as a document stays.

    One that was held after that, be it because it was released while the order was to be read, waits with it again.
    """
    last = state.wishes.get(credit_key(state, stub.id))
    if last is not None and last.commanded and last.wish == "document":
        return None
    return HeldWish(reason=invoice.reason, detail=f"refund {stub.id}: its invoice is held: {invoice.detail}")


def _before_cut_over(state: OrderState, stub: RefundStub, rule: Rule, mapping: Mapping) -> Found:
    """An order of before the cut-over has no invoice of ours: its later refunds need a person."""
    if not stub.total:
        return Rule("zero_amount", f"refund {stub.id} paid nothing back")
    refund = _details(state, stub)
    if refund is None or refund.created is None:
        return _unread(state, stub)
    day = mapping.local_date(refund.created)
    if day < mapping.cut_over:
        return Rule(rule.name, f"the refund's date {day} is before the cut-over {mapping.cut_over}")
    return HeldWish(reason=HoldReason.NO_INVOICE, detail=f"refund {stub.id} of {day}: {rule.detail}")


def _without_invoice(
    state: OrderState, rule: Rule, mapping: Mapping, stubs: tuple[RefundStub, ...]
) -> Iterator[tuple[int, Found]]:
    """Refunds of an order that makes no invoice (any more). Credits that were commanded stay.

    A cancellation returns everything that no credit has returned, so later refunds of the order return nothing.
    """
    before = tuple(stub for stub in stubs if _commanded(state, stub))
    stay: dict[int, Found] = dict.fromkeys(stub.id for stub in before)
    if before and rule.name in (Standing.CANCELLED.value, Standing.DELETED.value):
        with suppress(Held):  # where the mapping was changed since, what was commanded stays
            stay |= dict(_of_invoice(state, sell(state, mapping), mapping, before))
    name = "refund_after_cancellation" if rule.name == Standing.CANCELLED.value else rule.name
    for stub in stubs:
        yield stub.id, stay[stub.id] if stub.id in stay else Rule(name, f"refund {stub.id}: {rule.detail}")


def _credit(refund: StoreRefund, last: LastWish | None, sold: Sold, ground: Ground, left: Left) -> Found:
    """The credit of the next refund; what it returns is taken off what is left."""
    if refund.defect:
        return HeldWish(reason=HoldReason.BAD_DATA, detail=refund.defect)
    if not refund.amount:
        return Rule("zero_amount", f"refund {refund.id} paid nothing back")
    try:
        amount = paid_back(refund, ground, left)
        booked = last if last and last.total == amount else None
        lines = booked.lines if booked else credit_lines(refund, ground, left)
    except Held as held:
        return held_wish(held)
    left.take_off(lines)
    note = _document(sold, refund, lines, ground.mapping)
    return DocumentWish(document=note.model_copy(update={"date": booked.date}) if booked else note)


def _document(sold: Sold, refund: StoreRefund, lines: tuple[Line, ...], mapping: Mapping) -> CreditNote:
    invoice, order, numbering = sold.invoice, sold.order, mapping.numbering
    order_id, refund_id = str(order.id), str(refund.id)
    net = quantise(sum((line.net for line in lines), _ZERO), order.currency)
    tax = quantise(sum((line.tax for line in lines), _ZERO), order.currency)
    connection = invoice.sources[0].connection
    assert refund.created is not None
    return CreditNote(
        key=document_key(invoice.flow, "credit_note", refund_id),
        flow=invoice.flow,
        number=document_number(f"{numbering.invoice_prefix}R", refund_id, LIMITS),
        reference=external_reference("CM", numbering.store_code, order_id, f"R{refund_id}", limits=LIMITS),
        date=mapping.local_date(refund.created),
        currency=order.currency,
        sources=(Source(connection=connection, kind="refund", id=refund_id, number=order.number, parent=order_id),),
        memo=mapping.memo.for_credit(
            refund_id=refund_id, number=order.number, order_id=order_id, store=numbering.store_code
        ),
        party=invoice.party,
        placement=invoice.placement,
        lines=lines,
        net=net,
        tax=tax,
        total=net + tax,
        invoice=invoice.key,
        invoice_number=invoice.number,
        reason=refund.reason,
    )


def _details(state: OrderState, stub: RefundStub) -> StoreRefund | None:
    """The refund with its lines, if it was read and is the one that the order lists."""
    refund = state.refund(stub.id)
    if refund is None or (not refund.defect and refund.amount != stub.total):
        return None
    return refund


def _commanded(state: OrderState, stub: RefundStub) -> bool:
    last = state.wishes.get(credit_key(state, stub.id))
    return last is not None and last.commanded


def _unread(state: OrderState, stub: RefundStub) -> HeldWish:
    other = state.refund(stub.id)
    if other and other.defect:
        return HeldWish(reason=HoldReason.BAD_DATA, detail=other.defect)
    read = f"but {other.amount} was read of it" if other else "which was not among the refunds that were read"
    return HeldWish(reason=HoldReason.BAD_DATA, detail=f"the order lists refund {stub.id} of {stub.total}, {read}")
