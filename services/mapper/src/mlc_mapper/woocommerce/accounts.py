"""Which account a line goes to, by the mapping; a line without one is held, never guessed. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from mlc_common.accounting import HoldReason, Line, LineKind
from mlc_common.errors import Held
from mlc_mapper.mapping import Mapping
from mlc_mapper.woocommerce.facts import Facts, LineFact
from mlc_mapper.woocommerce.order import StoreLine
from mlc_mapper.woocommerce.reading import EPOCH


@dataclass(frozen=True)
class Booking:
    """What a line is and where it goes."""

    kind: LineKind
    account: str
    sku: str
    description: str


def booking(line: StoreLine, facts: Facts, mapping: Mapping) -> Booking:
    """Choose kind and account of a line.

    Raises:
        Held: the mapping has no account for it (``account_unknown``).
    """
    if line.kind == "item":
        return _item(line, facts, mapping)
    if line.kind == "shipping":
        account = mapping.shipping.by_method.get(line.method) or mapping.shipping.default
        if not account:
            raise _unknown(line, f"under shipping.by_method.{line.method or '(no method)'} or shipping.default")
        return Booking(LineKind.SHIPPING, account, "", line.name or "Shipping")
    rule = mapping.fees.rule_for(line.name)
    if rule is None:
        raise _unknown(line, "under fees.rules or fees.default")
    return Booking(rule.line_kind, rule.account, "", line.name or "Fee")


def rebooked(line: Line) -> Booking:
    """The booking that a document's line was made with."""
    return Booking(line.kind, line.account, line.sku, line.description)


def needs_category(line: StoreLine, facts: Facts, mapping: Mapping) -> bool:
    """Whether an item's account hangs on a category that was not read yet."""
    if line.kind != "item" or not mapping.needs_products:
        return False
    fact = _fact(line, facts)
    return bool(fact.product_id) and fact.sku not in mapping.revenue.by_sku and fact.categories is None


def _item(line: StoreLine, facts: Facts, mapping: Mapping) -> Booking:
    fact, revenue = _fact(line, facts), mapping.revenue
    categories = fact.categories or ()
    by_category = next((account for name, account in revenue.by_category.items() if name in categories), None)
    account = (revenue.by_sku.get(fact.sku) if fact.sku else None) or by_category or revenue.default
    if not account:
        raise _unknown(line, f"under revenue.by_sku.{fact.sku}" if fact.sku else "under revenue.default")
    return Booking(LineKind.ITEM, account, fact.sku, fact.name or "Item")


def _fact(line: StoreLine, facts: Facts) -> LineFact:
    """The item as first seen, also where a refund's line refers to it; else as the line says."""
    known = facts.items.get(line.refers_to or line.id)
    return known or LineFact(
        seen=EPOCH, name=line.name, sku=line.sku, product_id=line.product_id, variation_id=line.variation_id
    )


def _unknown(line: StoreLine, where: str) -> Held:
    return Held(HoldReason.ACCOUNT_UNKNOWN, f"{line.label} has no account", fix=f"Give it one {where}, then release.")
