"""What still has to be read of an order before its documents can be decided. Pure.

Webhooks carry refunds as stubs, and neither the categories of products nor the customer's account (WooCommerce facts
§7). Orders that make no document need nothing more.
"""

from __future__ import annotations

from mlc_mapper.mapping import Mapping
from mlc_mapper.state import OrderState
from mlc_mapper.woocommerce.accounts import needs_category
from mlc_mapper.woocommerce.credits import missing_refunds
from mlc_mapper.woocommerce.invoices import rule_for
from mlc_mapper.woocommerce.party import needs_account_email


def missing(state: OrderState, mapping: Mapping) -> tuple[str, ...]:
    """The kinds of records to be read: of ``refunds``, ``products``, ``customer``."""
    order = state.picture.order if state.picture else None
    if order is None:
        return ()
    rule = rule_for(state, mapping)
    lacking = []
    if missing_refunds(state) and (rule is None or rule.name == "before_cut_over"):
        lacking.append("refunds")
    if rule is None and any(needs_category(line, state.facts, mapping) for line in order.lines):
        lacking.append("products")
    if rule is None and needs_account_email(order, state.facts, mapping):
        lacking.append("customer")
    return tuple(lacking)
