"""From an order's state to what its documents should be: one invoice, one credit per refund, holds, exclusions. Pure.

What cannot be mapped is said, too: a document that should be and cannot is a hold with its reason, so that a credit
never overtakes its invoice (architecture §5); what makes no document is excluded by a named rule.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import date
from typing import Literal
from uuid import UUID

from mlc_common.accounting import HoldReason
from mlc_common.events import HeldWish, Wish, Withdrawn
from mlc_mapper.decision import Excluded
from mlc_mapper.mapping import Mapping
from mlc_mapper.state import OrderState
from mlc_mapper.woocommerce.credits import credit_key, map_credits
from mlc_mapper.woocommerce.invoices import Outcome, Rule, Sold, as_document, invoice_key, map_invoice
from mlc_mapper.woocommerce.standing import Standing


@dataclass(frozen=True, kw_only=True)
class Wished:
    """What one document should be."""

    key: UUID
    kind: Literal["invoice", "credit_note"]
    wish: Wish


@dataclass(frozen=True, kw_only=True)
class Mapped:
    """What the documents of one order should be: the invoice first, credits by the refunds' ids."""

    wishes: tuple[Wished, ...] = ()
    excluded: tuple[Excluded, ...] = ()


def map_order(state: OrderState, mapping: Mapping, *, released: Collection[UUID] = ()) -> Mapped:
    """Map an order and its refunds.

    Args:
        state: The order's state; one that holds no picture yet makes nothing.
        mapping: The rules of its flow.
        released: Documents that a person released: what was booked by other rules is booked by these, an invoice with
            its credits.
    """
    if state.picture is None and not state.gone:
        return Mapped()
    outcome = map_invoice(state, mapping, anew=invoice_key(state) in released)
    wish = _invoice_wish(state, outcome, mapping)
    wishes = [Wished(key=invoice_key(state), kind="invoice", wish=wish)] if wish else []
    wishes += [
        Wished(key=key, kind="credit_note", wish=_withdrawn(state, key, "refund_deleted")) for key in _vanished(state)
    ]
    excluded = [_excluded(outcome, f"order:{state.order_id}")] if isinstance(outcome, Rule) and not wish else []
    for refund_id, found in map_credits(state, outcome, mapping, released=released):
        key = credit_key(state, refund_id)
        if isinstance(found, Rule) and key not in state.wishes:
            excluded.append(_excluded(found, f"refund:{refund_id}"))
        elif found is not None:
            made = _withdrawn(state, key, found.name) if isinstance(found, Rule) else found
            wishes.append(Wished(key=key, kind="credit_note", wish=made))
    return Mapped(wishes=tuple(wishes), excluded=tuple(excluded))


def _invoice_wish(state: OrderState, outcome: Outcome, mapping: Mapping) -> Wish | None:
    """The invoice's wish; None where a rule excludes an order that nothing was ever wished for."""
    key = invoice_key(state)
    if isinstance(outcome, Sold):
        return as_document(outcome)
    if isinstance(outcome, HeldWish):
        return outcome
    if key not in state.wishes:
        return None
    if outcome.name == Standing.DELETED.value and state.live(key):
        return HeldWish(reason=HoldReason.ORDER_DELETED, detail=outcome.detail)
    return _withdrawn(state, key, outcome.name, mapping.local_date(state.picture.modified) if state.picture else None)


def _withdrawn(state: OrderState, key: UUID, rule: str, day: date | None = None) -> Withdrawn:
    """A withdrawal; one that was commanded before stays as it was, so that later edits of the order change nothing."""
    last = state.wishes.get(key)
    if last is not None and not last.live:
        return Withdrawn(rule=last.rule, date=last.date)
    return Withdrawn(rule=rule, date=day)


def _vanished(state: OrderState) -> list[UUID]:
    """Credits of refunds that the order no longer lists (deleting a refund is silent in the store, facts §9)."""
    order = state.picture.order if state.picture else None
    if order is None or state.gone:
        return []
    listed = {credit_key(state, stub.id) for stub in order.stubs}
    commanded = [(last.seq, key) for key, last in state.wishes.items() if last.kind == "credit_note"]
    return [key for _, key in sorted(commanded) if key not in listed]


def _excluded(rule: Rule, subject: str) -> Excluded:
    return Excluded(rule=rule.name, detail=rule.detail, subject=subject)
