"""The buyer of an order and the project it is billed on, by the mapping. Never identified by name alone. Pure."""

from __future__ import annotations

import hashlib
from typing import Literal

from mlc_common.accounting import HoldReason, Party, Placement, party_key
from mlc_common.errors import Held
from mlc_mapper.mapping import Mapping
from mlc_mapper.woocommerce.facts import Facts
from mlc_mapper.woocommerce.order import StoreOrder


def party(order: StoreOrder, facts: Facts, mapping: Mapping, *, commanded: bool = False) -> Party:
    """The buyer: a customer by the store's id, a guest by the lower-cased billing e-mail (WooCommerce facts §11).

    Args:
        order: The order.
        facts: Its fixed facts.
        mapping: The rules.
        commanded: Whether the invoice was commanded already; a stricter policy for guests then comes too late.

    Raises:
        Held: ``guest_not_allowed`` where the mapping holds guests, or needs an e-mail that the guest did not give.
    """
    customer_id = facts.customer_id or order.buyer.customer_id
    email = _email(order, facts, mapping, customer_id)
    firm = mapping.firms.firm_of(customer_id, email)
    if not customer_id and not firm and not commanded:
        _check_guest(order, email, mapping)
    identity = str(customer_id) if customer_id else f"email:{email}" if email else f"order:{order.id}"
    own_firm = (
        not firm
        and mapping.project.rule == "by_firm"  # on a generic project the project's billing client is the debtor
        and (bool(customer_id) or mapping.guests.policy == "firm")
    )
    buyer = order.buyer
    person = f"{buyer.first_name} {buyer.last_name}".strip()
    return Party(
        key=party_key(mapping.flow, identity),
        external_key=_external_key(mapping.numbering.store_code, customer_id, email or identity),
        name=buyer.company or person or email or f"Order {order.number}",
        first_name=buyer.first_name,
        last_name=buyer.last_name,
        email=email,
        phone=buyer.phone,
        customer_id=str(customer_id) if customer_id else "",
        guest=not customer_id,
        billing=buyer.billing,
        firm=firm,
        match=mapping.firms.match if own_firm else (),
        create=mapping.firms.create and own_firm,
    )


def placement(currency: str, mapping: Mapping) -> Placement:
    """The project for a currency."""
    rules = mapping.project
    code = rules.by_currency.get(currency) or rules.code
    rule: Literal["fixed", "by_firm"] = "fixed" if code else "by_firm"
    return Placement(rule=rule, project=code, phase=rules.phase, task=rules.task, period=mapping.period)


def needs_account_email(order: StoreOrder, facts: Facts, mapping: Mapping) -> bool:
    """Whether the buyer is identified by an e-mail that was not read yet."""
    customer_id = facts.customer_id or order.buyer.customer_id
    return mapping.needs_customer and bool(customer_id) and customer_id not in facts.accounts


def _email(order: StoreOrder, facts: Facts, mapping: Mapping, customer_id: int) -> str:
    account = facts.accounts.get(customer_id) if mapping.needs_customer else None
    return (account.email if account and account.email else order.buyer.email).strip().lower()


def _check_guest(order: StoreOrder, email: str, mapping: Mapping) -> None:
    policy = mapping.guests.policy
    if policy == "hold":
        raise Held(HoldReason.GUEST_NOT_ALLOWED, f"order {order.number} is a guest's, and `guests.policy` is hold")
    if policy == "firm" and not email:
        raise Held(
            HoldReason.GUEST_NOT_ALLOWED,
            f"order {order.number} is a guest's without e-mail address, which would name the firm",
            fix="Add the address to the order in the store and save it.",
        )


def _external_key(store_code: str, customer_id: int, identity: str) -> str:
    """Our key as the ERP's firm carries it; a guest's e-mail is hashed, so that it is not spread."""
    if customer_id:
        return f"{store_code}:{customer_id}"
    return f"{store_code}:g:{hashlib.sha256(identity.encode('utf-8', 'surrogatepass')).hexdigest()[:16]}"
