"""What would be posted for one stored record: the issue's `mlc preview`, offline. Pure.

The record is ``{"order": …, "refunds": […], "customer": …?, "products": […]?}`` as the store's REST API answers. It
goes through the same decisions as live events. The output is stable, see docs/preview.md; amounts are strings.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from mlc_common.accounting import EXPLANATIONS, CreditNote, HoldReason, Invoice, Line, Party
from mlc_common.errors import ConfigurationError
from mlc_common.events import DocumentWish, HeldWish, OrderSnapshot
from mlc_common.money import quantise
from mlc_mapper.decision import Excluded, NotAnOrder
from mlc_mapper.evolve import fold
from mlc_mapper.mapping import Mapping
from mlc_mapper.state import OrderState
from mlc_mapper.woocommerce.documents import Wished, map_order
from mlc_mapper.woocommerce.fields import is_id
from mlc_mapper.woocommerce.order import RefundStub
from mlc_mapper.woocommerce.told import OrderTold, read_snapshot

_NO_TIME = datetime(1970, 1, 1, tzinfo=UTC)
"""A stored record has no time of reading; with one record nothing depends on it."""


def preview(record: dict[str, Any], mapping: Mapping) -> dict[str, Any]:
    """Map one stored record.

    Args:
        record: Read with ``mlc_common.exactjson``, so that no amount was a float.
        mapping: The rules.

    Returns:
        ``{"documents": […], "holds": […], "excluded": […]}`` of plain JSON values.

    Raises:
        ConfigurationError: the record is not of that shape.
    """
    snapshot = _snapshot(record, mapping)
    told = read_snapshot(snapshot)
    if isinstance(told, NotAnOrder):
        raise ConfigurationError(f"the record cannot be read: {told.reason}")
    state = OrderState(flow=mapping.flow, connection=mapping.store, order_id=told.order_id)
    mapped = map_order(fold(state, _with_all_refunds(told) if isinstance(told, OrderTold) else told), mapping)
    documents = [wished.wish.document for wished in mapped.wishes if isinstance(wished.wish, DocumentWish)]
    return {
        "documents": [_document(document) | {"after_posting": mapping.after_posting} for document in documents],
        "holds": [_hold(wished, wished.wish) for wished in mapped.wishes if isinstance(wished.wish, HeldWish)],
        "excluded": [_excluded(excluded) for excluded in mapped.excluded],
    }


def _snapshot(record: dict[str, Any], mapping: Mapping) -> OrderSnapshot:
    if not isinstance(record, dict) or not isinstance(record.get("order"), dict):
        raise ConfigurationError('the record holds no order; write {"order": {…}, "refunds": [{…}]}')
    order = record["order"]
    if not is_id(order.get("id")):
        raise ConfigurationError("the record's order has no id; store it as the REST API answers it")
    return OrderSnapshot(
        connection=mapping.store,
        order_id=str(order["id"]),
        order=order,
        refunds=_list(record, "refunds"),
        customer=_customer(record),
        products=_list(record, "products"),
        fetched_at=_NO_TIME,
    )


def _with_all_refunds(told: OrderTold) -> OrderTold:
    """The order listing every stored refund: one that it does not list was made after the order was stored."""
    order = told.picture.order
    if order is None:
        return told
    stubs = {refund.id: RefundStub(id=refund.id, total=refund.amount) for refund in told.refunds}
    stubs |= {stub.id: stub for stub in order.stubs}
    listing = order.model_copy(update={"stubs": tuple(stubs[refund_id] for refund_id in sorted(stubs))})
    return replace(told, picture=told.picture.model_copy(update={"order": listing}))


def _list(record: dict[str, Any], name: str) -> list[dict[str, Any]]:
    value = record.get(name)
    if value is None:
        return []
    if not isinstance(value, list) or not all(isinstance(item, dict) for item in value):
        raise ConfigurationError(f"{name!r} of the record must be a list of objects")
    return value


def _customer(record: dict[str, Any]) -> dict[str, Any] | None:
    value = record.get("customer")
    if value is not None and not isinstance(value, dict):
        raise ConfigurationError("'customer' of the record must be an object")
    return value


def _document(document: Invoice | CreditNote) -> dict[str, Any]:
    said = document.model_dump(mode="json")
    shown: dict[str, Any] = {
        "type": document.type,
        "key": said["key"],
        "number": document.number,
        "reference": document.reference,
        "date": said["date"],
        "currency": document.currency,
        "memo": document.memo,
        "project": document.placement.project,
        "party": _party(document.party),
        "lines": [_line(line, document.currency) for line in document.lines],
        "net": said["net"],
        "tax": said["tax"],
        "total": said["total"],
    }
    if isinstance(document, CreditNote):
        shown |= {"invoice": said["invoice"], "invoice_number": document.invoice_number, "reason": document.reason}
    return shown


def _line(line: Line, currency: str) -> dict[str, Any]:
    said = line.model_dump(mode="json")
    return {
        "kind": said["kind"],
        "source_line": line.source_line,
        "sku": line.sku,
        "description": line.description,
        "quantity": said["quantity"],
        "net": said["net"],
        "tax": format(quantise(line.tax, currency), "f"),
        "account": line.account,
        "taxes": said["taxes"],
    }


def _party(party: Party) -> dict[str, Any]:
    said: dict[str, Any] = party.model_dump(mode="json")
    return {name: value for name, value in said.items() if name not in ("match", "create")}


def _hold(wished: Wished, wish: HeldWish) -> dict[str, Any]:
    fix = wish.fix or EXPLANATIONS[HoldReason(wish.reason)].remedy
    return {"reason": wish.reason, "detail": wish.detail, "fix": fix, "type": wished.kind, "key": str(wished.key)}


def _excluded(excluded: Excluded) -> dict[str, Any]:
    return {"rule": excluded.rule, "detail": excluded.detail, "subject": excluded.subject}
